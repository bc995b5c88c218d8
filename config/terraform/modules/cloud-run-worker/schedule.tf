# May start this job, and nothing else.
resource "google_service_account" "scheduler" {
  count = var.schedule == null ? 0 : 1

  project      = var.project_id
  account_id   = "ew-start-${substr(sha256(var.tenant_id), 0, 12)}"
  display_name = "Starts the event worker of ${var.tenant_id}"
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  count = var.schedule == null ? 0 : 1

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_job.worker.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${one(google_service_account.scheduler[*].email)}"
}

resource "google_cloud_scheduler_job" "start" {
  count = var.schedule == null ? 0 : 1

  project   = var.project_id
  region    = var.region
  name      = local.job_name
  schedule  = var.schedule
  time_zone = "Etc/UTC"

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/projects/${var.project_id}/locations/${var.region}/jobs/${google_cloud_run_v2_job.worker.name}:run"

    oauth_token {
      service_account_email = one(google_service_account.scheduler[*].email)
    }
  }

  depends_on = [google_project_service.enabled]
}
