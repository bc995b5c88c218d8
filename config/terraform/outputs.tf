output "project_number" {
  description = "Number of the topics' project."
  value       = data.google_project.each[var.project_id].number
}

output "operator_member" {
  description = "The principal that the operator is to Google."
  value       = local.operator_member
}

output "operator_role" {
  description = "Full name of the custom role in the topics' project."
  value       = google_project_iam_custom_role.operator[var.project_id].name
}

output "service_agents" {
  description = "Pub/Sub's service agent of each project, as a member of policies."
  value       = local.service_agents
}

output "kms_key_name" {
  description = "The key that topics are encrypted with; null for Google's own."
  value       = local.kms_key_name
}

output "topics" {
  description = "Full names of the topics that are made here, by key; those of dead letters too."
  value = merge(
    { for key, topic in google_pubsub_topic.catalogue : key => topic.id },
    { for key, topic in google_pubsub_topic.dead_letters : "${key}-dlq" => topic.id },
  )
}

output "helm_values" {
  description = "What the operator's chart has to know of all this, as YAML: `helm upgrade -f`."
  value = yamlencode({
    config = merge(
      {
        projectId     = var.project_id
        projectNumber = tonumber(data.google_project.each[var.project_id].number)
        topicPrefix   = var.topic_prefix
        enableDlq     = var.enable_dlq
        regions       = local.storage_regions
        labels        = var.labels
        identity      = { for key, value in local.identity : key => value if value != null }
      },
      local.uses_kms_key ? { kmsKeyName = local.kms_key_name } : {},
    )
  })
}
