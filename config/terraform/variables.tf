# Limits of ids are those of the APIs: projects.create, Pub/Sub's resource names, IAM's role and pool ids.

variable "project_id" {
  description = "Google Cloud project of the topics, and of the subscriptions of every Tenant that names no other."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id: 6 to 30 of a-z 0-9 -, a letter first, no - last. It is the project's id, not its name or number."
  }
}

variable "tenant_project_ids" {
  description = "Further projects that Tenants name in spec.projectId. The operator is given the same role there."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.tenant_project_ids : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", id))])
    error_message = "tenant_project_ids: each 6 to 30 of a-z 0-9 -, a letter first, no - last."
  }
}

variable "region" {
  description = "Region in which messages are stored, and of the KMS key."
  type        = string
  default     = "europe-west1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region: a region such as europe-west1, not a zone and not a multi-region."
  }
}

variable "storage_regions" {
  description = "Regions in which messages may be stored. Null: `region` alone. []: left to the organisation's policy."
  type        = list(string)
  default     = null
}

variable "enable_dlq" {
  description = "Whether messages that fail again and again go to a dead-letter topic."
  type        = bool
  default     = true
  nullable    = false
}

variable "labels" {
  description = "Labels on what is made here, and (by the Helm values) on what the operator makes."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.labels) : can(regex("^[a-z][a-z0-9_-]{0,62}$", key))])
    error_message = "labels: keys of 1 to 63 of a-z 0-9 _ -, a letter first."
  }
  validation {
    condition     = alltrue([for value in values(var.labels) : can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "labels: values of at most 63 of a-z 0-9 _ -."
  }
  validation {
    condition     = alltrue([for key in keys(var.labels) : key != "managed-by" && !startswith(key, "event-operator-")])
    error_message = "labels: managed-by and event-operator-… are the operator's own."
  }
}

variable "topic_prefix" {
  description = "In front of every topic's name: living-twin-document-events."
  type        = string
  default     = "living-twin"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,62}$", var.topic_prefix)) && !startswith(var.topic_prefix, "goog")
    error_message = "topic_prefix: 1 to 63 of A-Z a-z 0-9 -, a letter first, and not goog…, which Pub/Sub keeps for itself."
  }
}

variable "catalogue" {
  description = "Keys of the topics, as in the operator's configuration. Only used with manage_topics."
  type        = set(string)
  default     = ["events", "document-events", "query-events", "user-events", "system-events"]
  nullable    = false

  validation {
    condition     = alltrue([for key in var.catalogue : can(regex("^[a-z0-9][a-z0-9-]{0,62}$", key)) && !endswith(key, "-dlq")])
    error_message = "catalogue: keys of 1 to 63 of a-z 0-9 -, none of which ends in -dlq."
  }
}

variable "manage_topics" {
  description = "Whether the topics are made here. By default the operator makes them when they are first needed."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_name" {
  description = "Full name of an existing Cloud KMS key that topics are encrypted with. Null: Google's own keys."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_name == null || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key_name))
    error_message = "kms_key_name: projects/P/locations/L/keyRings/R/cryptoKeys/K, without a version."
  }
  validation {
    condition     = var.kms_key_name == null || !var.create_kms_key
    error_message = "kms_key_name is set, and create_kms_key is true; set one."
  }
}

variable "create_kms_key" {
  description = "Whether a KMS key for the topics is made here, in `region`."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_ring" {
  description = "Name of the key ring that create_kms_key makes. A key ring can never be deleted."
  type        = string
  default     = "event-plane"
  nullable    = false
}

variable "identity_mode" {
  description = "Whose word Google takes for the operator and the workers: gke (GKE's own pool), or federation (a pool that trusts another cluster's API server)."
  type        = string
  default     = "gke"
  nullable    = false

  validation {
    condition     = contains(["gke", "federation"], var.identity_mode)
    error_message = "identity_mode: gke or federation."
  }
}

variable "cluster_project_id" {
  description = "gke: project of the cluster, after which its workload identity pool is named. Null: project_id."
  type        = string
  default     = null
}

variable "pool_id" {
  description = "federation: id of the workload identity pool that is made."
  type        = string
  default     = "tenants"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9-]{4,32}$", var.pool_id)) && !startswith(var.pool_id, "gcp-")
    error_message = "pool_id: 4 to 32 of a-z 0-9 -, and not gcp-…, which Google keeps for itself."
  }
}

variable "provider_id" {
  description = "federation: id of the pool's provider, one for each cluster."
  type        = string
  default     = null

  validation {
    condition     = var.identity_mode != "federation" || (var.provider_id != null && can(regex("^[a-z0-9-]{4,32}$", var.provider_id)))
    error_message = "provider_id: must be set with identity_mode federation, to 4 to 32 of a-z 0-9 -, such as prod-eu."
  }
}

variable "oidc_issuer" {
  description = "federation: the cluster's issuer, from `kubectl get --raw /.well-known/openid-configuration`."
  type        = string
  default     = null

  validation {
    condition     = var.identity_mode != "federation" || can(regex("^https://[^ ]+$", var.oidc_issuer))
    error_message = "oidc_issuer: must be set with identity_mode federation, to the https:// issuer of the cluster, letter by letter."
  }
}

variable "oidc_jwks_json" {
  description = "federation: the cluster's public keys, from `kubectl get --raw /openid/v1/jwks`. Null where Google can read them at the issuer."
  type        = string
  default     = null

  validation {
    condition     = var.oidc_jwks_json == null || can(jsondecode(var.oidc_jwks_json).keys)
    error_message = "oidc_jwks_json: the JSON document {\"keys\": […]} that the API server answers."
  }
}

variable "operator_namespace" {
  description = "Namespace that the operator's chart is installed into."
  type        = string
  default     = "event-operator"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.operator_namespace))
    error_message = "operator_namespace: the name of a Kubernetes namespace."
  }
}

variable "operator_service_account" {
  description = "Name of the operator's Kubernetes ServiceAccount: the full name of the chart's release."
  type        = string
  default     = "event-operator"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.operator_service_account))
    error_message = "operator_service_account: the name of a Kubernetes ServiceAccount."
  }
}

variable "operator_role_id" {
  description = "Id of the custom role. A deleted role keeps its id for 37 days."
  type        = string
  default     = "eventOperator"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_.]{3,64}$", var.operator_role_id))
    error_message = "operator_role_id: 3 to 64 of A-Z a-z 0-9 _ . (no -)."
  }
}
