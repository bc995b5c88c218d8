//! A hundred workers are killed, at random and at every seam: every event has its effect, none is acknowledged
//! without one, and a second effect happens exactly where the kill fell between the effect and the note of it.
//! Real processes, a real Redis, the emulator.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use crate::support::{
    binary::{quiet, terminate},
    cloud::{Cloud, PROJECT, Plane},
    effects::{Effects, Stop},
    proxy::{Answer, Proxy},
    redis::Redis,
    until,
};
use pubsub_emulator::Emulator;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::{process::Child, time::timeout};

const KILLS: usize = 100;
const EVENTS_A_LIFE: usize = 3;

/// Where a worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seam {
    Anywhere,
    AfterClaim,
    AfterEffect,
    AfterDone,
    BeforeAck,
}

const SEAMS: [Seam; 5] = [
    Seam::Anywhere,
    Seam::AfterClaim,
    Seam::AfterEffect,
    Seam::AfterDone,
    Seam::BeforeAck,
];

fn start(cloud: &Cloud, plane: &Plane<'_>, handler: &str, store: &str) -> Child {
    quiet(cloud, plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", handler)
        .env("IDEMPOTENCY_URL", store)
        .env("LEASE_DURATION", "10s")
        .spawn()
        .unwrap()
}

/// Events that are noted as done, once nothing that a dead worker sent is still on its way.
async fn noted(redis: &Redis) -> HashSet<String> {
    until("the dead worker's connection to close", || async {
        let clients: String = redis.ask(&["CLIENT", "LIST"]).await;
        (clients.lines().count() == 1).then_some(())
    })
    .await;
    let keys: Vec<String> = redis.ask(&["KEYS", "event-worker:tenant-123:worker:*"]).await;
    let mut connection = redis.connect().await;
    let mut noted = HashSet::new();
    for key in keys {
        let mut get = redis::cmd("GET");
        // It may have expired since.
        let value: Option<String> = get.arg(&key).query_async(&mut connection).await.unwrap();
        if value.is_some_and(|value| value.starts_with("done ")) {
            noted.insert(key.rsplit(':').next().unwrap().to_owned());
        }
    }
    noted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_lose_nothing_and_double_only_what_physics_demands() {
    let seed = std::env::var("SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let cloud = Cloud::start().await;
    let plane = cloud
        .plane(
            "kills",
            json!({"ackDeadlineSeconds": 10, "maxDeliveryAttempts": 100, "retryPolicy": null}),
        )
        .await;
    let redis = Redis::start().await;
    let proxy = Proxy::start(redis.port).await;
    let effects = Effects::start(Duration::from_millis(20)).await;
    let mut published = Vec::new();
    // What was noted as done after each life.
    let mut done_after: Vec<HashSet<String>> = Vec::new();
    let mut hits: BTreeMap<Seam, usize> = BTreeMap::new();
    for life in 0..KILLS {
        let seam = SEAMS[life % SEAMS.len()];
        let effects_before = effects.all().len();
        let mut at_service = match seam {
            Seam::AfterClaim => Some(effects.trap(Stop::BeforeEffect)),
            Seam::AfterEffect => Some(effects.trap(Stop::AfterEffect)),
            Seam::Anywhere | Seam::AfterDone | Seam::BeforeAck => None,
        };
        let mut at_store = match seam {
            Seam::AfterDone => Some(proxy.trap(Answer::Withheld)),
            Seam::BeforeAck => Some(proxy.trap(Answer::Passed)),
            Seam::Anywhere | Seam::AfterClaim | Seam::AfterEffect => None,
        };
        published.extend(plane.publish(EVENTS_A_LIFE, "tenant-123").await);
        let mut worker = start(&cloud, &plane, &effects.url(life), &proxy.url());
        let patience = crate::support::PATIENCE;
        let trapped = match (&mut at_service, &mut at_store) {
            (Some(sprung), _) => timeout(patience, sprung.recv()).await.unwrap(),
            (_, Some(sprung)) => {
                timeout(patience, sprung.recv()).await.unwrap().unwrap();
                None
            }
            (None, None) => {
                tokio::time::sleep(Duration::from_millis(random.random_range(0..600))).await;
                None
            }
        };
        worker.start_kill().unwrap();
        worker.wait().await.unwrap();
        effects.disarm();
        proxy.disarm();
        let done = noted(&redis).await;
        let of_this_life: HashSet<String> = effects.all()[effects_before..]
            .iter()
            .filter(|(of, _)| *of == life)
            .map(|(_, id)| id.clone())
            .collect();
        // The kill fell where it was meant to.
        let hit = match (seam, &trapped) {
            (Seam::AfterClaim, Some(id)) => !of_this_life.contains(id) && !done.contains(id),
            (Seam::AfterEffect, Some(id)) => of_this_life.contains(id) && !done.contains(id),
            (Seam::AfterDone | Seam::BeforeAck, _) => of_this_life.iter().any(|id| done.contains(id)),
            _ => true,
        };
        assert!(hit, "life {life} did not die at {seam:?}");
        *hits.entry(seam).or_default() += 1;
        done_after.push(done);
    }
    assert_eq!(hits.into_values().collect::<Vec<_>>(), [KILLS / SEAMS.len(); 5]);

    let survivor = start(&cloud, &plane, &effects.url(KILLS), &proxy.url());
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    until("everything to be settled", || async {
        let stats = cloud.emulator.stats(&name).unwrap();
        (stats.backlog == 0 && stats.outstanding == 0).then_some(())
    })
    .await;
    terminate(survivor.id().unwrap()).await;
    survivor.wait_with_output().await.unwrap();
    done_after.push(noted(&redis).await);

    let dead = plane.dead_letters().await;
    let all_done = done_after.last().unwrap();
    let mut doubled = 0;
    for id in &published {
        let lives = effects.lives(id);
        assert!(
            !lives.is_empty() || dead.contains(id),
            "{id} was acknowledged without an effect"
        );
        assert!(all_done.contains(id) || dead.contains(id), "{id} was not noted");
        // In each life where it took effect and that was not noted, it had to take effect again, and nowhere else.
        let unnoted = lives
            .iter()
            .filter(|life| !done_after[**life].contains(id))
            .count();
        assert_eq!(lives.len(), 1 + unnoted, "{id} took effect in {lives:?}");
        doubled += lives.len() - 1;
    }
    // Every kill between effect and note doubles the trapped one at least, or this test shows nothing.
    assert!(doubled >= KILLS / SEAMS.len(), "{doubled}");
    println!(
        "{} events, {doubled} second effects, {} dead letters",
        published.len(),
        dead.len()
    );
}

async fn wait_for_effects(effects: &Effects, count: usize) {
    until(&format!("{count} effects"), || async {
        (effects.all().len() >= count).then_some(())
    })
    .await;
}

fn assert_once_each(effects: &Effects, published: &[String]) {
    for id in published {
        assert_eq!(effects.lives(id).len(), 1, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_killed_and_comes_back_costs_nothing() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("store-killed", json!({})).await;
    let mut redis = Redis::start().await;
    let effects = Effects::start(Duration::from_millis(20)).await;
    let mut worker = start(&cloud, &plane, &effects.url(0), &redis.url());
    let mut published = Vec::new();
    for round in 0..3 {
        published.extend(plane.publish(50, "tenant-123").await);
        wait_for_effects(&effects, round * 50 + 20).await;
        redis.kill();
        // What had its effect waits for its note; nothing else is begun.
        let begun = effects.all().len();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let late = effects.all().len() - begun;
        assert!(late <= 5, "{late} events were handled without a store");
        redis.restart().await;
        wait_for_effects(&effects, round * 50 + 50).await;
    }
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    until("everything to be settled", || async {
        let stats = cloud.emulator.stats(&name).unwrap();
        (stats.backlog == 0 && stats.outstanding == 0).then_some(())
    })
    .await;
    assert_once_each(&effects, &published);
    let totals = cloud.emulator.stats(&name).unwrap().totals;
    assert_eq!(
        (totals.nacked, totals.expired),
        (0, 0),
        "an outage of the store cost attempts"
    );
    worker.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_emptied_doubles_at_most_what_was_in_hand_and_says_so() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("store-emptied", json!({})).await;
    let redis = Redis::start().await;
    let effects = Effects::start(Duration::from_millis(20)).await;
    let http = crate::support::redis::free_port();
    let mut worker = quiet(&cloud, &plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", effects.url(0))
        .env("IDEMPOTENCY_URL", redis.url())
        .env("HTTP_ADDR", format!("127.0.0.1:{http}"))
        .spawn()
        .unwrap();
    let http = format!("http://127.0.0.1:{http}");
    let mut published = plane.publish(50, "tenant-123").await;
    wait_for_effects(&effects, 20).await;
    let _: () = redis.ask(&["FLUSHALL"]).await;
    published.extend(plane.publish(50, "tenant-123").await);
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    until("everything to be settled", || async {
        let stats = cloud.emulator.stats(&name).unwrap();
        (stats.backlog == 0 && stats.outstanding == 0).then_some(())
    })
    .await;
    // One worker that nobody killed: what it holds it does not handle twice, whatever the store forgot.
    assert_once_each(&effects, &published);
    until("the loss to be said", || async {
        (crate::support::metric(&http, "event_worker_store_losses_total", &[]).await > 0.0).then_some(())
    })
    .await;
    worker.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pubsub_that_restarts_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let emulator = Emulator::builder().data_dir(dir.path()).start().await.unwrap();
    let port = emulator.address().port();
    let mut cloud = Cloud::around(emulator);
    let redis = Redis::start().await;
    let effects = Effects::start(Duration::from_millis(20)).await;
    let mut worker = None;
    let mut published = Vec::new();
    for round in 0..3 {
        let plane = match round {
            0 => {
                cloud
                    .plane_named("restarted", json!({"ackDeadlineSeconds": 10}))
                    .await
            }
            _ => cloud.plane_there("restarted").await,
        };
        if worker.is_none() {
            worker = Some(start(&cloud, &plane, &effects.url(0), &redis.url()));
        }
        published.extend(plane.publish(50, "tenant-123").await);
        wait_for_effects(&effects, round * 50 + 25).await;
        drop(plane);
        cloud.emulator.shutdown().await;
        let emulator = Emulator::builder()
            .port(port)
            .data_dir(dir.path())
            .start()
            .await
            .unwrap();
        cloud = Cloud::around(emulator);
    }
    let name = format!("projects/{PROJECT}/subscriptions/restarted-sub");
    until("everything to be settled", || async {
        let stats = cloud.emulator.stats(&name).unwrap();
        (stats.backlog == 0 && stats.outstanding == 0).then_some(())
    })
    .await;
    assert_once_each(&effects, &published);
    worker.unwrap().kill().await.unwrap();
}
