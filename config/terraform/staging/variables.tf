# The module's variables, without defaults: null is its default. They are described and checked there.

variable "project_id" {
  type = string
}

variable "tenant_project_ids" {
  type    = set(string)
  default = null
}

variable "region" {
  type    = string
  default = null
}

variable "storage_regions" {
  type    = list(string)
  default = null
}

variable "enable_dlq" {
  type    = bool
  default = null
}

variable "labels" {
  type    = map(string)
  default = null
}

variable "topic_prefix" {
  type    = string
  default = null
}

variable "catalogue" {
  type    = set(string)
  default = null
}

variable "manage_topics" {
  type    = bool
  default = null
}

variable "kms_key_name" {
  type    = string
  default = null
}

variable "create_kms_key" {
  type    = bool
  default = null
}

variable "kms_key_ring" {
  type    = string
  default = null
}

variable "identity_mode" {
  type    = string
  default = null
}

variable "cluster_project_id" {
  type    = string
  default = null
}

variable "pool_id" {
  type    = string
  default = null
}

variable "provider_id" {
  type    = string
  default = null
}

variable "oidc_issuer" {
  type    = string
  default = null
}

variable "oidc_jwks_json" {
  type    = string
  default = null
}

variable "operator_namespace" {
  type    = string
  default = null
}

variable "operator_service_account" {
  type    = string
  default = null
}

variable "operator_role_id" {
  type    = string
  default = null
}

variable "existing_topics" {
  description = "Keys of topics that are there already: they are imported. Needs manage_topics."
  type        = set(string)
  default     = []
}
