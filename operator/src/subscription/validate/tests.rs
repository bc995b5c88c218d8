//! What is refused, and in which words.

use std::sync::Arc;

use crds::{
    DeletionPolicy, EventSubscription, EventSubscriptionSpec, Reason, SubscriptionSettings, Tenant,
    TenantRef, TenantSpec, label,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;

fn settings() -> Settings {
    Settings::of_the_default_file()
}

fn tenant() -> Tenant {
    let mut tenant = Tenant::new("acme", TenantSpec::default());
    tenant.metadata.uid = Some("tenant-uid".into());
    tenant
}

fn subscription(yaml: &str) -> EventSubscription {
    let settings: SubscriptionSettings = serde_yaml::from_str(yaml).unwrap();
    let spec = EventSubscriptionSpec {
        tenant_ref: TenantRef { name: "acme".into() },
        settings,
    };
    let mut one = EventSubscription::new("one", spec);
    one.metadata.namespace = Some("acme".into());
    one.metadata.uid = Some("b".into());
    one
}

fn around() -> Surroundings {
    Surroundings {
        tenant: Some(Arc::new(tenant())),
        namespace_tenant: Some("acme".into()),
        found: None,
        siblings: vec![],
    }
}

fn refused(one: &EventSubscription, around: &Surroundings) -> (Reason, String) {
    let failure = validate(one, around, &settings()).unwrap_err();
    (failure.reason, failure.message)
}

#[test]
fn defaults_are_the_configurations() {
    let valid = validate(&subscription("topic: user-events"), &around(), &settings()).unwrap();
    assert_eq!(valid.ack_deadline.as_secs(), 600);
    assert_eq!(valid.retention.as_secs(), 604_800);
    assert_eq!(valid.dead_letter.unwrap().max_delivery_attempts, 5);
    assert_eq!(valid.filter.as_str(), "attributes.tenant_id = \"acme\"");
    assert_eq!(valid.stamp.subscription, "user-events");
}

#[test]
fn a_topic_outside_the_catalogue_is_refused_with_what_there_is() {
    let (reason, message) = refused(&subscription("topic: orders"), &around());
    assert_eq!(reason, Reason::UnknownTopic);
    assert!(message.starts_with(
        "spec.topic: the operator's catalogue has no topic \"orders\"; it has document-events,"
    ));
}

#[test]
fn a_filter_that_is_too_long_is_refused_with_its_length() {
    let types: Vec<_> = (0..5)
        .map(|i| format!("document.a_rather_long_type_of_event_{i}"))
        .collect();
    let yaml = format!("topic: user-events\neventTypes: {types:?}");
    let (reason, message) = refused(&subscription(&yaml), &around());
    assert_eq!(reason, Reason::FilterTooLong);
    assert!(message.contains("bytes long and Pub/Sub takes 256"), "{message}");
}

/// A namespace's owner cannot speak for a tenant that lives elsewhere, nor claim a namespace that is not labelled.
#[test]
fn only_the_tenants_own_namespace_may_speak_for_it() {
    let one = subscription("topic: user-events");
    let elsewhere = {
        let mut one = one.clone();
        one.metadata.namespace = Some("mallory".into());
        one
    };
    assert_eq!(refused(&elsewhere, &around()).0, Reason::TenantMismatch);
    let labelled_for_other = Surroundings {
        namespace_tenant: Some("other".into()),
        ..around()
    };
    assert_eq!(refused(&one, &labelled_for_other).0, Reason::TenantMismatch);
    let unlabelled = Surroundings {
        namespace_tenant: None,
        ..around()
    };
    assert_eq!(refused(&one, &unlabelled).0, Reason::Progressing);
    let no_tenant = Surroundings {
        tenant: None,
        ..around()
    };
    assert_eq!(refused(&one, &no_tenant).0, Reason::TenantNotFound);
}

/// What goes is cleaned up after only where it can have had something.
#[test]
fn a_label_alone_makes_no_namespace_a_tenants_home() {
    let mut one = subscription("topic: user-events");
    let tenant = tenant();
    for (namespace, labelled, tenant, expected) in [
        ("acme", Some("acme"), Some(&tenant), true),
        ("acme", Some("acme"), None, true),
        ("acme", Some("other"), Some(&tenant), false),
        ("acme", None, Some(&tenant), false),
        ("mallory", Some("mallory"), Some(&tenant), false),
        ("mallory", Some("acme"), Some(&tenant), false),
    ] {
        one.metadata.namespace = Some(namespace.into());
        assert_eq!(
            is_at_home(&one, labelled, tenant),
            expected,
            "{namespace} {labelled:?}"
        );
    }
}

#[test]
fn of_two_for_one_topic_the_one_by_hand_wins() {
    let mut generated = subscription("topic: user-events");
    generated.metadata.labels = Some([(label::GENERATED.to_owned(), "true".to_owned())].into());
    generated.metadata.uid = Some("a".into());
    let by_hand = subscription("topic: user-events");
    let around = Surroundings {
        siblings: vec![Arc::new(generated.clone()), Arc::new(by_hand.clone())],
        ..around()
    };
    assert_eq!(refused(&generated, &around).0, Reason::DuplicateTopic);
    assert!(validate(&by_hand, &around, &settings()).is_ok());
}

#[test]
fn of_two_for_one_topic_one_waits_until_the_other_has_let_go_and_is_its_heir() {
    let this = subscription("topic: user-events");
    let other = |topic: &str, goes: bool| {
        let mut other = subscription(&format!("topic: {topic}"));
        other.metadata.name = Some("other".into());
        other.metadata.uid = Some("c".into());
        other.metadata.deletion_timestamp = goes.then_some(Time(jiff::Timestamp::UNIX_EPOCH));
        vec![Arc::new(this.clone()), Arc::new(other)]
    };
    let around = |siblings| Surroundings { siblings, ..around() };
    let (reason, message) = refused(&this, &around(other("user-events", true)));
    assert_eq!(reason, Reason::Progressing);
    assert!(message.contains("\"other\""), "{message}");
    assert!(validate(&this, &around(other("events", true)), &settings()).is_ok());

    assert_eq!(
        heir(&this, &other("user-events", false)).as_deref(),
        Some("other")
    );
    assert_eq!(heir(&this, &other("user-events", true)), None);
    assert_eq!(heir(&this, &other("events", false)), None);
    assert_eq!(heir(&this, &[Arc::new(this.clone())]), None);
}

#[test]
fn a_tenants_policy_caps_its_childrens() {
    let delete = subscription("{topic: user-events, deletionPolicy: Delete}");
    let silent = subscription("topic: user-events");
    let mut tenant = tenant();
    assert_eq!(deletion_policy(&delete, Some(&tenant)), DeletionPolicy::Retain);
    tenant.spec.deletion_policy = Some(DeletionPolicy::Delete);
    assert_eq!(deletion_policy(&delete, Some(&tenant)), DeletionPolicy::Delete);
    assert_eq!(deletion_policy(&silent, Some(&tenant)), DeletionPolicy::Delete);
    assert_eq!(deletion_policy(&delete, None), DeletionPolicy::Retain);
}
