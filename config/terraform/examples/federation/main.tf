# The event operator on a cluster that is not GKE.
#   kubectl get --raw /openid/v1/jwks >jwks.json
#   tofu init && tofu apply -var project_id=my-project \
#     -var oidc_issuer="$(kubectl get --raw /.well-known/openid-configuration | jq -r .issuer)"
#   tofu output -raw helm_values >values.yaml

terraform {
  required_version = ">= 1.9.0"
}

variable "project_id" {
  type = string
}

variable "oidc_issuer" {
  type = string
}

variable "jwks_file" {
  description = "The cluster's public keys. They have to be applied again when the API server gets others."
  type        = string
  default     = "jwks.json"
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
  identity_mode  = "federation"
  pool_id        = "tenants"
  provider_id    = "prod-eu"
  oidc_issuer    = var.oidc_issuer
  oidc_jwks_json = file(var.jwks_file)
}

output "helm_values" {
  value = module.event_plane.helm_values
}
