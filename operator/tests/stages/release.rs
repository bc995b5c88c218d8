//! What deletion leaves behind, and how it is found again.

use std::sync::Arc;

use crate::support::{World, around, now, settings, subscription, tenant, valid};
use crds::{DeletionPolicy, Tenant};
use event_operator::{
    pubsub::Resource,
    subscription::{
        finalize::{Fate, fate, release},
        ownership::key,
        validate::{Surroundings, Valid},
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn converged() -> (Valid, World) {
    let valid = valid(&subscription("tenant-123", "user-events", "")).unwrap();
    let mut world = World::default();
    let plan = world.plan(&valid).unwrap();
    world.apply(&plan, plan.steps.len());
    (valid, world)
}

fn delete(valid: &Valid, world: &mut World, policy: DeletionPolicy) {
    let plan = release(
        &world.kept(),
        policy,
        &settings().identity,
        &valid.stamp,
        &valid.rules,
        now(),
    );
    world.apply(&plan, plan.steps.len());
}

#[test]
fn retain_keeps_the_subscription_and_takes_away_the_worker() {
    let (valid, mut world) = converged();
    delete(&valid, &mut world, DeletionPolicy::Retain);
    assert_eq!(world.subscriptions.len(), 2);
    assert!(
        world
            .subscriptions
            .values()
            .all(|one| one.labels.contains_key(key::RELEASED_AT))
    );
    let policy = &world.policies[&Resource::Subscription(valid.subscription.clone())];
    let members: Vec<_> = policy
        .bindings
        .iter()
        .flat_map(|binding| &binding.members)
        .collect();
    assert_eq!(
        members,
        ["serviceAccount:service-1234@gcp-sa-pubsub.iam.gserviceaccount.com"],
        "dead-lettering goes on"
    );
}

#[test]
fn what_was_kept_is_taken_back() {
    let (valid, mut world) = converged();
    let before = world.subscriptions.clone();
    delete(&valid, &mut world, DeletionPolicy::Retain);
    let plan = world.plan(&valid).unwrap();
    world.apply(&plan, plan.steps.len());
    assert_eq!(
        world.subscriptions, before,
        "the stamp is as it was, and nothing was made anew"
    );
    assert!(world.plan(&valid).unwrap().is_empty());
}

#[test]
fn delete_deletes_subscriptions_and_leaves_topics() {
    let (valid, mut world) = converged();
    delete(&valid, &mut world, DeletionPolicy::Delete);
    assert_eq!((world.subscriptions.len(), world.topics.len()), (0, 2));
}

#[test]
fn nothing_of_somebody_else_is_deleted() {
    let (valid, mut world) = converged();
    for one in world.subscriptions.values_mut() {
        one.labels.insert(key::TENANT.into(), "tenant-456".into());
    }
    let before = world.clone();
    delete(&valid, &mut world, DeletionPolicy::Delete);
    assert_eq!(world, before);
}

/// Only a Tenant that goes, or that asks for the topic no longer, deletes anything.
#[test]
fn what_a_deletion_does_is_the_tenants_to_say() {
    use DeletionPolicy::{Delete, Retain};

    let settings = settings();
    let one = subscription("tenant-123", "user-events", "deletionPolicy: Delete");
    let listed = |topics: &[&str]| {
        let topics = topics
            .iter()
            .map(|topic| subscription("tenant-123", topic, "").spec.settings);
        Some(topics.collect())
    };
    let mut asks_for_all = tenant("tenant-123");
    asks_for_all.spec.deletion_policy = Some(Delete);
    let mut lists_it = asks_for_all.clone();
    lists_it.spec.subscriptions = listed(&["events", "user-events"]);
    let mut lists_others = asks_for_all.clone();
    lists_others.spec.subscriptions = listed(&["events"]);
    let mut keeps = lists_others.clone();
    keeps.spec.deletion_policy = None;
    let mut goes = asks_for_all.clone();
    goes.metadata.deletion_timestamp = Some(Time(now()));
    let mut elsewhere = lists_others.clone();
    elsewhere.spec.namespace = Some("elsewhere".into());
    let decide = |tenant: Option<&Tenant>| {
        let around = Surroundings {
            tenant: tenant.cloned().map(Arc::new),
            namespace_tenant: Some("tenant-123".into()),
            found: None,
            siblings: vec![Arc::new(one.clone())],
        };
        fate(&one, &around, &settings.catalogue)
    };
    for (what, tenant, expected) in [
        (
            "it asks for the whole catalogue",
            Some(&asks_for_all),
            Fate::MadeAgain,
        ),
        ("it lists the topic", Some(&lists_it), Fate::MadeAgain),
        ("it lists others", Some(&lists_others), Fate::Release(Delete)),
        (
            "its policy caps its children's",
            Some(&keeps),
            Fate::Release(Retain),
        ),
        ("it is being deleted", Some(&goes), Fate::Release(Delete)),
        (
            "there is none: nobody asks for a deletion",
            None,
            Fate::Release(Retain),
        ),
        ("it lives elsewhere", Some(&elsewhere), Fate::HadNothing),
    ] {
        assert_eq!(decide(tenant), expected, "{what}");
    }

    let mut other = subscription("tenant-123", "user-events", "");
    other.metadata.uid = Some("another".into());
    other.metadata.name = Some("another-name".into());
    let around = Surroundings {
        siblings: vec![Arc::new(other)],
        ..around(goes)
    };
    assert_eq!(
        fate(&one, &around, &settings.catalogue),
        Fate::Heir("another-name".into())
    );
}
