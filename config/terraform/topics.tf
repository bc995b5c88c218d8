locals {
  topics             = var.manage_topics ? { for key in var.catalogue : key => "${var.topic_prefix}-${key}" } : {}
  dead_letter_topics = var.enable_dlq ? { for key, name in local.topics : key => "${name}-dlq" } : {}

  storage_regions = var.storage_regions == null ? [var.region] : var.storage_regions
  # The operator takes a topic for its own by this label, and adds the rest of its stamp when it first writes the topic.
  topic_labels = merge(var.labels, { "managed-by" = "event-operator" })
}

resource "google_pubsub_topic" "catalogue" {
  for_each = local.topics

  project      = var.project_id
  name         = each.value
  labels       = local.topic_labels
  kms_key_name = local.kms_key_name

  dynamic "message_storage_policy" {
    for_each = length(local.storage_regions) > 0 ? [local.storage_regions] : []
    content {
      allowed_persistence_regions = message_storage_policy.value
    }
  }

  depends_on = [google_project_service.enabled, google_kms_crypto_key_iam_member.service_agent]
  lifecycle {
    # Its subscriptions would stay, attached to nothing, and a new topic of its name would not reach them.
    prevent_destroy = true
  }
}

resource "google_pubsub_topic" "dead_letters" {
  for_each = local.dead_letter_topics

  project      = var.project_id
  name         = each.value
  labels       = local.topic_labels
  kms_key_name = local.kms_key_name

  dynamic "message_storage_policy" {
    for_each = length(local.storage_regions) > 0 ? [local.storage_regions] : []
    content {
      allowed_persistence_regions = message_storage_policy.value
    }
  }

  depends_on = [google_project_service.enabled, google_kms_crypto_key_iam_member.service_agent]
  lifecycle {
    prevent_destroy = true
  }
}

# Without it dead letters are silently lost. The service agent is that of the subscriptions' project.
resource "google_pubsub_topic_iam_member" "service_agents" {
  for_each = { for pair in setproduct(keys(local.dead_letter_topics), local.projects) : "${pair[0]}/${pair[1]}" => { key = pair[0], project = pair[1] } }

  project    = var.project_id
  topic      = google_pubsub_topic.dead_letters[each.value.key].name
  role       = "roles/pubsub.publisher"
  member     = local.service_agents[each.value.project]
  depends_on = [google_project_service_identity.pubsub]
}
