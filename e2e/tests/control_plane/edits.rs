//! A Tenant is edited again and again, sensibly and not, in a hurry and not: what is there in the end is what a fresh Tenant
//! with the last spec gets, and what was wrong recovers by itself once it is put right.
//!
//! `EDIT_SEEDS` (default 4) says how many sequences there are, `EDIT_SEED` which seed is the first; a failure names its own.
//! `make test-long` runs 200. What an edit of a filter does is another story: `filter_change`.

use crds::{ConditionType, Tenant, condition};
use e2e::{
    eventually::eventually,
    portrait::{Portrait, differences},
    tenants::{PATIENCE, apply, delete, ready, tenant_is},
    world::{World, seeds},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};

const EDITS: usize = 10;

/// A spec that can be had.
fn legal(dice: &mut StdRng) -> Value {
    let topics = ["user-events", "events", "system-events"];
    let count = dice.random_range(1..=topics.len());
    let subscriptions: Vec<Value> = topics
        .choose_multiple(dice, count)
        .map(|topic| {
            let (attempts, suspended) = (dice.random_range(5..=7), dice.random_bool(0.3));
            json!({
                "topic": topic,
                "ackDeadline": one_of(dice, &["10s", "60s", "10m"]),
                "retention": one_of(dice, &["1h", "168h"]),
                "retryPolicy": {"minimumBackoff": one_of(dice, &["1s", "10s"]), "maximumBackoff": "60s"},
                "deadLetter": {"maxDeliveryAttempts": attempts},
                "suspended": suspended,
                "deletionPolicy": "Delete",
            })
        })
        .collect();
    let (suspended, messages) = (dice.random_bool(0.2), dice.random_range(1..=9));
    let (timeout, colour) = (one_of(dice, &["10s", "1h"]), one_of(dice, &["red", "green"]));
    json!({
        "deletionPolicy": "Delete", "suspended": suspended, "topics": "Listed", "subscriptions": subscriptions,
        "worker": {
            "maxConcurrentMessages": messages, "timeout": timeout, "env": [{"name": "COLOUR", "value": colour}],
        },
    })
}

fn one_of<'a>(dice: &mut StdRng, these: &[&'a str]) -> &'a str {
    these.choose(dice).unwrap()
}

/// What the operator finds to be wrong, and why.
fn stalled(dice: &mut StdRng) -> (Value, &'static str) {
    let long: Vec<String> = (0..4)
        .map(|n| format!("document.{}{n}", "x".repeat(60)))
        .collect();
    if dice.random_bool(0.5) {
        (
            json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "no-such-topic"}]}),
            "UnknownTopic",
        )
    } else {
        let one = json!({"topic": "events", "eventTypes": long, "deletionPolicy": "Delete"});
        (
            json!({"deletionPolicy": "Delete", "subscriptions": [one]}),
            "SubscriptionsNotReady",
        )
    }
}

/// What the API server does not take.
async fn refused(world: &World, name: &str, dice: &mut StdRng) {
    let wrong = [
        json!({"id": "another"}),
        json!({"subscriptions": [{"topic": "events", "ackDeadline": "1s"}]}),
        json!({"subscriptions": [{"topic": "events"}, {"topic": "events"}]}),
        json!({"worker": {"env": [{"name": "TENANT_ID", "value": "tenant-456"}]}}),
    ];
    let spec = wrong.choose(dice).unwrap();
    let tenant = json!({
        "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec,
    });
    let api = Api::<Tenant>::all(world.client.clone());
    let answer = api
        .patch(name, &PatchParams::apply("test").force(), &Patch::Apply(tenant))
        .await;
    assert!(answer.is_err(), "the API server took {spec}");
}

/// In a sequence of edits; gives the last spec.
async fn edit(world: &World, name: &str, dice: &mut StdRng) -> Value {
    let mut last = legal(dice);
    apply(&world.client, name, last.clone()).await;
    for _ in 0..EDITS {
        match dice.random_range(0..10) {
            0 => refused(world, name, dice).await,
            1 | 2 => {
                let (spec, reason) = stalled(dice);
                apply(&world.client, name, spec).await;
                if dice.random_bool(0.5) {
                    tenant_is(&world.client, name, ConditionType::Stalled, Some(reason)).await;
                }
            }
            _ => {
                last = legal(dice);
                apply(&world.client, name, last.clone()).await;
                if dice.random_bool(0.3) && last["suspended"] == json!(false) {
                    ready(&world.client, name).await;
                }
            }
        }
    }
    apply(&world.client, name, last.clone()).await;
    last
}

/// Once the operator has done what the last spec asks for, suspended or not; without the topics, which it never deletes.
async fn at_rest(world: &World, name: &str, prefix: &str) -> Portrait {
    let api = Api::<Tenant>::all(world.client.clone());
    eventually(&format!("{name} is as asked"), PATIENCE, async || {
        let tenant = api.get(name).await.unwrap();
        let conditions = tenant.status.unwrap_or_default().conditions;
        let seen = condition::find(&conditions, ConditionType::Ready)
            .is_some_and(|ready| ready.observed_generation == tenant.metadata.generation);
        let busy = [ConditionType::Reconciling, ConditionType::Stalled]
            .into_iter()
            .any(|what| condition::find(&conditions, what).is_some_and(|one| one.status != "False"));
        if seen && !busy { Ok(()) } else { Err(conditions) }
    })
    .await;
    let mut portrait = world.portrait(name, prefix).await;
    portrait.retain(|object, _| !object.starts_with("topic "));
    portrait
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_edits_come_to_is_what_a_fresh_tenant_gets() {
    let world = World::new().await;
    for seed in seeds("EDIT", 4) {
        let (name, prefix) = (format!("edits-{seed}"), format!("edits-{seed}-topics"));
        world.saboteur.plan(vec![]);
        let sequence = async {
            let last = edit(&world, &name, &mut StdRng::seed_from_u64(seed)).await;
            let edited = at_rest(&world, &name, &prefix).await;
            delete(&world.client, &name).await;
            apply(&world.client, &name, last.clone()).await;
            let fresh = at_rest(&world, &name, &prefix).await;
            assert!(
                edited == fresh,
                "EDIT_SEED={seed}: {last}\n{}",
                differences(&fresh, &edited).join("\n")
            );
            delete(&world.client, &name).await;
        };
        tokio::select! {
            () = sequence => {}
            () = world.operate(&prefix) => unreachable!("it begins anew for ever"),
        }
    }
}
