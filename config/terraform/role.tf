# Just what the operator calls: it cannot publish, pull, or delete a topic. tests/test_module.py compares the list with the
# operator's source and with the README, and e2e/tests/control_plane/rights.rs compares that with the calls of its whole life.
locals {
  operator_permissions = [
    "monitoring.timeSeries.list",
    "pubsub.subscriptions.create",
    "pubsub.subscriptions.delete",
    "pubsub.subscriptions.get",
    "pubsub.subscriptions.getIamPolicy",
    "pubsub.subscriptions.list",
    "pubsub.subscriptions.setIamPolicy",
    "pubsub.subscriptions.update",
    "pubsub.topics.attachSubscription",
    "pubsub.topics.create",
    "pubsub.topics.get",
    "pubsub.topics.getIamPolicy",
    "pubsub.topics.list",
    "pubsub.topics.setIamPolicy",
    "pubsub.topics.update",
    "resourcemanager.projects.get",
  ]
}

resource "google_project_iam_custom_role" "operator" {
  for_each = local.projects

  project     = each.value
  role_id     = var.operator_role_id
  title       = "Event operator"
  description = "What the event operator calls, and nothing else. Made by Terraform."
  permissions = local.operator_permissions
  depends_on  = [google_project_service.enabled]
}

# A member beside others: no other binding of the project is touched.
resource "google_project_iam_member" "operator" {
  for_each = local.projects

  project = each.value
  role    = google_project_iam_custom_role.operator[each.value].name
  member  = local.operator_member
  # On GKE the pool is there once the project had a cluster with Workload Identity.
  depends_on = [google_iam_workload_identity_pool_provider.cluster]
}
