# What `make tf-apply-staging` applies. Variables come from the environment (TF_VAR_region=…); one that is not set has the
# module's default, which its README lists.

terraform {
  required_version = ">= 1.9.0"

  # Bucket and prefix come from apply-staging.sh.
  backend "gcs" {}
}

provider "google" {
  project = var.project_id
}

provider "google-beta" {
  project = var.project_id
}

module "event_plane" {
  source = "../"

  project_id               = var.project_id
  tenant_project_ids       = var.tenant_project_ids
  region                   = var.region
  storage_regions          = var.storage_regions
  enable_dlq               = var.enable_dlq
  labels                   = var.labels
  topic_prefix             = var.topic_prefix
  catalogue                = var.catalogue
  manage_topics            = var.manage_topics
  kms_key_name             = var.kms_key_name
  create_kms_key           = var.create_kms_key
  kms_key_ring             = var.kms_key_ring
  identity_mode            = var.identity_mode
  cluster_project_id       = var.cluster_project_id
  pool_id                  = var.pool_id
  provider_id              = var.provider_id
  oidc_issuer              = var.oidc_issuer
  oidc_jwks_json           = var.oidc_jwks_json
  operator_namespace       = var.operator_namespace
  operator_service_account = var.operator_service_account
  operator_role_id         = var.operator_role_id
}

# Topics that are there already, made by the operator or by hand. Import blocks stand in the root module only.
locals {
  prefix = coalesce(var.topic_prefix, "living-twin")
}

import {
  for_each = var.existing_topics
  to       = module.event_plane.google_pubsub_topic.catalogue[each.value]
  id       = "projects/${var.project_id}/topics/${local.prefix}-${each.value}"
}

import {
  for_each = var.enable_dlq == false ? [] : var.existing_topics
  to       = module.event_plane.google_pubsub_topic.dead_letters[each.value]
  id       = "projects/${var.project_id}/topics/${local.prefix}-${each.value}-dlq"
}

output "helm_values" {
  value = module.event_plane.helm_values
}
