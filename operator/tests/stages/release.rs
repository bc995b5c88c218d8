//! What deletion leaves behind, and how it is found again.

use crate::support::{World, now, settings, subscription, valid};
use crds::DeletionPolicy;
use event_operator::{
    pubsub::Resource,
    subscription::{finalize::release, ownership::key, validate::Valid},
};

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
