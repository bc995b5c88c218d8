output "job_name" {
  description = "Name of the job: `gcloud run jobs execute`."
  value       = google_cloud_run_v2_job.worker.name
}

output "service_account" {
  description = "E-mail of the tenant's service account."
  value       = google_service_account.worker.email
}

output "subscriptions" {
  description = "The subscriptions that the job pulls, by the topic's key."
  value       = local.subscriptions
}
