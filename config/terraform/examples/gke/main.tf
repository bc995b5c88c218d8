# The event operator on GKE with Workload Identity.
#   tofu init && tofu apply -var project_id=my-project
#   tofu output -raw helm_values >values.yaml

terraform {
  required_version = ">= 1.9.0"
}

variable "project_id" {
  type = string
}

variable "existing_topics" {
  description = "Keys of topics that are there already, made by the operator or by hand: they are imported."
  type        = set(string)
  default     = []
}

provider "google" {
  project = var.project_id
}

provider "google-beta" {
  project = var.project_id
}

module "event_plane" {
  source = "../.."

  project_id     = var.project_id
  manage_topics  = true
  create_kms_key = false
  labels         = { team = "platform" }
}

# Import blocks stand in the root module. With no existing topics they do nothing.
import {
  for_each = var.existing_topics
  to       = module.event_plane.google_pubsub_topic.catalogue[each.value]
  id       = "projects/${var.project_id}/topics/living-twin-${each.value}"
}

import {
  for_each = var.existing_topics
  to       = module.event_plane.google_pubsub_topic.dead_letters[each.value]
  id       = "projects/${var.project_id}/topics/living-twin-${each.value}-dlq"
}

output "helm_values" {
  value = module.event_plane.helm_values
}
