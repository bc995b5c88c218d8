//! What the service fills into a subscription that leaves it out. A client that compares what it
//! sent with what it reads sees these as differences.

use crate::{
    clock::seconds,
    limits::{
        DEFAULT_ACK_DEADLINE_SECONDS, DEFAULT_DELIVERY_ATTEMPTS, DEFAULT_EXPIRATION_SECONDS,
        DEFAULT_MAX_BACKOFF_SECONDS, DEFAULT_MIN_BACKOFF_SECONDS, DEFAULT_RETENTION_SECONDS,
    },
    pb,
};

pub(super) fn fill(subscription: &mut pb::Subscription) {
    if subscription.ack_deadline_seconds == 0 {
        subscription.ack_deadline_seconds = DEFAULT_ACK_DEADLINE_SECONDS;
    }
    subscription
        .message_retention_duration
        .get_or_insert_with(|| seconds(DEFAULT_RETENTION_SECONDS));
    // Present without a ttl means "never", absent means 31 days.
    subscription
        .expiration_policy
        .get_or_insert_with(|| pb::ExpirationPolicy {
            ttl: Some(seconds(DEFAULT_EXPIRATION_SECONDS)),
        });
    if let Some(retry) = &mut subscription.retry_policy {
        retry
            .minimum_backoff
            .get_or_insert_with(|| seconds(DEFAULT_MIN_BACKOFF_SECONDS));
        retry
            .maximum_backoff
            .get_or_insert_with(|| seconds(DEFAULT_MAX_BACKOFF_SECONDS));
    }
    if let Some(policy) = &mut subscription.dead_letter_policy
        && policy.max_delivery_attempts == 0
    {
        policy.max_delivery_attempts = DEFAULT_DELIVERY_ATTEMPTS;
    }
    let push = subscription.push_config.get_or_insert_default();
    if !push.push_endpoint.is_empty() {
        fill_push_version(push);
    }
    subscription.state = pb::subscription::State::Active.into();
}

/// The version of the pushed payload, which the service adds unasked (recorded traffic of the service, Config Connector's
/// fixtures).
pub(super) fn fill_push_version(push: &mut pb::PushConfig) {
    push.attributes
        .entry("x-goog-version".to_owned())
        .or_insert_with(|| "v1".to_owned());
}
