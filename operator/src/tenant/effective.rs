//! Pure: the settings that count for a Tenant's worker and its deletion, and where each comes from, for its status. The address of
//! a handler is left out: it may hold a password.

use std::collections::BTreeMap;

use crds::{EffectiveSetting, Envelope, SettingSource, Span, Tenant};

use super::validate::Valid;
use crate::subscription::effective::policy_name;

/// The settings that count.
#[must_use]
pub fn settings(tenant: &Tenant, valid: &Valid) -> Vec<EffectiveSetting> {
    let spec = &tenant.spec;
    let asked = spec.worker.clone().unwrap_or_default();
    let resources = asked.resources.unwrap_or_default();
    let worker = &valid.worker;
    let or = |is_given: bool, otherwise| if is_given { SettingSource::Spec } else { otherwise };
    let or_operator = |is_given| or(is_given, SettingSource::Operator);
    let or_default = |is_given| or(is_given, SettingSource::Default);
    let mut settings = vec![
        EffectiveSetting::new(
            "topics",
            if valid.listens_to_all { "All" } else { "Listed" },
            or_default(spec.topics.is_some()),
        ),
        EffectiveSetting::new(
            "suspend",
            valid.suspended,
            or_default(spec.suspend.is_some() || spec.suspended.is_some()),
        ),
        EffectiveSetting::new(
            "deletionPolicy",
            policy_name(valid.deletion_policy),
            or_default(spec.deletion_policy.is_some()),
        ),
        EffectiveSetting::new("worker.image", &worker.image, or_operator(asked.image.is_some())),
        EffectiveSetting::new(
            "worker.handler",
            if worker.handler.http.is_some() {
                "http"
            } else {
                "log"
            },
            or_default(asked.handler.is_some()),
        ),
        EffectiveSetting::new(
            "worker.envelope",
            envelope(worker.envelope.unwrap_or(Envelope::Domain)),
            or_default(asked.envelope.is_some()),
        ),
        EffectiveSetting::new(
            "worker.maxConcurrentMessages",
            worker.max_concurrent_messages,
            or_operator(asked.max_concurrent_messages.is_some()),
        ),
        EffectiveSetting::new(
            "worker.timeout",
            Span::from_secs(worker.timeout.as_secs()),
            or_operator(asked.timeout.is_some()),
        ),
        EffectiveSetting::new(
            "worker.resources.limits",
            pairs(&worker.limits),
            or_operator(!resources.limits.is_empty()),
        ),
        EffectiveSetting::new(
            "worker.resources.requests",
            pairs(&worker.requests),
            or_operator(!resources.requests.is_empty()),
        ),
    ];
    let fields = worker.template.fields();
    if !fields.is_empty() {
        settings.push(EffectiveSetting::new(
            "worker.template",
            fields.join(","),
            or_operator(asked.template.is_some()),
        ));
    }
    if let (Some(range), Some(scaling)) = (worker.scaling, &asked.scaling) {
        for (name, value, is_given) in [
            ("worker.scaling.min", range.min, scaling.min.is_some()),
            ("worker.scaling.max", range.max, scaling.max.is_some()),
            (
                "worker.scaling.targetBacklog",
                range.target_backlog,
                scaling.target_backlog.is_some(),
            ),
        ] {
            settings.push(EffectiveSetting::new(name, value, or_default(is_given)));
        }
    }
    settings
}

fn envelope(envelope: Envelope) -> &'static str {
    match envelope {
        Envelope::Domain => "Domain",
        Envelope::CloudEvents => "CloudEvents",
        Envelope::Raw => "Raw",
    }
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = map.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}
