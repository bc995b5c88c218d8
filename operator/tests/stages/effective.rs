//! Which settings count, and where each comes from.

use crds::{DeletionPolicy, EffectiveSetting, label};
use event_operator::tenant;

use crate::{
    support::{around, settings, settings_with, subscription, tenant as a_tenant},
    tenant_stages::sample,
};

fn lines(all: &[EffectiveSetting]) -> Vec<String> {
    let line = |one: &EffectiveSetting| format!("{} = {} ({:?})", one.name, one.value, one.source);
    all.iter().map(line).collect()
}

fn of_subscription(
    more: &str,
    keys: &str,
    policy: Option<DeletionPolicy>,
    is_generated: bool,
) -> Vec<String> {
    let mut one = subscription("tenant-123", "user-events", more);
    if is_generated {
        one.metadata.labels = Some([(label::GENERATED.to_owned(), "true".to_owned())].into());
    }
    let mut tenant = a_tenant("tenant-123");
    tenant.spec.deletion_policy = policy;
    let valid = event_operator::subscription::validate::validate(&one, &around(tenant), &settings_with(keys));
    lines(&valid.unwrap().effective)
}

#[test]
fn each_setting_of_a_subscription_names_its_source() {
    insta::assert_yaml_snapshot!(of_subscription("", "{}", None, true));
    let given =
        "retention: 24h\nmessageOrdering: true\ndeadLetter: {maxDeliveryAttempts: 9}\ndeletionPolicy: Delete";
    insta::assert_yaml_snapshot!(of_subscription(given, "{}", Some(DeletionPolicy::Delete), false));
}

#[test]
fn what_is_capped_or_switched_off_names_who_did_it() {
    let wants = "deletionPolicy: Delete\ndeadLetter: {enabled: true}";
    let all = of_subscription(wants, "enableDlq: false", Some(DeletionPolicy::Retain), true);
    let of = |name: &str| all.iter().find(|line| line.starts_with(name)).unwrap();
    assert_eq!(of("deadLetter.enabled"), "deadLetter.enabled = false (Operator)");
    assert_eq!(of("deletionPolicy"), "deletionPolicy = Retain (Tenant)");
    assert!(!all.iter().any(|line| line.contains("maxDeliveryAttempts")));
}

#[test]
fn each_setting_of_a_tenant_names_its_source() {
    let of = |name: &str| {
        let valid = tenant::validate::validate(&sample(name), &[], &settings()).unwrap();
        lines(&valid.effective)
    };
    insta::assert_yaml_snapshot!(of("tenant-123"));
    insta::assert_yaml_snapshot!(of("tenant-http"));
}

#[test]
fn the_address_of_a_handler_is_not_shown() {
    let mut tenant = sample("tenant-http");
    let worker = tenant.spec.worker.as_mut().unwrap();
    let http = worker.handler.as_mut().unwrap().http.as_mut().unwrap();
    http.url = "http://user:c4nary@handler.example/".to_owned();
    let valid = tenant::validate::validate(&tenant, &[], &settings()).unwrap();
    assert!(!lines(&valid.effective).join("\n").contains("c4nary"));
}
