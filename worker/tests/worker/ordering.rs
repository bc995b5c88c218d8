//! Order is kept by holding: with more keys than slots, a dead-letter topic, and heads that always fail, none that follows is
//! dead-lettered without a verdict of its own, none has its effect before the head's end, and the key lives on.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::support::{
    Running,
    cloud::{Cloud, PROJECT, Plane, event},
    settings, until,
};
use event_worker::{Event, Outcome, Worker};
use events::DomainEvent;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;

const KEYS: usize = 12;

/// What happens to an event, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Happened {
    Failed(String),
    Handled(String),
}

async fn ordered(
    cloud: &Cloud,
    plane: &Plane<'_>,
    seen: &Arc<Mutex<Vec<Happened>>>,
) -> (tempfile::TempDir, Running) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("subscriptions.json");
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    let entry = json!({"name": name, "ordered": true, "maxDeliveryAttempts": 5, "maximumBackoffSeconds": 1});
    std::fs::write(&path, json!({"subscriptions": [entry]}).to_string()).unwrap();
    let noted = Arc::clone(seen);
    let handler = move |event: Event| {
        let id = event.event_id.to_string();
        let fails = event.source == "fails";
        let noted = Arc::clone(&noted);
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let (happened, outcome) = match fails {
                true => (Happened::Failed(id), Outcome::retryable("always")),
                false => (Happened::Handled(id), Outcome::Success),
            };
            noted.lock().push(happened);
            outcome
        }
    };
    let file = format!("--subscriptions-file={}", path.display());
    let worker = Running::start(Worker::builder().otherwise(handler), settings(cloud, &[&file])).await;
    (dir, worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_always_fail_take_none_that_follows_with_them() {
    let seed = std::env::var("SEED").map_or(11, |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let cloud = Cloud::start().await;
    let plane = cloud.plane("heads", json!({"enableMessageOrdering": true})).await;
    let seen: Arc<Mutex<Vec<Happened>>> = Arc::default();
    // Of each key some events: the first fails always, and chance may have another fail.
    let mut keys: Vec<Vec<DomainEvent>> = Vec::new();
    for _ in 0..KEYS {
        let length = random.random_range(3..8);
        let second = random.random_range(0..12);
        let of_key = (0..length).map(|at| {
            let mut event = event("tenant-123");
            if at == 0 || at == second {
                event.source = "fails".to_owned();
            }
            event
        });
        keys.push(of_key.collect());
    }
    for at in 0..8 {
        for (key, events) in keys.iter().enumerate() {
            if let Some(event) = events.get(at) {
                plane.publish_one(event, Some(&format!("key-{key}"))).await;
            }
        }
    }
    let (_dir, worker) = ordered(&cloud, &plane, &seen).await;
    let subscription = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    until("everything to end", || async {
        let stats = cloud.emulator.stats(&subscription).unwrap();
        (stats.backlog == 0 && stats.outstanding == 0).then_some(())
    })
    .await;
    worker.stop().await;
    let seen = seen.lock().clone();
    let dead: Vec<String> = plane.dead_letters().await;
    let mut verdicts: HashMap<&str, usize> = HashMap::new();
    for happened in &seen {
        if let Happened::Failed(id) = happened {
            *verdicts.entry(id).or_default() += 1;
        }
    }
    for events in &keys {
        for event in events {
            let (id, fails) = (event.event_id.to_string(), event.source == "fails");
            assert_eq!(
                dead.contains(&id),
                fails,
                "dead letters are those that fail, and no others"
            );
            let times = verdicts.get(id.as_str()).copied().unwrap_or_default();
            assert!(
                !fails || times >= 5,
                "{id} was dead-lettered after {times} verdicts"
            );
        }
        // The order in which a key's events were called last is that of their publishing.
        let last = |event: &DomainEvent| {
            let id = event.event_id.as_str();
            let of = |happened: &Happened| match happened {
                Happened::Failed(other) | Happened::Handled(other) => other == id,
            };
            (
                seen.iter().position(of).unwrap(),
                seen.iter().rposition(of).unwrap(),
            )
        };
        for pair in events.windows(2) {
            let ((_, before), (after, _)) = (last(&pair[0]), last(&pair[1]));
            assert!(
                before < after,
                "an event began before the last call of the one before it"
            );
        }
    }
    // The key lives on.
    let next = event("tenant-123");
    let more: Arc<Mutex<Vec<Happened>>> = Arc::default();
    let (_dir, worker) = ordered(&cloud, &plane, &more).await;
    plane.publish_one(&next, Some("key-0")).await;
    let handled = Happened::Handled(next.event_id.to_string());
    until("the next of a key", || async {
        more.lock().contains(&handled).then_some(())
    })
    .await;
    worker.stop().await;
}

/// What follows a head that is tried again keeps its lease: it is delivered once, and spends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_failing_head_spends_no_attempt() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("held", json!({"enableMessageOrdering": true})).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("subscriptions.json");
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    std::fs::write(
        &path,
        json!({"subscriptions": [{"name": name, "ordered": true}]}).to_string(),
    )
    .unwrap();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&calls);
    let handler = move |event: Event| {
        let mut calls = noted.lock();
        calls.push(event.event_id.to_string());
        let outcome = match event.source == "fails" && calls.len() < 4 {
            true => Outcome::retryable("three times"),
            false => Outcome::Success,
        };
        async move { outcome }
    };
    let mut events: Vec<_> = (0..5).map(|_| event("tenant-123")).collect();
    events[0].source = "fails".to_owned();
    for event in &events {
        plane.publish_one(event, Some("key")).await;
    }
    let file = format!("--subscriptions-file={}", path.display());
    let worker = Running::start(Worker::builder().otherwise(handler), settings(&cloud, &[&file])).await;
    worker.processed("success", 5).await;
    worker.stop().await;
    let ids: Vec<String> = events.iter().map(|event| event.event_id.to_string()).collect();
    let expected = [vec![ids[0].clone(); 3], ids].concat();
    assert_eq!(*calls.lock(), expected);
    let totals = cloud.emulator.stats(&name).unwrap().totals;
    assert_eq!((totals.delivered, totals.nacked, totals.expired), (5, 0, 0));
}
