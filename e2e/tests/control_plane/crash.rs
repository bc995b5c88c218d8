//! The operator goes wrong at each of its writes, in each of the ways it can, and what is there in the end is what is
//! there without any fault: nothing made twice, nothing deleted that was not to be, nothing left undone.
//!
//! `CRASH_SEEDS` (default 50) says how many runs have two faults, `CRASH_SEED` which seed is the first; a failure names its
//! own. `RUST_LOG` shows what the operators log. `make test-long` runs 500. `CRASH_ONLY` is a part of the name of a run, as a failure says it: only those are run.

use std::collections::BTreeMap;

use crds::ConditionType;
use e2e::{
    portrait::{Portrait, differences},
    sabotage::Mode,
    tenants::{apply, gone, ready, tenant_is},
    world::{World, seeds},
};
use kube::{Api, api::DeleteParams};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

/// How many worlds run side by side; each is an API server and an emulator of its own, since an operator looks after all
/// Tenants it sees.
const WORLDS: usize = 3;

/// What kind of Tenant a story is about.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// One topic, and a worker that is stopped: what every single write is tried with, because it is fast.
    Small,
    /// Two topics, and a worker that runs.
    Whole,
}

impl Shape {
    fn spec(self, deadline: &str) -> serde_json::Value {
        let one = json!({"topic": "user-events", "ackDeadline": deadline});
        match self {
            Self::Small => json!({"deletionPolicy": "Delete", "suspended": true, "subscriptions": [one]}),
            Self::Whole => json!({"deletionPolicy": "Delete", "subscriptions": [one, {"topic": "events"}]}),
        }
    }
}

/// One run: its name, what it is about, and which writes go wrong.
type Run = (String, Shape, Vec<(usize, Mode)>);

/// What a run came to.
#[derive(Debug, PartialEq)]
struct Story {
    /// After the Tenant was ready.
    made: Portrait,
    /// After the edit was ready.
    edited: Portrait,
    /// After it was deleted, in Pub/Sub.
    left: Portrait,
    /// How often each object in Pub/Sub was made and deleted with success.
    made_and_deleted: BTreeMap<String, usize>,
}

/// A Tenant is made, edited and deleted while these writes go wrong.
async fn tell(world: &World, name: &str, shape: Shape, faults: Vec<(usize, Mode)>) -> (Story, usize) {
    let prefix = format!("{name}-topics");
    world.emulator.clear_calls();
    world.saboteur.plan(faults.clone());
    let story = async {
        apply(&world.client, name, shape.spec("60s")).await;
        ready(&world.client, name).await;
        let made = world.portrait(name, &prefix).await;
        apply(&world.client, name, shape.spec("90s")).await;
        ready(&world.client, name).await;
        let edited = world.portrait(name, &prefix).await;
        world.is_quiet(name).await;
        let tenants = Api::<crds::Tenant>::all(world.client.clone());
        tenants.delete(name, &DeleteParams::default()).await.unwrap();
        gone(&world.client, name).await;
        // The namespace goes with what is in it, in its own time.
        let mut left = world.portrait(name, &prefix).await;
        left.retain(|name, _| name.starts_with("topic ") || name.starts_with("subscription "));
        Story {
            made,
            edited,
            left,
            made_and_deleted: world.made_and_deleted(name, &prefix),
        }
    };
    let story = tokio::select! {
        story = story => story,
        () = world.operate(&prefix) => unreachable!("it begins anew for ever"),
    };
    (story, world.saboteur.writes().len())
}

/// Runs these, as many at a time as there are worlds; panics at the first that comes to something else.
async fn compare(worlds: &[World], references: &[Story; 2], runs: Vec<Run>) {
    let runs = parking_lot::Mutex::new(runs.into_iter());
    let next = || runs.lock().next();
    futures::future::join_all(worlds.iter().map(async |world| {
        while let Some((name, shape, faults)) = next() {
            let reference = &references[shape as usize];
            let (story, _) = Box::pin(tell(world, &name, shape, faults.clone())).await;
            let writes = world.saboteur.writes();
            let struck: Vec<_> = faults
                .iter()
                .map(|(k, mode)| (k, mode, writes.get(k - 1)))
                .collect();
            assert!(
                story == *reference,
                "{name} with {struck:?} came to something else:\n{}",
                difference(reference, &story)
            );
        }
    }))
    .await;
}

fn difference(wanted: &Story, found: &Story) -> String {
    let mut lines = Vec::new();
    for (when, wanted, found) in [
        ("made", &wanted.made, &found.made),
        ("edited", &wanted.edited, &found.edited),
        ("left", &wanted.left, &found.left),
    ] {
        lines.extend(
            differences(wanted, found)
                .into_iter()
                .map(|line| format!("{when}: {line}")),
        );
    }
    if wanted.made_and_deleted != found.made_and_deleted {
        lines.push(format!(
            "wanted {:#?}, found {:#?}",
            wanted.made_and_deleted, found.made_and_deleted
        ));
    }
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_may_fail_in_every_way() {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .try_init();
    let worlds = futures::future::join_all((0..WORLDS).map(|_| World::new())).await;
    let (small, writes) = Box::pin(tell(&worlds[0], "small", Shape::Small, vec![])).await;
    let (whole, more_writes) = Box::pin(tell(&worlds[0], "whole", Shape::Whole, vec![])).await;
    // Fewer would mean that something is not counted.
    assert!(
        writes > 25 && more_writes > writes + 10,
        "{writes} and {more_writes} writes were counted"
    );
    for reference in [&small, &whole] {
        for (object, count) in &reference.made_and_deleted {
            assert_eq!(*count, 1, "{object}");
        }
        assert!(
            reference.left.keys().all(|name| name.starts_with("topic ")),
            "{:#?}",
            reference.left
        );
    }

    let mut runs: Vec<Run> = Vec::new();
    for k in 1..=writes {
        for (number, mode) in Mode::ALL.into_iter().enumerate() {
            runs.push((format!("write-{k}-{number}"), Shape::Small, vec![(k, mode)]));
        }
    }
    for seed in seeds("CRASH", 50) {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut fault = || {
            (
                dice.random_range(1..=more_writes),
                Mode::ALL[dice.random_range(0..Mode::ALL.len())],
            )
        };
        let (one, mut other) = (fault(), fault());
        while other.0 == one.0 {
            other = fault();
        }
        runs.push((format!("seed-{seed}"), Shape::Whole, vec![one, other]));
    }
    if let Ok(only) = std::env::var("CRASH_ONLY") {
        runs.retain(|(name, ..)| name.contains(&only));
        assert!(!runs.is_empty(), "no run is called {only}");
    }
    compare(&worlds, &[small, whole], runs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_was_wrong_recovers_alone_though_writes_fail() {
    let world = World::new().await;
    let prefix = "recovers-topics";
    world.saboteur.plan(vec![]);
    let story = async {
        apply(
            &world.client,
            "recovers",
            json!({"subscriptions": [{"topic": "no-such-topic"}]}),
        )
        .await;
        tenant_is(
            &world.client,
            "recovers",
            ConditionType::Stalled,
            Some("UnknownTopic"),
        )
        .await;
        world.saboteur.plan(vec![
            (1, Mode::EndsBefore),
            (4, Mode::ReplyLost),
            (7, Mode::EndsAfter),
        ]);
        apply(
            &world.client,
            "recovers",
            json!({"subscriptions": [{"topic": "events"}]}),
        )
        .await;
        ready(&world.client, "recovers").await;
        assert!(world.saboteur.is_done(), "the faults did not strike");
    };
    tokio::select! {
        () = story => {}
        () = world.operate(prefix) => unreachable!("it begins anew for ever"),
    }
}
