//! Between the crate's messages and our configurations.
//!
//! What the server fills in by itself (ack deadline, retention, back-off) is filled in here too where an answer leaves
//! it out, so that a default never looks like a difference.

use std::time::Duration;

use events::{SubscriptionName, TopicName, name::InvalidName};
use google_cloud_iam_v1::model as iam;
use google_cloud_pubsub::model;
use google_cloud_type::model::Expr;
use google_cloud_wkt as wkt;

use crate::pubsub::{
    Attachment, Backoff, Binding, DeadLetterPolicy, Expiration, Policy, SubscriptionConfig,
    SubscriptionField, TopicConfig, TopicField, policy,
};

/// The server's own values (<https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions>).
mod server_default {
    use std::time::Duration;

    pub(super) const ACK_DEADLINE: Duration = Duration::from_secs(10);
    pub(super) const RETENTION: Duration = Duration::from_secs(7 * 86_400);
    pub(super) const EXPIRATION: Duration = Duration::from_secs(31 * 86_400);
    pub(super) const MINIMUM_BACKOFF: Duration = Duration::from_secs(10);
    pub(super) const MAXIMUM_BACKOFF: Duration = Duration::from_secs(600);
    pub(super) const DELIVERY_ATTEMPTS: i32 = 5;
}

/// Stands for the topic of a subscription whose topic was deleted.
const DELETED_TOPIC: &str = "_deleted-topic_";

pub(super) fn topic(topic: model::Topic) -> Result<TopicConfig, InvalidName> {
    Ok(TopicConfig {
        name: TopicName::parse(&topic.name)?,
        labels: topic.labels.into_iter().collect(),
        regions: topic
            .message_storage_policy
            .map(|policy| policy.allowed_persistence_regions)
            .unwrap_or_default(),
        kms_key: Some(topic.kms_key_name).filter(|key| !key.is_empty()),
    })
}

pub(super) fn topic_to_google(topic: &TopicConfig) -> model::Topic {
    let message = model::Topic::new()
        .set_name(topic.name.to_string())
        .set_labels(topic.labels.clone())
        .set_kms_key_name(topic.kms_key.clone().unwrap_or_default());
    if topic.regions.is_empty() {
        return message;
    }
    let storage = model::MessageStoragePolicy::new().set_allowed_persistence_regions(topic.regions.clone());
    message.set_message_storage_policy(storage)
}

pub(super) const fn topic_path(field: TopicField) -> &'static str {
    match field {
        TopicField::Labels => "labels",
        TopicField::Regions => "message_storage_policy",
    }
}

pub(super) fn subscription(subscription: model::Subscription) -> Result<SubscriptionConfig, InvalidName> {
    let attachment = if subscription.detached || subscription.topic == DELETED_TOPIC {
        Attachment::Lost
    } else {
        Attachment::Topic(TopicName::parse(&subscription.topic)?)
    };
    let ack_deadline = u64::try_from(subscription.ack_deadline_seconds).unwrap_or(0);
    Ok(SubscriptionConfig {
        name: SubscriptionName::parse(&subscription.name)?,
        attachment,
        filter: subscription.filter,
        ordered: subscription.enable_message_ordering,
        ack_deadline: if ack_deadline == 0 {
            server_default::ACK_DEADLINE
        } else {
            Duration::from_secs(ack_deadline)
        },
        retention: duration(subscription.message_retention_duration, server_default::RETENTION),
        backoff: subscription.retry_policy.map(|policy| Backoff {
            minimum: duration(policy.minimum_backoff, server_default::MINIMUM_BACKOFF),
            maximum: duration(policy.maximum_backoff, server_default::MAXIMUM_BACKOFF),
        }),
        dead_letter: subscription.dead_letter_policy.map(|policy| DeadLetterPolicy {
            topic: policy.dead_letter_topic,
            max_delivery_attempts: match policy.max_delivery_attempts {
                0 => server_default::DELIVERY_ATTEMPTS,
                attempts => attempts,
            },
        }),
        // A policy without a time to live means never; no policy at all means the server's 31 days.
        expiration: match subscription.expiration_policy {
            None => Expiration::After(server_default::EXPIRATION),
            Some(policy) => match policy.ttl {
                None => Expiration::Never,
                Some(ttl) => Expiration::After(std_duration(ttl)),
            },
        },
        exactly_once: subscription.enable_exactly_once_delivery,
        labels: subscription.labels.into_iter().collect(),
    })
}

pub(super) fn subscription_to_google(subscription: &SubscriptionConfig) -> model::Subscription {
    let topic = match &subscription.attachment {
        Attachment::Topic(name) => name.to_string(),
        Attachment::Lost => DELETED_TOPIC.to_owned(),
    };
    let ttl = match subscription.expiration {
        Expiration::Never => None,
        Expiration::After(ttl) => Some(google_duration(ttl)),
    };
    let seconds = i32::try_from(subscription.ack_deadline.as_secs()).unwrap_or(i32::MAX);
    model::Subscription::new()
        .set_name(subscription.name.to_string())
        .set_topic(topic)
        .set_filter(&subscription.filter)
        .set_enable_message_ordering(subscription.ordered)
        .set_ack_deadline_seconds(seconds)
        .set_message_retention_duration(google_duration(subscription.retention))
        .set_or_clear_retry_policy(subscription.backoff.map(|backoff| {
            model::RetryPolicy::new()
                .set_minimum_backoff(google_duration(backoff.minimum))
                .set_maximum_backoff(google_duration(backoff.maximum))
        }))
        .set_or_clear_dead_letter_policy(subscription.dead_letter.as_ref().map(|policy| {
            model::DeadLetterPolicy::new()
                .set_dead_letter_topic(&policy.topic)
                .set_max_delivery_attempts(policy.max_delivery_attempts)
        }))
        .set_expiration_policy(model::ExpirationPolicy::new().set_or_clear_ttl(ttl))
        .set_enable_exactly_once_delivery(subscription.exactly_once)
        .set_labels(subscription.labels.clone())
}

pub(super) const fn subscription_path(field: SubscriptionField) -> &'static str {
    match field {
        SubscriptionField::AckDeadline => "ack_deadline_seconds",
        SubscriptionField::Retention => "message_retention_duration",
        SubscriptionField::Backoff => "retry_policy",
        SubscriptionField::DeadLetter => "dead_letter_policy",
        SubscriptionField::Expiration => "expiration_policy",
        SubscriptionField::ExactlyOnce => "enable_exactly_once_delivery",
        SubscriptionField::Labels => "labels",
    }
}

pub(super) fn policy(policy: iam::Policy) -> Policy {
    let bindings = policy.bindings.into_iter().map(|binding| Binding {
        role: binding.role,
        members: binding.members,
        condition: binding
            .condition
            .map(|expr| [expr.expression, expr.title, expr.description, expr.location]),
    });
    Policy {
        etag: policy.etag.to_vec(),
        bindings: bindings.collect(),
    }
}

pub(super) fn policy_to_google(policy: &Policy) -> iam::Policy {
    let bindings = policy.bindings.iter().map(|binding| {
        let condition = binding
            .condition
            .clone()
            .map(|[expression, title, description, location]| {
                Expr::new()
                    .set_expression(expression)
                    .set_title(title)
                    .set_description(description)
                    .set_location(location)
            });
        iam::Binding::new()
            .set_role(&binding.role)
            .set_members(binding.members.clone())
            .set_or_clear_condition(condition)
    });
    iam::Policy::new()
        .set_version(policy::VERSION)
        .set_etag(policy.etag.clone())
        .set_bindings(bindings)
}

fn duration(value: Option<wkt::Duration>, default: Duration) -> Duration {
    value.map_or(default, std_duration)
}

fn std_duration(value: wkt::Duration) -> Duration {
    Duration::from_secs(u64::try_from(value.seconds()).unwrap_or(0))
}

fn google_duration(value: Duration) -> wkt::Duration {
    wkt::Duration::clamp(i64::try_from(value.as_secs()).unwrap_or(i64::MAX), 0)
}
