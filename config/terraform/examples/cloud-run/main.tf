# Two tenants without Kubernetes: topics, and a Cloud Run job for each tenant that is started every five minutes.
#   tofu init && tofu apply -var project_id=my-project -var image=europe-west1-docker.pkg.dev/my-project/images/event-worker:0.1.0

terraform {
  required_version = ">= 1.9.0"
}

variable "project_id" {
  type = string
}

variable "image" {
  type = string
}

provider "google" {
  project = var.project_id
}

provider "google-beta" {
  project = var.project_id
}

module "event_plane" {
  source = "../.."

  project_id    = var.project_id
  manage_topics = true
}

module "worker" {
  source   = "../../modules/cloud-run-worker"
  for_each = toset(["tenant-123", "tenant-456"])

  project_id = var.project_id
  tenant_id  = each.value
  image      = var.image
  schedule   = "*/5 * * * *"
  depends_on = [module.event_plane]
}

output "jobs" {
  value = { for tenant, worker in module.worker : tenant => worker.job_name }
}
