locals {
  topics = { for key in var.topics : key => "${var.topic_prefix}-${key}" }
  # The operator's names: {topic}-{tenant}-worker and {topic}-{tenant}-dlq.
  subscriptions = { for key, topic in local.topics : key => "${topic}-${var.tenant_id}-worker" }
  # The characters that a tenant id may have need no escape in a filter.
  filter       = "attributes.tenant_id = \"${var.tenant_id}\""
  job_name     = coalesce(var.job_name, "event-worker-${var.tenant_id}")
  account_id   = coalesce(var.service_account_id, "event-worker-${substr(sha256(var.tenant_id), 0, 12)}")
  own          = var.create_subscriptions ? local.topics : {}
  dead_letters = var.enable_dlq ? local.own : {}
}

resource "google_project_service" "enabled" {
  for_each = setunion(["run.googleapis.com"], var.schedule == null ? [] : ["cloudscheduler.googleapis.com"])

  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}

data "google_project" "this" {
  project_id = var.project_id
}
