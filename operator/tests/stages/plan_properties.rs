//! What holds for every plan of an EventSubscription, whatever it finds.

use crate::support::{HOUR, World, subscription, valid, wanted};
use crds::Reason;
use event_operator::{
    pubsub::{Attachment, Expiration, Policy, Resource, SubscriptionConfig},
    subscription::{
        ownership::key,
        plan::{Action, Plan},
        validate::Valid,
    },
};
use proptest::prelude::*;

fn one(more: &str) -> Valid {
    valid(&subscription("tenant-123", "document-events", more)).unwrap()
}

fn converged(valid: &Valid) -> World {
    let mut world = World::default();
    let plan = world.plan(valid).unwrap();
    world.apply(&plan, plan.steps.len());
    world
}

fn summary(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| format!("{} ({})", step.action, step.proves))
        .collect()
}

#[test]
fn a_fresh_subscription_is_made_in_the_safe_order() {
    let plan = World::default().plan(&one("")).unwrap();
    insta::assert_yaml_snapshot!(summary(&plan), @r#"
    - create topic living-twin-document-events (TopicReady)
    - create topic living-twin-document-events-dlq (DeadLetterReady)
    - create subscription living-twin-document-events-tenant-123-dlq (DeadLetterReady)
    - grant access to topic living-twin-document-events-dlq (DeadLetterReady)
    - create subscription living-twin-document-events-tenant-123-worker (SubscriptionReady)
    - set access to subscription living-twin-document-events-tenant-123-worker (AccessReady)
    "#);
}

#[test]
fn a_second_tenant_costs_three_writes_a_topic() {
    let mut world = converged(&one(""));
    let second = valid(&subscription("tenant-456", "document-events", "")).unwrap();
    let plan = world.plan(&second).unwrap();
    assert!(!plan.touches_topics());
    assert_eq!(plan.steps.len(), 3, "{:?}", summary(&plan));
    world.apply(&plan, 3);
    assert!(world.plan(&second).unwrap().is_empty());
    assert!(
        world.plan(&one("")).unwrap().is_empty(),
        "the first tenant is as it was"
    );
}

#[test]
fn without_dead_letters_there_is_no_dead_letter_topic() {
    let world = converged(&one("deadLetter: {enabled: false}"));
    assert_eq!(
        (
            world.topics.len(),
            world.subscriptions.len(),
            world.policies.len()
        ),
        (1, 1, 1)
    );
}

#[test]
fn switching_dead_letters_off_throws_none_away() {
    let mut world = converged(&one(""));
    let plan = world.plan(&one("deadLetter: {enabled: false}")).unwrap();
    world.apply(&plan, plan.steps.len());
    assert_eq!(world.subscriptions.len(), 2);
    assert!(world.subscriptions.values().all(|one| one.dead_letter.is_none()));
}

type Change = fn(&mut SubscriptionConfig);

#[test]
fn dead_letters_that_cannot_be_kept_in_place_are_left_alone_and_that_is_said() {
    let subscription = one("");
    let keeper = &subscription.dead_letter.as_ref().unwrap().subscription;
    let changes: [(Change, Reason); 4] = [
        (
            |one| one.filter = "attributes.tenant_id = \"other\"".into(),
            Reason::ResourceConflict,
        ),
        (
            |one| one.filter.push_str(" AND attributes.a = \"b\""),
            Reason::ReplacementRequired,
        ),
        (|one| one.ordered = true, Reason::ReplacementRequired),
        (
            |one| one.attachment = Attachment::Lost,
            Reason::ReplacementRequired,
        ),
    ];
    for (change, reason) in changes {
        let mut world = converged(&subscription);
        change(world.subscriptions.get_mut(keeper).unwrap());
        let failure = world.plan(&subscription).unwrap_err();
        assert_eq!(failure.reason, reason);
    }
}

#[test]
fn a_subscription_of_somebody_else_is_never_touched() {
    let subscription = one("");
    for name in [
        &subscription.subscription,
        &subscription.dead_letter.as_ref().unwrap().subscription,
    ] {
        for (label, value) in [
            (key::CLUSTER, Some("other")),
            (key::TENANT, Some("other")),
            (key::CLUSTER, None),
        ] {
            let mut world = converged(&subscription);
            let found = world.subscriptions.get_mut(name).unwrap();
            match value {
                Some(value) => found.labels.insert(label.into(), value.into()),
                None => found.labels.remove(label),
            };
            found.retention = HOUR;
            let failure = world.plan(&subscription).unwrap_err();
            assert_eq!(failure.reason, Reason::ResourceConflict, "{label}");
            assert!(failure.message.contains(name.id()), "{}", failure.message);
        }
    }
}

#[test]
fn a_topic_made_by_somebody_else_is_never_touched() {
    let subscription = one("");
    let mut world = converged(&subscription);
    world.topics.get_mut(&subscription.topic).unwrap().labels.clear();
    assert_eq!(
        world.plan(&subscription).unwrap_err().reason,
        Reason::ResourceConflict
    );
}

/// Ways in which somebody can have put a hand to what we made.
#[derive(Debug, Clone)]
enum Drift {
    AckDeadline(u64),
    Retention(u64),
    NoBackoff,
    NoDeadLetter,
    Expires(u64),
    ForeignLabel,
    Gone,
    Grants,
    ForeignMember,
    DeadLetterGone,
    DeadLetterTopicGrants,
}

fn drift() -> impl Strategy<Value = Drift> {
    prop_oneof![
        (10_u64..600).prop_map(Drift::AckDeadline),
        (600_u64..1_000_000).prop_map(Drift::Retention),
        Just(Drift::NoBackoff),
        Just(Drift::NoDeadLetter),
        (86_400_u64..2_678_400).prop_map(Drift::Expires),
        Just(Drift::ForeignLabel),
        Just(Drift::Gone),
        Just(Drift::Grants),
        Just(Drift::ForeignMember),
        Just(Drift::DeadLetterGone),
        Just(Drift::DeadLetterTopicGrants),
    ]
}

fn happen(world: &mut World, valid: &Valid, drift: &Drift) {
    let dead_letter = valid.dead_letter.as_ref().unwrap();
    let resource = Resource::Subscription(valid.subscription.clone());
    let Some(found) = world.subscriptions.get_mut(&valid.subscription) else {
        return;
    };
    let seconds = std::time::Duration::from_secs;
    match drift {
        Drift::AckDeadline(value) => found.ack_deadline = seconds(*value),
        Drift::Retention(value) => found.retention = seconds(*value),
        Drift::NoBackoff => found.backoff = None,
        Drift::NoDeadLetter => found.dead_letter = None,
        Drift::Expires(value) => found.expiration = Expiration::After(seconds(*value)),
        Drift::ForeignLabel => {
            found.labels.insert("team".into(), "a".into());
        }
        Drift::Gone => {
            world.subscriptions.remove(&valid.subscription);
            world.policies.remove(&resource);
        }
        Drift::Grants => {
            world.policies.remove(&resource);
        }
        Drift::ForeignMember => {
            let policy = world.policies.entry(resource).or_insert_with(Policy::unset);
            policy.bindings.push(event_operator::pubsub::Binding {
                role: "roles/pubsub.viewer".into(),
                members: vec!["user:ops@example.com".into()],
                condition: None,
            });
        }
        Drift::DeadLetterGone => {
            world.subscriptions.remove(&dead_letter.subscription);
        }
        Drift::DeadLetterTopicGrants => {
            world.policies.remove(&Resource::Topic(dead_letter.topic.clone()));
        }
    }
}

/// What is not ours to say: labels and members of others.
fn theirs(world: &World) -> (usize, usize) {
    let labels = world
        .subscriptions
        .values()
        .filter(|one| one.labels.contains_key("team"))
        .count();
    let members = world
        .policies
        .values()
        .flat_map(|policy| &policy.bindings)
        .filter(|binding| binding.role == "roles/pubsub.viewer")
        .count();
    (labels, members)
}

proptest! {
    /// Whatever drifted, and wherever work stops, the next plan finishes it, and then there is nothing left to do.
    #[test]
    fn every_start_and_every_stop_converges(drifts in proptest::collection::vec(drift(), 0..6), stop in 0_usize..8) {
        let valid = one("");
        let mut world = converged(&valid);
        for one in &drifts {
            happen(&mut world, &valid, one);
        }
        let before = theirs(&world);
        world.writes.clear();
        let first = world.plan(&valid).unwrap();
        world.apply(&first, stop);
        let second = world.plan(&valid).unwrap();
        prop_assert_eq!(second.steps.len(), first.steps.len().saturating_sub(stop), "nothing is done twice or forgotten");
        world.apply(&second, second.steps.len());
        prop_assert!(world.plan(&valid).unwrap().is_empty());
        prop_assert_eq!(theirs(&world), before, "what is not ours stays");
        let deletes = world.writes.iter().filter(|action| matches!(action, Action::DeleteSubscription(_))).count();
        prop_assert_eq!(deletes, 0);
        let desired = wanted(&valid);
        let made = &world.subscriptions[&valid.subscription];
        prop_assert_eq!(&made.filter, &desired.subscription.filter);
        prop_assert_eq!(made.expiration, Expiration::Never);
    }

    /// A dead-letter topic never stands without a subscription while anything can be forwarded to it.
    #[test]
    fn no_moment_can_lose_a_dead_letter(stop in 0_usize..8) {
        let valid = one("");
        let mut world = World::default();
        let plan = world.plan(&valid).unwrap();
        world.apply(&plan, stop);
        let dead_letter = valid.dead_letter.as_ref().unwrap();
        if world.policies.contains_key(&Resource::Topic(dead_letter.topic.clone())) {
            prop_assert!(world.subscriptions.contains_key(&dead_letter.subscription));
        }
        if world.subscriptions.contains_key(&valid.subscription) {
            prop_assert!(world.policies.contains_key(&Resource::Topic(dead_letter.topic.clone())));
        }
    }
}
