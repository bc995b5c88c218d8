//! Pure: the settings that count for an EventSubscription, and where each comes from, for its status.

use std::time::Duration;

use crds::{DeletionPolicy, EffectiveSetting, EventSubscription, SettingSource, Span, Tenant};

use super::validate::{Valid, deletion_policy, is_generated};
use crate::settings::Settings;

/// The settings that count.
#[must_use]
pub fn settings(
    subscription: &EventSubscription,
    tenant: Option<&Tenant>,
    valid: &Valid,
    operators: &Settings,
) -> Vec<EffectiveSetting> {
    let spec = &subscription.spec.settings;
    let given = of_the_spec(subscription);
    let or = |is_given: bool, otherwise| if is_given { given } else { otherwise };
    let or_operator = |is_given| or(is_given, SettingSource::Operator);
    let or_default = |is_given| or(is_given, SettingSource::Default);
    let span = |name, value, is_given| EffectiveSetting::new(name, words(value), or_operator(is_given));
    let retry = spec.retry_policy.clone().unwrap_or_default();
    let dead_letter = spec.dead_letter.clone().unwrap_or_default();
    let mut settings = vec![
        span("ackDeadline", valid.ack_deadline, spec.ack_deadline.is_some()),
        span("retention", valid.retention, spec.retention.is_some()),
        span(
            "retryPolicy.minimumBackoff",
            valid.minimum_backoff,
            retry.minimum_backoff.is_some(),
        ),
        span(
            "retryPolicy.maximumBackoff",
            valid.maximum_backoff,
            retry.maximum_backoff.is_some(),
        ),
        EffectiveSetting::new(
            "exactlyOnceDelivery",
            valid.exactly_once,
            or_default(spec.exactly_once_delivery.is_some()),
        ),
        EffectiveSetting::new(
            "messageOrdering",
            valid.ordered,
            or_default(spec.message_ordering.is_some()),
        ),
        EffectiveSetting::new(
            "deadLetter.enabled",
            valid.dead_letter.is_some(),
            match operators.dead_lettering {
                true => or_default(dead_letter.enabled.is_some()),
                // Switched off for everybody, whatever a spec asks for.
                false => SettingSource::Operator,
            },
        ),
    ];
    if let Some(kept) = &valid.dead_letter {
        settings.push(EffectiveSetting::new(
            "deadLetter.maxDeliveryAttempts",
            kept.max_delivery_attempts,
            or_operator(dead_letter.max_delivery_attempts.is_some()),
        ));
        settings.push(span(
            "deadLetter.retention",
            kept.retention,
            dead_letter.retention.is_some(),
        ));
    }
    settings.push(deletion(subscription, tenant));
    settings
}

/// Where a field of its spec comes from: a generated one has the Tenant's.
fn of_the_spec(subscription: &EventSubscription) -> SettingSource {
    match is_generated(subscription) {
        true => SettingSource::Tenant,
        false => SettingSource::Spec,
    }
}

/// Its own policy, unless the Tenant's caps it.
fn deletion(subscription: &EventSubscription, tenant: Option<&Tenant>) -> EffectiveSetting {
    let policy = deletion_policy(subscription, tenant);
    let source = if subscription.spec.settings.deletion_policy == Some(policy) {
        of_the_spec(subscription)
    } else if tenant.is_some_and(|tenant| tenant.spec.deletion_policy.is_some()) {
        SettingSource::Tenant
    } else {
        SettingSource::Default
    };
    EffectiveSetting::new("deletionPolicy", policy_name(policy), source)
}

/// As a spec writes it.
#[must_use]
pub fn policy_name(policy: DeletionPolicy) -> &'static str {
    match policy {
        DeletionPolicy::Retain => "Retain",
        DeletionPolicy::Delete => "Delete",
    }
}

fn words(length: Duration) -> String {
    Span::from_secs(length.as_secs()).to_string()
}
