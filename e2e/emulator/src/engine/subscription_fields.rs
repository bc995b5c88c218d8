//! A subscription's fields: what may be in them, which may change, and what they mean for delivery.

use crate::{
    clock,
    engine::{labels, mask, topic_fields::check_retention},
    limits::{ACK_DEADLINE_SECONDS, DELIVERY_ATTEMPTS, MAX_BACKOFF, MIN_EXPIRATION, NACK_REDELIVERY},
    names::Name,
    pb,
    queue::{DeadLetterRule, RetryRule, Rules},
    status::{Result, Status},
};
use std::time::Duration;

/// Checks what does not depend on other resources. Defaults are filled in already.
pub(super) fn validate(s: &pb::Subscription) -> Result<()> {
    labels::validate(&s.labels)?;
    if !ACK_DEADLINE_SECONDS.contains(&s.ack_deadline_seconds) {
        return Err(Status::invalid(format!(
            "Invalid ack deadline given (ack_deadline_seconds={}). It must be between {} and {} seconds.",
            s.ack_deadline_seconds,
            ACK_DEADLINE_SECONDS.start(),
            ACK_DEADLINE_SECONDS.end()
        )));
    }
    check_retention(s.message_retention_duration.as_ref())?;
    if let Some(ttl) = s
        .expiration_policy
        .as_ref()
        .and_then(|policy| policy.ttl.as_ref())
        && clock::duration(ttl).is_none_or(|ttl| ttl < MIN_EXPIRATION)
    {
        return Err(Status::invalid(
            "The expiration_policy.ttl must be at least 1 day.",
        ));
    }
    if let Some(policy) = &s.dead_letter_policy {
        Name::topic(&policy.dead_letter_topic)?;
        if !DELIVERY_ATTEMPTS.contains(&policy.max_delivery_attempts) {
            return Err(Status::invalid(format!(
                "Invalid max_delivery_attempts ({}). It must be between {} and {}.",
                policy.max_delivery_attempts,
                DELIVERY_ATTEMPTS.start(),
                DELIVERY_ATTEMPTS.end()
            )));
        }
    }
    if let Some(retry) = &s.retry_policy {
        let backoff = |d: Option<&prost_types::Duration>| {
            d.and_then(clock::duration)
                .filter(|d| *d <= MAX_BACKOFF)
                .ok_or_else(|| {
                    Status::invalid("The backoffs of the retry_policy must be between 0 and 600 seconds.")
                })
        };
        if backoff(retry.minimum_backoff.as_ref())? > backoff(retry.maximum_backoff.as_ref())? {
            return Err(Status::invalid(
                "The retry_policy's minimum_backoff must not exceed its maximum_backoff.",
            ));
        }
    }
    let push = check_push(s.push_config.as_ref())?;
    let destinations = [
        push,
        s.bigquery_config.is_some(),
        s.cloud_storage_config.is_some(),
        s.bigtable_config.is_some(),
    ];
    if destinations.into_iter().filter(|set| *set).count() > 1 {
        return Err(Status::invalid(
            "At most one of push_config, bigquery_config, cloud_storage_config and bigtable_config may be set.",
        ));
    }
    if s.enable_exactly_once_delivery && push {
        return Err(Status::invalid(
            "Exactly-once delivery is not supported for push subscriptions.",
        ));
    }
    Ok(())
}

/// Whether there is one. `http` is for servers on a laptop; the service itself asks for `https`.
fn check_push(push: Option<&pb::PushConfig>) -> Result<bool> {
    let Some(endpoint) = push
        .map(|push| push.push_endpoint.as_str())
        .filter(|e| !e.is_empty())
    else {
        return Ok(false);
    };
    let host = endpoint
        .strip_prefix("https://")
        .or_else(|| endpoint.strip_prefix("http://"));
    if host.is_some_and(|host| !host.is_empty() && !host.starts_with('/')) {
        return Ok(true);
    }
    Err(Status::invalid(format!(
        "Invalid push endpoint given (endpoint={endpoint}). It must be a URL that begins with https://."
    )))
}

/// The rules that delivery follows.
pub(super) fn rules(s: &pb::Subscription) -> Rules {
    let of = |d: Option<&prost_types::Duration>| d.and_then(clock::duration).unwrap_or_default();
    Rules {
        ack_deadline: Duration::from_secs(u64::try_from(s.ack_deadline_seconds).unwrap_or_default()),
        retention: of(s.message_retention_duration.as_ref()),
        retain_acked: s.retain_acked_messages,
        ordering: s.enable_message_ordering,
        exactly_once: s.enable_exactly_once_delivery,
        redelivery: NACK_REDELIVERY,
        retry: s.retry_policy.as_ref().map(|retry| RetryRule {
            minimum: of(retry.minimum_backoff.as_ref()),
            maximum: of(retry.maximum_backoff.as_ref()),
        }),
        dead_letter: s.dead_letter_policy.as_ref().map(|policy| DeadLetterRule {
            topic: policy.dead_letter_topic.clone(),
            max_attempts: u32::try_from(policy.max_delivery_attempts).unwrap_or_default(),
        }),
    }
}

/// Copies one masked field. An absent message in the update clears it, or brings its default back.
pub(super) fn apply(path: &str, from: &pb::Subscription, to: &mut pb::Subscription) -> Result<()> {
    match path {
        "push_config" => to.push_config.clone_from(&from.push_config),
        "bigquery_config" => to.bigquery_config.clone_from(&from.bigquery_config),
        "cloud_storage_config" => to.cloud_storage_config.clone_from(&from.cloud_storage_config),
        "bigtable_config" => to.bigtable_config.clone_from(&from.bigtable_config),
        "ack_deadline_seconds" => to.ack_deadline_seconds = from.ack_deadline_seconds,
        "retain_acked_messages" => to.retain_acked_messages = from.retain_acked_messages,
        "message_retention_duration" => to.message_retention_duration = from.message_retention_duration,
        "labels" => to.labels.clone_from(&from.labels),
        "expiration_policy" => to.expiration_policy = from.expiration_policy,
        "expiration_policy.ttl" => {
            to.expiration_policy.get_or_insert_default().ttl = from.expiration_policy.unwrap_or_default().ttl;
        }
        "dead_letter_policy" => to.dead_letter_policy.clone_from(&from.dead_letter_policy),
        "dead_letter_policy.dead_letter_topic" => {
            let topic = from
                .dead_letter_policy
                .clone()
                .unwrap_or_default()
                .dead_letter_topic;
            to.dead_letter_policy.get_or_insert_default().dead_letter_topic = topic;
        }
        "dead_letter_policy.max_delivery_attempts" => {
            let attempts = from
                .dead_letter_policy
                .clone()
                .unwrap_or_default()
                .max_delivery_attempts;
            to.dead_letter_policy
                .get_or_insert_default()
                .max_delivery_attempts = attempts;
        }
        "retry_policy" => to.retry_policy = from.retry_policy,
        "retry_policy.minimum_backoff" => {
            to.retry_policy.get_or_insert_default().minimum_backoff =
                from.retry_policy.unwrap_or_default().minimum_backoff;
        }
        "retry_policy.maximum_backoff" => {
            to.retry_policy.get_or_insert_default().maximum_backoff =
                from.retry_policy.unwrap_or_default().maximum_backoff;
        }
        "enable_exactly_once_delivery" => to.enable_exactly_once_delivery = from.enable_exactly_once_delivery,
        "message_transforms" => to.message_transforms.clone_from(&from.message_transforms),
        "name"
        | "topic"
        | "filter"
        | "enable_message_ordering"
        | "detached"
        | "state"
        | "tags"
        | "topic_message_retention_duration"
        | "analytics_hub_subscription_info" => {
            return Err(mask::immutable(path, "Subscription"));
        }
        _ => return Err(mask::unknown(path, "Subscription")),
    }
    Ok(())
}
