//! A change that Pub/Sub cannot make in place: another subscription takes the old one's place, and nothing is lost.

use std::time::Duration;

use crate::support::{World, now, settings, subscription, valid, wanted};
use crds::Reason;
use event_operator::{
    monitoring::{Oldest, Unread},
    pubsub::{Attachment, Grant, Policy, Resource, SubscriptionConfig, policy::SUBSCRIBER},
    subscription::{
        ownership::{key, switched_at},
        plan::{Action, Plan},
        validate::Valid,
    },
};
use events::SubscriptionName;
use jiff::Timestamp;
use proptest::prelude::*;

fn listening_to(types: &str) -> Valid {
    valid(&subscription(
        "tenant-123",
        "document-events",
        &format!("eventTypes: [{types}]"),
    ))
    .unwrap()
}

/// A world in which this is as asked.
fn converged(valid: &Valid) -> World {
    let mut world = World::default();
    let plan = world.plan(valid).unwrap();
    world.apply(&plan, plan.steps.len());
    world
}

/// Carries out plans until there is nothing left to do; gives the last one with anything in it.
fn settle(world: &mut World, valid: &Valid, before: Option<&SubscriptionName>, at: Timestamp) -> Plan {
    let mut last = Plan::default();
    for _ in 0..5 {
        let plan = world.plan_after(valid, before, at).unwrap();
        if plan.is_empty() {
            return plan;
        }
        world.apply(&plan, plan.steps.len());
        last = plan;
    }
    panic!("there is always something left to do: {last}")
}

fn later(seconds: u64) -> Timestamp {
    now().checked_add(Duration::from_secs(seconds)).unwrap()
}

/// Monitoring measured this subscription at that time, and its oldest message was so old.
fn measured(world: &mut World, name: &SubscriptionName, at: Timestamp, age: u64) {
    let age = Duration::from_secs(age);
    world.oldest.insert(name.clone(), Ok(Some(Oldest { at, age })));
}

fn deletes(plan: &Plan) -> Vec<&SubscriptionName> {
    let mut names = Vec::new();
    for step in &plan.steps {
        if let Action::DeleteSubscription(name) = &step.action {
            names.push(name);
        }
    }
    names
}

#[test]
fn another_filter_is_made_first_then_the_switch_is_written_down_and_the_old_one_drains() {
    let old = listening_to("document.ingested");
    let new = listening_to("document.deleted");
    let mut world = converged(&old);

    let first = world.plan_after(&new, Some(&old.subscription), now()).unwrap();
    assert_eq!(
        first
            .steps
            .iter()
            .map(|step| step.action.to_string())
            .collect::<Vec<_>>(),
        [
            format!("create subscription {}", new.subscription.id()),
            format!("set access to subscription {}", new.subscription.id()),
        ],
        "the old one is not touched before the new one exists"
    );
    assert_eq!(first.current.as_ref(), Some(&new.subscription));
    assert_eq!(first.draining[0].name, old.subscription);
    assert_eq!(
        first.draining[0].switched_at, None,
        "the worker handles all of the old one"
    );
    world.apply(&first, first.steps.len());

    let second = world.plan_after(&new, Some(&new.subscription), later(5)).unwrap();
    assert_eq!(second.steps.len(), 1, "{second}");
    world.apply(&second, 1);
    let marked = &world.subscriptions[&old.subscription];
    assert_eq!(switched_at(&marked.labels), Some(later(5)));
    assert_eq!(second.draining[0].switched_at, Some(later(5)));

    let third = world
        .plan_after(&new, Some(&new.subscription), later(3600))
        .unwrap();
    assert!(third.is_empty(), "the switch is written once: {third}");
    assert_eq!(third.draining[0].switched_at, Some(later(5)));
}

#[test]
fn the_old_one_goes_with_evidence_and_never_without() {
    let old = listening_to("document.ingested");
    let new = listening_to("document.deleted");
    let mut world = converged(&old);
    settle(&mut world, &new, Some(&old.subscription), now());
    let margin = settings().drain.margin.as_secs();

    for (oldest, why) in [
        (Ok(None), "nothing is measured of it"),
        (Err(Unread("UNAVAILABLE".into())), "Monitoring is down"),
        (
            Ok(Some(Oldest {
                at: later(3000),
                age: Duration::from_secs(3001),
            })),
            "a message from before the switch is there",
        ),
        (
            Ok(Some(Oldest {
                at: later(margin),
                age: Duration::ZERO,
            })),
            "measured too shortly after the switch",
        ),
    ] {
        world.oldest.insert(old.subscription.clone(), oldest);
        let plan = world
            .plan_after(&new, Some(&new.subscription), later(3600))
            .unwrap();
        assert!(plan.is_empty(), "{why}: {plan}");
        assert_eq!(plan.draining.len(), 1, "{why}");
    }
    measured(&mut world, &old.subscription, later(3000), 10);
    let plan = world
        .plan_after(&new, Some(&new.subscription), later(3600))
        .unwrap();
    assert_eq!(deletes(&plan), [&old.subscription]);
    assert!(plan.draining.is_empty());
    world.apply(&plan, 1);
    assert!(
        world
            .plan_after(&new, Some(&new.subscription), later(3600))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn an_idle_one_is_kept_for_its_retention() {
    let old = listening_to("document.ingested");
    let new = listening_to("document.deleted");
    let mut world = converged(&old);
    settle(&mut world, &new, Some(&old.subscription), now());
    let retention = old.retention.as_secs();
    let at = |seconds| {
        world
            .plan_after(&new, Some(&new.subscription), later(seconds))
            .unwrap()
    };
    assert_eq!(deletes(&at(retention)), Vec::<&SubscriptionName>::new());
    let margin = settings().drain.margin.as_secs();
    assert_eq!(deletes(&at(retention + margin + 1)), [&old.subscription]);
}

#[test]
fn there_and_back_is_a_third_one() {
    let a = listening_to("document.ingested");
    let b = listening_to("document.deleted");
    let mut world = converged(&a);
    settle(&mut world, &b, Some(&a.subscription), now());
    let plan = settle(&mut world, &a, Some(&b.subscription), later(60));
    let third = a.subscription.successor(2).unwrap();
    assert_eq!(
        plan.current.as_ref(),
        Some(&third),
        "the worker may still leave what is in the first"
    );
    let mut draining: Vec<_> = plan.draining.iter().map(|one| &one.name).collect();
    draining.sort();
    let mut expected = [&a.subscription, &b.subscription];
    expected.sort();
    assert_eq!(draining, expected);
    assert_eq!(
        switched_at(&world.subscriptions[&a.subscription].labels),
        Some(now()),
        "its switch is as it was"
    );

    // Empty and gone, the first one's name is free; the third stays what it is.
    for name in [&a.subscription, &b.subscription] {
        measured(&mut world, name, later(7000), 0);
    }
    settle(&mut world, &a, Some(&third), later(7200));
    let names: Vec<_> = world.subscriptions.keys().map(SubscriptionName::id).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let plan = world.plan_after(&a, None, later(7200)).unwrap();
    assert_eq!(plan.current.as_ref(), Some(&third), "even when status is lost");
}

#[test]
fn ordering_and_a_deleted_topic_are_changes_of_the_same_kind() {
    let wanted = listening_to("document.ingested");
    let changes: [fn(&mut SubscriptionConfig); 3] = [
        |one| one.filter = "attributes.tenant_id = \"tenant-123\"".into(),
        |one| one.ordered = true,
        |one| one.attachment = Attachment::Lost,
    ];
    for change in changes {
        let mut world = converged(&wanted);
        change(world.subscriptions.get_mut(&wanted.subscription).unwrap());
        let plan = settle(&mut world, &wanted, Some(&wanted.subscription), now());
        assert_eq!(plan.current, Some(wanted.subscription.successor(2).unwrap()));
        assert!(
            world.subscriptions.contains_key(&wanted.subscription),
            "its messages are kept"
        );
        assert_eq!(plan.lost, None);
    }
}

#[test]
fn what_came_back_with_its_tenant_drains_for_the_new_worker() {
    let old = listening_to("document.ingested");
    let new = listening_to("document.deleted");
    let mut world = converged(&old);
    // Let go an hour ago, without the old worker's right.
    let released = world.subscriptions.get_mut(&old.subscription).unwrap();
    let an_hour_ago = now().as_second() - 3600;
    released
        .labels
        .insert(key::RELEASED_AT.into(), an_hour_ago.to_string());
    world
        .policies
        .insert(Resource::Subscription(old.subscription.clone()), Policy::unset());
    settle(&mut world, &new, None, now());
    let labels = &world.subscriptions[&old.subscription].labels;
    assert!(!labels.contains_key(key::RELEASED_AT));
    assert!(labels.contains_key(key::SWITCHED_AT));
    let worker = wanted(&new).subscription_grants[0].clone();
    assert_eq!(worker.role, SUBSCRIBER);
    let may_pull = |name: &SubscriptionName, grant: &Grant| {
        world.policies[&Resource::Subscription(name.clone())].has(grant)
    };
    assert!(
        may_pull(&old.subscription, &worker),
        "or its messages would wait for ever"
    );
}

#[test]
fn one_of_another_cluster_is_neither_drained_nor_in_the_way() {
    let old = listening_to("document.ingested");
    let new = listening_to("document.deleted");
    let mut world = converged(&old);
    let foreign = world.subscriptions.get_mut(&old.subscription).unwrap();
    foreign.labels.insert(key::CLUSTER.into(), "other".into());
    let before = foreign.clone();
    let plan = settle(&mut world, &new, None, now());
    assert!(plan.draining.is_empty());
    assert_eq!(world.subscriptions[&old.subscription], before);
    assert_eq!(world.plan(&old).unwrap_err().reason, Reason::ResourceConflict);
}

#[test]
fn one_that_was_deleted_is_missed() {
    let one = listening_to("document.ingested");
    let mut world = converged(&one);
    world.subscriptions.remove(&one.subscription);
    let plan = world.plan_after(&one, Some(&one.subscription), now()).unwrap();
    assert_eq!(plan.lost.as_ref(), Some(&one.subscription));
    assert_eq!(
        world.plan_after(&one, None, now()).unwrap().lost,
        None,
        "nobody knew of it"
    );
}

proptest! {
    /// Whatever is asked for one after the other, and wherever work stops: the current one fits; nothing is deleted that
    /// was not measured to be empty since its switch; a switch never changes; and in the end there is nothing left to do.
    #[test]
    fn any_sequence_of_edits_converges_and_deletes_nothing_unproven(
        edits in proptest::collection::vec((0_usize..3, 0_usize..4, any::<bool>()), 1..10),
    ) {
        let specs = ["document.ingested", "document.deleted", "document.ingested, document.deleted"].map(listening_to);
        let mut world = World::default();
        let mut before: Option<SubscriptionName> = None;
        let mut clock = 0;
        for (spec, stop, empty) in edits {
            clock += 3600;
            let valid = &specs[spec];
            if empty {
                let names: Vec<_> = world.subscriptions.keys().cloned().collect();
                for name in names {
                    measured(&mut world, &name, later(clock), 0);
                }
            }
            let switches: Vec<_> = world
                .subscriptions
                .values()
                .filter_map(|one| Some((one.name.clone(), switched_at(&one.labels)?)))
                .collect();
            let plan = world.plan_after(valid, before.as_ref(), later(clock)).unwrap();
            for deleted in deletes(&plan) {
                let Some(Ok(Some(oldest))) = world.oldest.get(deleted) else {
                    return Err(TestCaseError::fail(format!("{deleted} was deleted without a measurement")));
                };
                let switched = switches.iter().find(|(name, _)| name == deleted).unwrap().1;
                prop_assert!(oldest.published() > switched);
            }
            world.apply(&plan, stop);
            for (name, switched) in switches {
                if let Some(one) = world.subscriptions.get(&name) {
                    prop_assert_eq!(switched_at(&one.labels), Some(switched));
                }
            }
            // Status is written after the writes, and names what exists.
            let current = plan.current.clone().filter(|name| world.subscriptions.contains_key(name));
            before = current.or(before);
        }
        let last = &specs[0];
        settle(&mut world, last, before.as_ref(), later(clock + 60));
        let current = world.plan_after(last, before.as_ref(), later(clock + 60)).unwrap().current.unwrap();
        prop_assert_eq!(&world.subscriptions[&current].filter, &wanted(last).subscription.filter);
        prop_assert!(!world.subscriptions[&current].labels.contains_key(key::SWITCHED_AT));
    }
}
