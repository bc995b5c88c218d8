# May read this tenant's subscriptions, and nothing else: it has no role in the project.
resource "google_service_account" "worker" {
  project      = var.project_id
  account_id   = local.account_id
  display_name = "Event worker of ${var.tenant_id}"
  description  = "Reads the subscriptions of ${var.tenant_id}."
}

resource "google_pubsub_subscription_iam_member" "worker" {
  for_each = local.subscriptions

  project      = var.project_id
  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${google_service_account.worker.email}"
  depends_on   = [google_pubsub_subscription.worker]
}
