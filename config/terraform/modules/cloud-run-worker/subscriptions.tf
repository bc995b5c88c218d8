# A dead-letter topic without a subscription loses messages, so this one comes first.
resource "google_pubsub_subscription" "dead_letters" {
  for_each = local.dead_letters

  project                    = var.project_id
  name                       = "${each.value}-${var.tenant_id}-dlq"
  topic                      = "projects/${var.project_id}/topics/${each.value}-dlq"
  filter                     = local.filter
  ack_deadline_seconds       = var.ack_deadline_seconds
  message_retention_duration = "604800s"
  labels                     = var.labels

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription" "worker" {
  for_each = local.own

  project                    = var.project_id
  name                       = local.subscriptions[each.key]
  topic                      = "projects/${var.project_id}/topics/${each.value}"
  filter                     = local.filter
  ack_deadline_seconds       = var.ack_deadline_seconds
  message_retention_duration = "604800s"
  labels                     = var.labels

  # Never: a quiet tenant's job does not run for weeks.
  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dynamic "dead_letter_policy" {
    for_each = var.enable_dlq ? [google_pubsub_subscription.dead_letters[each.key].topic] : []
    content {
      dead_letter_topic     = dead_letter_policy.value
      max_delivery_attempts = var.max_delivery_attempts
    }
  }

  lifecycle {
    # A changed filter makes it anew, without its messages.
    prevent_destroy = true
  }
}

# Pub/Sub's service agent takes a message from here when it moves it to the dead letters.
resource "google_pubsub_subscription_iam_member" "service_agent" {
  for_each = local.dead_letters

  project      = var.project_id
  subscription = google_pubsub_subscription.worker[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}
