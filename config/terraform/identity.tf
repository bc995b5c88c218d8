locals {
  is_federation      = var.identity_mode == "federation"
  cluster_project_id = local.is_federation || var.cluster_project_id == null ? var.project_id : var.cluster_project_id
  pool_number        = data.google_project.each[local.cluster_project_id].number
  pool_id            = local.is_federation ? one(google_iam_workload_identity_pool.clusters[*].workload_identity_pool_id) : "${local.cluster_project_id}.svc.id.goog"

  operator_subject = (
    local.is_federation
    ? "system:serviceaccount:${var.operator_namespace}:${var.operator_service_account}"
    : "ns/${var.operator_namespace}/sa/${var.operator_service_account}"
  )
  operator_member = "principal://iam.googleapis.com/projects/${local.pool_number}/locations/global/workloadIdentityPools/${local.pool_id}/subject/${local.operator_subject}"
}

resource "google_iam_workload_identity_pool" "clusters" {
  count = local.is_federation ? 1 : 0

  project                   = var.project_id
  workload_identity_pool_id = var.pool_id
  display_name              = "Event plane"
  description               = "ServiceAccounts of the clusters that the event operator and its workers run in."
  depends_on                = [google_project_service.enabled]
}

# No key is made or kept anywhere: the cluster's API server signs a token for each ServiceAccount, and Google exchanges it.
resource "google_iam_workload_identity_pool_provider" "cluster" {
  count = local.is_federation ? 1 : 0

  project                            = var.project_id
  workload_identity_pool_id          = one(google_iam_workload_identity_pool.clusters[*].workload_identity_pool_id)
  workload_identity_pool_provider_id = var.provider_id
  description                        = "The API server at ${var.oidc_issuer}"

  # Workers are known by the uid of their ServiceAccount, so that a namespace that is made again inherits nothing.
  attribute_mapping = {
    "google.subject" = "assertion.sub"
    "attribute.uid"  = "assertion['kubernetes.io']['serviceaccount']['uid']"
  }

  oidc {
    issuer_uri = var.oidc_issuer
    jwks_json  = var.oidc_jwks_json
  }
}

locals {
  # The operator's keys under `identity`; mode gke is its default, and refuses the keys of the other.
  identity = {
    mode              = var.identity_mode
    pool              = local.pool_id
    poolProjectNumber = tonumber(local.pool_number)
    provider          = local.is_federation ? var.provider_id : null
    subjectAttribute  = local.is_federation ? "uid" : null
  }
}
