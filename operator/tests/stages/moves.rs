//! A place that is asked to be another: it stays until somebody asks for the move by its target, and then both places are
//! handled in full.

use std::sync::Arc;

use crds::{EventSubscription, Reason, Tenant, label};
use event_operator::{
    pubsub::{Attachment, Resource},
    settings::Settings,
    subscription::{
        apply::Outcome,
        ownership::{Role, key},
        plan::{Action, Plan},
        status::{Progress, status},
        validate::{Valid, names, validate},
    },
    tenant::{
        binding::{Found, Place, Standing},
        validate as tenants,
    },
};
use events::{ProjectId, SubscriptionName, TopicName};
use jiff::Timestamp;

use crate::support::{
    HOUR, UNKNOWN, World, around, now, settings, settings_with, subscription, tenant, wanted_with,
};

const NAME: &str = "tenant-123";

fn elsewhere() -> Settings {
    settings_with("topicPrefix: other")
}

/// The Tenant with its binding as these settings make it.
fn bound(settings: &Settings) -> Tenant {
    let mut tenant = tenant(NAME);
    let standing = standing(&tenant, settings);
    write(
        &mut tenant,
        &Standing {
            is_bound: true,
            ..standing
        },
        settings,
    );
    tenant
}

fn standing(tenant: &Tenant, settings: &Settings) -> Standing {
    Standing::of(tenant, &tenants::tenant_id(tenant).unwrap(), settings).unwrap()
}

fn write(tenant: &mut Tenant, standing: &Standing, settings: &Settings) {
    let id = tenants::tenant_id(tenant).unwrap();
    annotate(tenant, label::BINDING, &standing.written(&id, settings));
}

fn annotate(tenant: &mut Tenant, key: &str, value: &str) {
    let annotations = tenant.metadata.annotations.get_or_insert_default();
    annotations.insert(key.to_owned(), value.to_owned());
}

fn one() -> EventSubscription {
    subscription(NAME, "document-events", "")
}

fn valid(tenant: &Tenant, settings: &Settings) -> Valid {
    validate(&one(), &around(tenant.clone()), settings).unwrap()
}

fn plan(world: &World, valid: &Valid, settings: &Settings, before: &SubscriptionName, at: Timestamp) -> Plan {
    let desired = wanted_with(valid, settings);
    world.plan_for(valid, &desired, Some(before), at).unwrap()
}

fn settle(
    world: &mut World,
    valid: &Valid,
    settings: &Settings,
    before: &SubscriptionName,
    at: Timestamp,
) -> Plan {
    for _ in 0..5 {
        let plan = plan(world, valid, settings, before, at);
        if plan.is_empty() {
            return plan;
        }
        world.apply(&plan, plan.steps.len());
    }
    panic!("there is always something left to do")
}

fn later(hours: u32) -> Timestamp {
    now().checked_add(HOUR * hours).unwrap()
}

#[test]
fn settings_freeze_a_place_and_a_move_is_asked_for_by_its_target() {
    let mut tenant = bound(&settings());
    assert!(!standing(&tenant, &settings()).is_frozen());
    let frozen = standing(&tenant, &elsewhere());
    assert!(frozen.is_frozen());
    assert_eq!(
        (frozen.here.to_string(), frozen.asked.to_string()),
        (
            "acme-events/living-twin".to_owned(),
            "acme-events/other".to_owned()
        )
    );
    assert_eq!(
        valid(&tenant, &elsewhere()).topic.to_string(),
        "projects/acme-events/topics/living-twin-document-events",
        "work goes on where it is"
    );
    // A move to another place, asked for long ago, authorises nothing.
    annotate(&mut tenant, label::MOVE, "acme-events/another");
    assert_eq!(standing(&tenant, &elsewhere()).moved(), None);
    annotate(&mut tenant, label::MOVE, "acme-events/other");
    let moved = standing(&tenant, &elsewhere()).moved().unwrap();
    assert_eq!((moved.here, moved.former), (frozen.asked, vec![frozen.here]));
    // Settings may ask for it for all.
    let fleet = settings_with("{topicPrefix: other, move: acme-events/other}");
    assert!(standing(&bound(&settings()), &fleet).moved().is_some());
    // And where nothing differs there is nothing to move.
    assert_eq!(standing(&bound(&fleet), &fleet).moved(), None);
}

#[test]
fn another_project_of_tenant_or_operator_moves_nothing_by_itself() {
    let tenant_moved = || {
        let mut tenant = bound(&settings());
        tenant.spec.project_id = Some("globex-events".into());
        tenant
    };
    let operator = Settings {
        project: ProjectId::parse("globex-events").unwrap(),
        ..settings()
    };
    for (tenant, settings, asked) in [
        (
            tenant_moved(),
            settings(),
            "globex-events/acme-events/living-twin",
        ),
        (bound(&settings()), operator, "globex-events/living-twin"),
    ] {
        let standing = standing(&tenant, &settings);
        assert!(standing.is_frozen(), "{asked}");
        assert_eq!(standing.asked.to_string(), asked);
        assert_eq!(valid(&tenant, &settings).project.as_str(), "acme-events");
    }
}

#[test]
fn both_places_are_handled_in_full_and_the_former_is_released_after_a_quiet_retention() {
    let (before, after) = (settings(), elsewhere());
    let mut tenant = bound(&before);
    let old = valid(&tenant, &before);
    let mut world = World::default();
    let first = world
        .plan_for(&old, &wanted_with(&old, &before), None, now())
        .unwrap();
    world.apply(&first, first.steps.len());
    let old_dead_letters = old.dead_letter.clone().unwrap().subscription;

    annotate(&mut tenant, label::MOVE, "acme-events/other");
    let moved = standing(&tenant, &after).moved().unwrap();
    write(&mut tenant, &moved, &after);
    let new = valid(&tenant, &after);
    assert_eq!(new.topic.id(), "other-document-events");
    let settled = settle(&mut world, &new, &after, &old.subscription, now());
    assert_eq!(settled.current.as_ref(), Some(&new.subscription));
    assert_eq!(settled.lost, None);
    assert!(settled.draining[0].in_full, "{settled:?}");
    let kept = std::slice::from_ref(&old_dead_letters);
    assert_eq!(settled.former_dead_letters, kept);

    // Empty, but publishers may still use the topic; and then they do.
    let quiet = |world: &mut World, at: Timestamp| {
        let measured = event_operator::monitoring::Oldest {
            at,
            age: std::time::Duration::ZERO,
        };
        world.oldest.insert(old.subscription.clone(), Ok(Some(measured)));
    };
    let retention = 24 * 7;
    for (hours, delivered) in [(retention - 1, 0), (retention + 2, 3)] {
        quiet(&mut world, later(hours));
        world.delivered.insert(old.subscription.clone(), delivered);
        let plan = plan(&world, &new, &after, &new.subscription, later(hours));
        assert!(plan.is_empty(), "{hours} h, {delivered} delivered: {plan}");
        assert_eq!(plan.draining.len(), 1);
    }
    world.delivered.insert(old.subscription.clone(), 0);
    world.waiting.insert(old_dead_letters.clone(), 1);
    let last = settle(&mut world, &new, &after, &new.subscription, later(retention + 2));
    assert!(last.draining.is_empty(), "{last:?}");
    assert_eq!(
        last.former_dead_letters, kept,
        "what failed there waits for somebody"
    );
    let left = &world.subscriptions[&old.subscription];
    assert!(left.labels.contains_key(key::RELEASED_AT));
    assert_eq!(Role::of(&left.labels), Some(Role::Former));
    let policy = &world.policies[&Resource::Subscription(old.subscription.clone())];
    let worker = crate::support::worker_member(&after, "uid-of-worker");
    assert!(
        policy
            .bindings
            .iter()
            .all(|binding| !binding.members.contains(&worker)),
        "no right stays: {policy:?}"
    );

    world.waiting.insert(old_dead_letters.clone(), 0);
    let end = settle(&mut world, &new, &after, &new.subscription, later(retention + 3));
    assert!(end.former_dead_letters.is_empty());
    let deleted = world
        .writes
        .iter()
        .any(|write| matches!(write, Action::DeleteSubscription(_)));
    assert!(!deleted, "a place that is left is released, not deleted");
}

#[test]
fn a_move_back_takes_up_what_was_left() {
    let (here, there) = (settings(), elsewhere());
    for is_released in [false, true] {
        let mut tenant = bound(&here);
        let old = valid(&tenant, &here);
        let mut world = World::default();
        let first = world
            .plan_for(&old, &wanted_with(&old, &here), None, now())
            .unwrap();
        world.apply(&first, first.steps.len());
        annotate(&mut tenant, label::MOVE, "acme-events/other");
        let moved = standing(&tenant, &there).moved().unwrap();
        write(&mut tenant, &moved, &there);
        let new = valid(&tenant, &there);
        settle(&mut world, &new, &there, &old.subscription, now());
        let mut at = now();
        if is_released {
            at = later(24 * 7 + 2);
            let measured = event_operator::monitoring::Oldest {
                at,
                age: std::time::Duration::ZERO,
            };
            world.oldest.insert(old.subscription.clone(), Ok(Some(measured)));
            world.delivered.insert(old.subscription.clone(), 0);
            world
                .waiting
                .insert(old.dead_letter.clone().unwrap().subscription, 0);
            let end = settle(&mut world, &new, &there, &new.subscription, at);
            assert!(end.draining.is_empty() && end.former_dead_letters.is_empty());
            let nothing_left = standing(&tenant, &there).with_former(|_| false);
            write(&mut tenant, &nothing_left, &there);
        }
        annotate(&mut tenant, label::MOVE, "acme-events/living-twin");
        let back = standing(&tenant, &here).moved().unwrap();
        write(&mut tenant, &back, &here);
        let again = valid(&tenant, &here);
        at = at.checked_add(HOUR).unwrap();
        let plan = settle(&mut world, &again, &here, &new.subscription, at);
        let of_topic = |in_full| plan.draining.iter().find(|one| one.in_full == in_full);
        assert_eq!(of_topic(true).unwrap().name, new.subscription);
        let back = of_topic(false);
        if is_released {
            assert_eq!(
                plan.current.as_ref(),
                Some(&old.subscription),
                "it has what came since"
            );
            assert_eq!(back, None);
            let labels = &world.subscriptions[&old.subscription].labels;
            assert_eq!(Role::of(labels), Some(Role::Worker));
            assert!(!labels.contains_key(key::RELEASED_AT), "{labels:?}");
        } else {
            let back = back.unwrap();
            assert_eq!(back.name, old.subscription);
            assert_eq!(
                back.switched_at,
                Some(at),
                "what came while the topic was left is in no other"
            );
            assert_ne!(plan.current.as_ref(), Some(&old.subscription));
        }
    }
}

#[test]
fn subscriptions_that_move_to_another_project_succeed_those_on_the_same_topic() {
    let settings = settings();
    let mut tenant = bound(&settings);
    let old = valid(&tenant, &settings);
    let mut world = World::default();
    let first = world
        .plan_for(&old, &wanted_with(&old, &settings), None, now())
        .unwrap();
    world.apply(&first, first.steps.len());
    let mut child = one();
    let known = |plan: &Plan, valid: &Valid| {
        let done = Outcome {
            applied: plan.steps.len(),
            failure: None,
        };
        status(&one(), &Progress::Planned(valid, plan, &done, &UNKNOWN), now())
    };
    child.status = Some(known(&first, &old));

    tenant.spec.project_id = Some("globex-events".into());
    annotate(&mut tenant, label::MOVE, "globex-events/acme-events/living-twin");
    let moved = standing(&tenant, &settings).moved().unwrap();
    write(&mut tenant, &moved, &settings);
    let id = tenants::tenant_id(&tenant).unwrap();
    let next = |child: &EventSubscription| {
        let children = [Arc::new(child.clone())];
        standing(&tenant, &settings).next(&tenant, &id, None, &children, &settings)
    };
    assert_eq!(next(&child), None, "nothing of the new place was looked at yet");

    let new = valid(&tenant, &settings);
    assert_eq!(
        (new.subscription.project().as_str(), new.topic.project().as_str()),
        ("globex-events", "acme-events")
    );
    let settled = settle(&mut world, &new, &settings, &old.subscription, now());
    assert_eq!(settled.current.as_ref(), Some(&new.subscription));
    assert_eq!(settled.draining[0].name, old.subscription);
    assert!(!settled.draining[0].in_full, "the new one has the same topic");
    assert_eq!(settled.lost, None);
    let kept = old.dead_letter.clone().unwrap().subscription;
    assert_eq!(settled.former_dead_letters, std::slice::from_ref(&kept));
    // Nothing waits there, but what drains may still fail.
    world.waiting.insert(kept.clone(), 0);
    let waits = settle(&mut world, &new, &settings, &new.subscription, now());
    assert_eq!(waits.former_dead_letters, [kept]);
    child.status = Some(known(&settled, &new));
    assert_eq!(next(&child), None, "the former place is used");
}

#[test]
fn a_tenant_that_has_no_binding_is_where_its_subscriptions_are() {
    let found = Found {
        here: Place {
            prefix: "older".into(),
            ..standing(&tenant(NAME), &settings()).here
        },
        former: vec![],
    };
    let named = names(&tenant(NAME), &one().spec.settings, Some(&found), &settings()).unwrap();
    assert_eq!(named.subscription.id(), "older-document-events-tenant-123-worker");
    // A binding counts more than what is found.
    let named = names(
        &bound(&settings()),
        &one().spec.settings,
        Some(&found),
        &settings(),
    )
    .unwrap();
    assert_eq!(
        named.subscription.id(),
        "living-twin-document-events-tenant-123-worker"
    );
}

#[test]
fn a_place_is_read_from_a_topics_name() {
    let project = ProjectId::parse("acme-events").unwrap();
    let place = |topic: &str| {
        let topic = TopicName::new(&project, topic).unwrap();
        Place::of(&project, &topic, "document-events").map(|place| place.prefix)
    };
    assert_eq!(
        place("living-twin-document-events").as_deref(),
        Some("living-twin")
    );
    assert_eq!(place("document-events").as_deref(), Some(""));
    assert_eq!(place("mydocument-events"), None);
    assert_eq!(place("living-twin-user-events"), None);
}

#[test]
fn a_binding_that_was_lost_edited_or_copied_forgets_no_place() {
    let settings = settings();
    let there = |prefix: &str| Settings {
        topic_prefix: prefix.into(),
        ..settings.clone()
    };
    let id = tenants::tenant_id(&tenant(NAME)).unwrap();
    let mut restored = bound(&there("first"));
    let annotation = restored.metadata.annotations.take().unwrap();
    let binding = serde_json::from_str(&annotation[label::BINDING]).unwrap();
    restored.status.get_or_insert_default().binding = Some(binding);
    let status_alone = standing(&restored, &settings);
    assert_eq!(status_alone.here.prefix, "first");
    assert!(
        status_alone.next(&restored, &id, None, &[], &settings).is_some(),
        "the annotation is written again"
    );
    // Somebody edits the annotation: where status says that it is, is looked in too.
    restored.metadata.annotations = bound(&there("second")).metadata.annotations;
    let edited = standing(&restored, &settings);
    assert_eq!(edited.here.prefix, "second");
    assert_eq!(edited.former[0].prefix, "first");
    // One that was copied with its manifest to another Tenant says nothing of that.
    let mut copy = tenant("another");
    copy.metadata.annotations = bound(&there("first")).metadata.annotations;
    assert!(!standing(&copy, &settings).is_bound);
    // And no JSON says nothing.
    annotate(&mut copy, label::BINDING, "{");
    assert!(!standing(&copy, &settings).is_bound);
}

#[test]
fn another_clusters_event_plane_is_left_alone() {
    let tenant = bound(&settings());
    let other = Settings {
        cluster_id: "other".into(),
        ..settings()
    };
    let refused = validate(&one(), &around(tenant.clone()), &other).unwrap_err();
    assert_eq!(refused.reason, Reason::ClusterMismatch);
    assert!(refused.message.contains("\"cluster-uid\"") && refused.message.contains("\"other\""));
    let adopting = Settings {
        adopt_from: vec!["cluster-uid".into()],
        ..other
    };
    assert!(validate(&one(), &around(tenant.clone()), &adopting).is_ok());
    let id = tenants::tenant_id(&tenant).unwrap();
    let next = standing(&tenant, &adopting).next(&tenant, &id, None, &[], &adopting);
    assert!(next.is_some(), "the new cluster is written down");
}

#[test]
fn a_topic_of_another_cluster_is_compared_and_not_written() {
    let tenant = bound(&settings());
    let ours = valid(&tenant, &settings());
    let mut world = World::default();
    let first = world
        .plan_for(&ours, &wanted_with(&ours, &settings()), None, now())
        .unwrap();
    world.apply(&first, first.steps.len());
    let differing =
        settings_with("{regions: [us-east1], kmsKeyName: projects/p/locations/l/keyRings/r/cryptoKeys/k}");
    let plan_here = plan(&world, &ours, &differing, &ours.subscription, now());
    let text = format!("{:?}", plan_here.differs);
    assert!(
        text.contains("Google's own key") && !text.contains("regions"),
        "{text}"
    );
    assert!(
        plan_here
            .steps
            .iter()
            .any(|step| matches!(step.action, Action::UpdateTopic(..))),
        "regions of our own are put right"
    );
    for topic in world.topics.values_mut() {
        topic.labels.insert(key::CLUSTER.into(), "other".into());
    }
    let plan_there = plan(&world, &ours, &differing, &ours.subscription, now());
    assert!(!plan_there.touches_topics(), "{plan_there}");
    let text = format!("{:?}", plan_there.differs);
    assert!(
        text.contains("europe-west1") && text.contains("us-east1"),
        "{text}"
    );
    // One from before is stamped.
    for topic in world.topics.values_mut() {
        topic.labels.remove(key::CLUSTER);
    }
    let stamped = plan(&world, &ours, &settings(), &ours.subscription, now());
    assert_eq!(stamped.steps.len(), 2, "{stamped}");
    let attached = &world.subscriptions[&ours.subscription].attachment;
    assert_eq!(*attached, Attachment::Topic(ours.topic.clone()));
}
