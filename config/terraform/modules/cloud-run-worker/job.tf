locals {
  # The same as in config/cloud-run/job.yaml; tests/test_module.py compares them.
  env = merge(
    {
      GCP_PROJECT_ID          = var.project_id
      TENANT_ID               = var.tenant_id
      SUBSCRIPTIONS           = join(",", values(local.subscriptions))
      PUBSUB_ENABLE_DLQ       = tostring(var.enable_dlq)
      MAX_CONCURRENT_MESSAGES = tostring(var.max_concurrent_messages)
      WORKER_TIMEOUT          = "${var.worker_timeout_seconds}s"
      EXIT_WHEN_IDLE          = "${var.exit_when_idle_seconds}s"
      # Cloud Run kills ten seconds after it asked.
      SHUTDOWN_GRACE = "8s"
      HANDLER        = var.handler_url == null ? "log" : "http"
      HANDLER_URL    = var.handler_url == null ? "" : var.handler_url
      LOG_LEVEL      = "INFO"
      # Nobody can ask a job; the port is one that the system chooses.
      HTTP_ADDR      = "127.0.0.1:0"
      ENABLE_METRICS = "true"
    },
    var.env,
  )
}

resource "google_cloud_run_v2_job" "worker" {
  project             = var.project_id
  location            = var.region
  name                = local.job_name
  labels              = var.labels
  deletion_protection = var.deletion_protection

  template {
    # Events are handled at a time within one task; several tasks need a shared store of idempotency keys.
    task_count  = 1
    parallelism = 1

    template {
      service_account = google_service_account.worker.email
      timeout         = "${var.task_timeout_seconds}s"
      max_retries     = var.max_retries

      containers {
        name  = "event-worker"
        image = var.image

        resources {
          limits = {
            cpu    = var.cpu
            memory = var.memory
          }
        }

        dynamic "env" {
          for_each = local.env
          content {
            name  = env.key
            value = env.value
          }
        }
      }
    }
  }

  depends_on = [google_project_service.enabled, google_pubsub_subscription_iam_member.worker]
}
