locals {
  # The project of the topics comes first; Tenants may have their subscriptions in the others.
  projects = setunion([var.project_id], var.tenant_project_ids)

  # iam, iamcredentials and sts exchange the cluster's tokens; cloudresourcemanager tells a project's number;
  # monitoring says whether a subscription is empty.
  services = setunion(
    [
      "cloudresourcemanager.googleapis.com",
      "iam.googleapis.com",
      "iamcredentials.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "sts.googleapis.com",
    ],
    var.create_kms_key ? ["cloudkms.googleapis.com"] : [],
  )
}

resource "google_project_service" "enabled" {
  for_each = { for pair in setproduct(local.projects, local.services) : "${pair[0]}/${pair[1]}" => { project = pair[0], service = pair[1] } }

  project = each.value.project
  service = each.value.service
  # Others of the project may use it too.
  disable_on_destroy = false
}

data "google_project" "each" {
  for_each = setunion(local.projects, [local.cluster_project_id])

  project_id = each.value
  depends_on = [google_project_service.enabled]
}

# Moves dead letters and uses the KMS key. A new project does not have it yet, and IAM refuses to name it before it exists.
resource "google_project_service_identity" "pubsub" {
  provider = google-beta
  for_each = local.projects

  project    = each.value
  service    = "pubsub.googleapis.com"
  depends_on = [google_project_service.enabled]
}

locals {
  service_agents = {
    for id in local.projects : id => "serviceAccount:service-${data.google_project.each[id].number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  }
}
