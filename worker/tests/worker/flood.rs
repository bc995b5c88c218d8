//! Floods: flow control by number and by bytes keeps the worker's memory flat. Not for every day, because they take
//! minutes and gigabytes: `make worker-flood`. A small one runs always.

use std::time::Duration;

use crate::support::{
    binary::{quiet, terminate},
    cloud::{Cloud, PROJECT, Plane, event},
};
use pubsub_emulator::pb::PubsubMessage;
use serde_json::json;
use tokio::{process::Child, time::Instant};

/// What a worker's pod has by default.
const MEMORY_LIMIT: u64 = 2 * 1024 * 1024 * 1024;

fn message(bytes: usize) -> PubsubMessage {
    let mut event = event("tenant-123");
    event.data = json!({"filler": "x".repeat(bytes)})
        .as_object()
        .cloned()
        .unwrap()
        .into();
    let attributes = event.attributes().into_iter();
    PubsubMessage {
        data: event.encode().unwrap().into(),
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).collect(),
        ..PubsubMessage::default()
    }
}

/// The most memory the process ever had, in bytes.
fn peak(worker: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.id().unwrap())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    kilobytes * 1024
}

async fn flood(cloud: &Cloud, plane: &Plane<'_>, count: u64, bytes: usize, patience: Duration) -> u64 {
    let topic = format!("projects/{PROJECT}/topics/{}", plane.id);
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    let mut worker = quiet(cloud, plane)
        .env("MAX_CONCURRENT_MESSAGES", "50")
        .env("LOG_LEVEL", "WARN")
        .env("AUDIT_LOG", "failures")
        .spawn()
        .unwrap();
    let start = Instant::now();
    // Published as fast as it goes, but not more than a gigabyte ahead: the emulator has memory too.
    let ahead = (1_000_000_000 / bytes.max(1000)) as u64;
    let mut published = 0;
    while published < count {
        // What one publish request may hold.
        let batch = (count - published)
            .min(1_000)
            .min((9_990_000 / bytes) as u64)
            .max(1);
        let messages = (0..batch).map(|_| message(bytes)).collect();
        cloud.emulator.publish(&topic, messages).unwrap();
        published += batch;
        while published - cloud.emulator.stats(&name).unwrap().totals.acked > ahead {
            assert!(start.elapsed() < patience, "the flood is not over");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    loop {
        let stats = cloud.emulator.stats(&name).unwrap();
        if stats.totals.acked >= count && stats.backlog == 0 {
            break;
        }
        assert!(
            start.elapsed() < patience,
            "the flood is not over: {} acked",
            stats.totals.acked
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = start.elapsed();
    let peak = peak(&worker);
    println!(
        "{count} of {bytes} bytes in {took:.1?}: {:.0} a second, peak {} MB",
        count as f64 / took.as_secs_f64(),
        peak / 1_000_000
    );
    let totals = cloud.emulator.stats(&name).unwrap().totals;
    assert_eq!((totals.nacked, totals.expired), (0, 0), "the flood cost attempts");
    assert!(plane.dead_letters().await.is_empty());
    terminate(worker.id().unwrap()).await;
    assert!(worker.wait().await.unwrap().success());
    peak
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_flood_of_large_events_stays_small_in_memory() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("flood", json!({})).await;
    // 100 MB altogether, of which a stream may hold 32 MB.
    let peak = flood(&cloud, &plane, 40, 2_500_000, crate::support::PATIENCE).await;
    assert!(peak < MEMORY_LIMIT / 8, "{peak}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make worker-flood"]
async fn a_million_small_events_stay_within_the_limit() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("million", json!({})).await;
    let peak = flood(&cloud, &plane, 1_000_000, 500, Duration::from_mins(20)).await;
    assert!(peak < MEMORY_LIMIT, "{peak}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes and gigabytes: make worker-flood"]
async fn a_thousand_of_the_largest_events_stay_within_the_limit() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("largest", json!({})).await;
    let peak = flood(&cloud, &plane, 1_000, 9_990_000, Duration::from_mins(20)).await;
    assert!(peak < MEMORY_LIMIT, "{peak}");
}
