//! A topic's fields: what may be in them, and what the service fills in.

use crate::{
    clock,
    engine::labels,
    limits::RETENTION,
    pb,
    status::{Result, Status},
};

/// Checks a topic as a client sent it, and gives it the form in which it is stored and returned.
pub(super) fn complete(topic: &mut pb::Topic, default_regions: &[String]) -> Result<()> {
    labels::validate(&topic.labels)?;
    check_retention(topic.message_retention_duration.as_ref())?;
    // Only topics with ingestion have a state (recorded traffic of the service, Config Connector's fixtures).
    topic.state = if topic.ingestion_data_source_settings.is_some() {
        pb::topic::State::Active.into()
    } else {
        pb::topic::State::Unspecified.into()
    };
    if topic.message_storage_policy.is_none() && !default_regions.is_empty() {
        topic.message_storage_policy = Some(pb::MessageStoragePolicy {
            allowed_persistence_regions: default_regions.to_vec(),
            ..pb::MessageStoragePolicy::default()
        });
    }
    if topic
        .message_storage_policy
        .as_ref()
        .is_some_and(|policy| policy.allowed_persistence_regions.iter().any(String::is_empty))
    {
        return Err(Status::invalid(
            "The message storage policy must not name an empty region.",
        ));
    }
    Ok(())
}

/// Topics and subscriptions keep messages between ten minutes and 31 days.
pub(super) fn check_retention(retention: Option<&prost_types::Duration>) -> Result<()> {
    match retention {
        None => Ok(()),
        Some(d) if clock::duration(d).is_some_and(|d| RETENTION.contains(&d)) => Ok(()),
        Some(d) => Err(Status::invalid(format!(
            "Invalid message_retention_duration: {}s. It must be between 600s (10 minutes) and 2678400s (31 days).",
            d.seconds
        ))),
    }
}

/// Copies one masked field.
pub(super) fn apply(path: &str, from: &pb::Topic, to: &mut pb::Topic) -> Result<()> {
    match path {
        "labels" => to.labels.clone_from(&from.labels),
        "message_storage_policy" => to.message_storage_policy.clone_from(&from.message_storage_policy),
        "message_storage_policy.allowed_persistence_regions" => {
            let regions = from
                .message_storage_policy
                .clone()
                .unwrap_or_default()
                .allowed_persistence_regions;
            to.message_storage_policy
                .get_or_insert_default()
                .allowed_persistence_regions = regions;
        }
        "kms_key_name" => to.kms_key_name.clone_from(&from.kms_key_name),
        "schema_settings" => to.schema_settings.clone_from(&from.schema_settings),
        "message_retention_duration" => to.message_retention_duration = from.message_retention_duration,
        "ingestion_data_source_settings" => to
            .ingestion_data_source_settings
            .clone_from(&from.ingestion_data_source_settings),
        "message_transforms" => to.message_transforms.clone_from(&from.message_transforms),
        "name" | "state" | "satisfies_pzs" | "tags" => return Err(super::mask::immutable(path, "Topic")),
        _ => return Err(super::mask::unknown(path, "Topic")),
    }
    Ok(())
}
