//! A subscription without an EventSubscription, and a Tenant that lives on.

use std::sync::Arc;

use crate::support::{World, settings, subscription, tenant, valid};
use crds::{EventSubscription, SubscriptionSettings, Topics};
use event_operator::{
    pubsub::{Attachment, SubscriptionConfig},
    subscription::{ownership::key, strays::is_orphan},
    tenant::validate,
};

/// What is made for the topic `user-events`: the worker's subscription and that of its dead letters.
fn made() -> Vec<SubscriptionConfig> {
    let valid = valid(&subscription("tenant-123", "user-events", "")).unwrap();
    let mut world = World::default();
    let plan = world.plan(&valid).unwrap();
    world.apply(&plan, plan.steps.len());
    let made: Vec<_> = world.subscriptions.into_values().collect();
    assert_eq!(made.len(), 2);
    made
}

/// A Tenant that asks for these topics.
fn asking(topics: &[&str]) -> validate::Valid {
    let mut tenant = tenant("tenant-123");
    let setting =
        |topic: &&str| -> SubscriptionSettings { serde_yaml::from_str(&format!("topic: {topic}")).unwrap() };
    tenant.spec.subscriptions = Some(topics.iter().map(setting).collect());
    tenant.spec.topics = Some(Topics::Listed);
    validate::validate(&tenant, &[], &settings()).unwrap()
}

fn are_orphans(valid: &validate::Valid, children: &[EventSubscription]) -> bool {
    let children: Vec<_> = children.iter().cloned().map(Arc::new).collect();
    let [one, other] = [0, 1].map(|n| is_orphan(&made()[n], valid, &children));
    assert_eq!(one, other, "both go together");
    one
}

#[test]
fn what_nothing_asks_for_is_an_orphan() {
    // `user-events` ends with `-events` too.
    assert!(are_orphans(&asking(&["events"]), &[]));
    let others = [subscription("tenant-123", "events", "")];
    assert!(are_orphans(&asking(&["events"]), &others));
}

#[test]
fn its_event_subscription_has_it_also_while_that_is_being_deleted() {
    let mut child = subscription("tenant-123", "user-events", "");
    assert!(!are_orphans(&asking(&["events"]), std::slice::from_ref(&child)));
    child.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
        crate::support::now(),
    ));
    assert!(!are_orphans(&asking(&["events"]), &[child]));
}

#[test]
fn whoever_asks_for_its_topic_takes_it_up() {
    assert!(!are_orphans(&asking(&["user-events"]), &[]));
    let mut sibling = subscription("tenant-123", "user-events", "");
    sibling.metadata.name = Some("of-another-name".into());
    assert!(!are_orphans(&asking(&["events"]), &[sibling]));
}

#[test]
fn what_was_let_go_and_what_lost_its_topic_are_seen_by_their_labels() {
    let valid = asking(&["events"]);
    for mut config in made() {
        config.attachment = Attachment::Lost;
        assert!(is_orphan(&config, &valid, &[]));
        assert!(!is_orphan(&config, &asking(&["user-events"]), &[]));
        config.labels.insert(key::RELEASED_AT.to_owned(), "1".to_owned());
        assert!(!is_orphan(&config, &valid, &[]));
        config.labels.clear();
        assert!(!is_orphan(&config, &valid, &[]), "it has no stamp");
    }
}
