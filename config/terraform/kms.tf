locals {
  kms_key_name = var.create_kms_key ? one(google_kms_crypto_key.topics[*].id) : var.kms_key_name
  uses_kms_key = var.create_kms_key || var.kms_key_name != null
}

resource "google_kms_key_ring" "topics" {
  count = var.create_kms_key ? 1 : 0

  project    = var.project_id
  name       = var.kms_key_ring
  location   = var.region
  depends_on = [google_project_service.enabled]
}

resource "google_kms_crypto_key" "topics" {
  count = var.create_kms_key ? 1 : 0

  name            = "topics"
  key_ring        = one(google_kms_key_ring.topics[*].id)
  purpose         = "ENCRYPT_DECRYPT"
  rotation_period = "7776000s"
  labels          = var.labels

  lifecycle {
    # Without the key no stored message can be read.
    prevent_destroy = true
  }
}

# Pub/Sub refuses to make a topic with a key that its service agent may not use.
resource "google_kms_crypto_key_iam_member" "service_agent" {
  count = local.uses_kms_key ? 1 : 0

  crypto_key_id = local.kms_key_name
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = local.service_agents[var.project_id]
  depends_on    = [google_project_service_identity.pubsub]
}
