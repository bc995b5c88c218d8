variable "project_id" {
  description = "Google Cloud project of topics, subscriptions and job."
  type        = string
}

variable "region" {
  description = "Region of the job."
  type        = string
  default     = "europe-west1"
  nullable    = false
}

variable "tenant_id" {
  description = "The tenant_id on the messages that the job handles; any other's are refused."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._~-]{1,63}$", var.tenant_id))
    error_message = "tenant_id: 1 to 63 of A-Z a-z 0-9 . _ ~ -."
  }
}

variable "image" {
  description = "The worker's image, with a tag or digest that stays: a rollback names the one before."
  type        = string

  validation {
    condition     = can(regex("[:@][^/]+$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image: with a tag or a digest, and not :latest: a rollback would not know what ran before."
  }
}

variable "topic_prefix" {
  description = "In front of every topic's name."
  type        = string
  default     = "living-twin"
  nullable    = false
}

variable "topics" {
  description = "Keys of the topics that the tenant's events come from."
  type        = set(string)
  default     = ["events", "document-events", "query-events", "user-events", "system-events"]
  nullable    = false

  validation {
    condition     = length(var.topics) > 0
    error_message = "topics: at least one key of the catalogue."
  }
}

variable "create_subscriptions" {
  description = "Whether the tenant's subscriptions are made here. False where the operator makes them, for a Tenant with spec.suspend: true."
  type        = bool
  default     = true
  nullable    = false
}

variable "enable_dlq" {
  description = "Whether the subscriptions have dead letters. Their topics have to be there already."
  type        = bool
  default     = true
  nullable    = false
}

variable "max_delivery_attempts" {
  description = "Deliveries of a message before it goes to the dead letters: 5 to 100."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.max_delivery_attempts >= 5 && var.max_delivery_attempts <= 100
    error_message = "max_delivery_attempts: 5 to 100."
  }
}

variable "ack_deadline_seconds" {
  description = "Seconds until an unacknowledged message is delivered again: 10 to 600. A living worker extends it."
  type        = number
  default     = 600
  nullable    = false

  validation {
    condition     = var.ack_deadline_seconds >= 10 && var.ack_deadline_seconds <= 600
    error_message = "ack_deadline_seconds: 10 to 600."
  }
}

variable "worker_timeout_seconds" {
  description = "The longest one event may take, in seconds: WORKER_TIMEOUT."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.worker_timeout_seconds >= 1 && var.worker_timeout_seconds < var.task_timeout_seconds
    error_message = "worker_timeout_seconds: from 1, and less than task_timeout_seconds, at which Cloud Run ends the whole job."
  }
}

variable "exit_when_idle_seconds" {
  description = "The job ends when nothing has come for so many seconds: EXIT_WHEN_IDLE."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.exit_when_idle_seconds >= 1 && var.exit_when_idle_seconds <= 86400
    error_message = "exit_when_idle_seconds: 1 to 86400."
  }
}

variable "task_timeout_seconds" {
  description = "Seconds after which Cloud Run ends an execution that was never idle: up to 604800 (7 days)."
  type        = number
  default     = 86400
  nullable    = false

  validation {
    condition     = var.task_timeout_seconds >= 60 && var.task_timeout_seconds <= 604800
    error_message = "task_timeout_seconds: 60 to 604800."
  }
}

variable "max_retries" {
  description = "How often Cloud Run starts a failed task again: 0 to 10."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.max_retries >= 0 && var.max_retries <= 10
    error_message = "max_retries: 0 to 10."
  }
}

variable "max_concurrent_messages" {
  description = "Events handled at a time: MAX_CONCURRENT_MESSAGES, 1 to 1000."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.max_concurrent_messages >= 1 && var.max_concurrent_messages <= 1000
    error_message = "max_concurrent_messages: 1 to 1000."
  }
}

variable "cpu" {
  description = "CPUs of the container."
  type        = string
  default     = "1"
  nullable    = false
}

variable "memory" {
  description = "Memory of the container."
  type        = string
  default     = "2Gi"
  nullable    = false
}

variable "handler_url" {
  description = "Service that events are posted to as CloudEvents. Null: they are logged, or the image has handlers of its own."
  type        = string
  default     = null
}

variable "env" {
  description = "More of the worker's variables (worker/README.md), such as IDEMPOTENCY_URL."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(setintersection(keys(var.env), ["GCP_PROJECT_ID", "TENANT_ID", "SUBSCRIPTIONS", "SUBSCRIPTIONS_FILE"])) == 0
    error_message = "env: GCP_PROJECT_ID, TENANT_ID, SUBSCRIPTIONS and SUBSCRIPTIONS_FILE are this module's own."
  }
}

variable "job_name" {
  description = "Name of the job. Null: event-worker-<tenant_id>."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", coalesce(var.job_name, "event-worker-${var.tenant_id}")))
    error_message = "job_name: 1 to 63 of a-z 0-9 -, a letter first, no - last. event-worker-<tenant_id> is not such a name where it is longer or the id has other characters; set job_name."
  }
}

variable "service_account_id" {
  description = "Id of the tenant's service account, 6 to 30 characters. Null: event-worker- and a hash of the tenant's id, which may be longer."
  type        = string
  default     = null
}

variable "schedule" {
  description = "When the job is started, in cron's form, such as */5 * * * *. Null: by you."
  type        = string
  default     = null
}

variable "labels" {
  description = "Labels on the subscriptions and on the job."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether Terraform refuses to delete the job."
  type        = bool
  default     = true
  nullable    = false
}
