//! The real binary and a service that fails for some events, or for all: what is an outage, what is an event that fails by
//! itself, and that neither holds up the good.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::support::{
    binary::{quiet, terminate},
    cloud::{Cloud, PROJECT, Plane, event},
    service::{ANY, Service},
    until,
};
use axum::http::StatusCode;
use parking_lot::Mutex;
use serde_json::json;
use tokio::{process::Child, time::Instant};

const BAD: usize = 30;
const GOOD: usize = 100;
/// Within so long every good event is handled, whatever stands before it.
const BOUND: Duration = Duration::from_secs(60);
const AT_ONCE: Duration = Duration::ZERO;

fn worker(cloud: &Cloud, plane: &Plane<'_>, url: &str) -> Child {
    quiet(cloud, plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", url)
        .env("HANDLER_TIMEOUT", "2s")
        .env("SHUTDOWN_GRACE", "5s")
        .spawn()
        .unwrap()
}

async fn end(mut worker: Child) {
    terminate(worker.id().unwrap()).await;
    assert_eq!(worker.wait().await.unwrap().code(), Some(0));
}

/// Thirty events that fail, and a hundred good ones behind them.
async fn bad_before_good(name: &str, fails: (StatusCode, Duration)) {
    let cloud = Cloud::start().await;
    let plane = cloud.plane(name, json!({})).await;
    let bad: Arc<Mutex<HashSet<String>>> = Arc::default();
    let fail = Arc::clone(&bad);
    let service = Service::start(ANY, move |id| match fail.lock().contains(id) {
        true => fails,
        false => (StatusCode::OK, AT_ONCE),
    })
    .await;
    for _ in 0..BAD {
        let event = event("tenant-123");
        bad.lock().insert(event.event_id.to_string());
        plane.publish_one(&event, None).await;
    }
    let good = plane.publish(GOOD, "tenant-123").await;
    let start = Instant::now();
    let worker = worker(&cloud, &plane, &service.url);
    until("the good events", || async {
        good.iter().all(|id| service.times(id) == 1).then_some(())
    })
    .await;
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    println!("{name}: the good events after {:?}", start.elapsed());
    let dead = Mutex::new(HashSet::new());
    // Other events come now and then, as they do.
    until("the dead letters", || async {
        plane.publish(1, "tenant-123").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let taken = plane.dead_letters().await;
        dead.lock().extend(taken);
        (dead.lock().len() >= BAD).then_some(())
    })
    .await;
    println!("{name}: the dead letters after {:?}", start.elapsed());
    assert_eq!(*dead.lock(), *bad.lock());
    end(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_answered_404_do_not_hold_up_the_good() {
    bad_before_good("bad-404", (StatusCode::NOT_FOUND, AT_ONCE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_answered_500_do_not_hold_up_the_good() {
    bad_before_good("bad-500", (StatusCode::INTERNAL_SERVER_ERROR, AT_ONCE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_answered_502_do_not_hold_up_the_good() {
    bad_before_good("bad-502", (StatusCode::BAD_GATEWAY, AT_ONCE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_answered_503_do_not_hold_up_the_good() {
    bad_before_good("bad-503", (StatusCode::SERVICE_UNAVAILABLE, AT_ONCE)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_hang_do_not_hold_up_the_good() {
    bad_before_good("bad-hangs", (StatusCode::OK, Duration::from_mins(10))).await;
}

/// A service that answers every event alike for a while: nothing is spent, and all are handled when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_any_kind_spends_no_attempt_and_widens_the_stream() {
    const EVENTS: usize = 200;
    for (name, answer) in [
        ("out-404", (StatusCode::NOT_FOUND, AT_ONCE)),
        ("out-500", (StatusCode::INTERNAL_SERVER_ERROR, AT_ONCE)),
        ("out-504", (StatusCode::GATEWAY_TIMEOUT, AT_ONCE)),
    ] {
        let cloud = Cloud::start().await;
        let plane = cloud.plane(name, json!({})).await;
        let down = Arc::new(AtomicBool::new(true));
        let is_down = Arc::clone(&down);
        let service = Service::start(ANY, move |_| match is_down.load(Ordering::SeqCst) {
            true => answer,
            false => (StatusCode::OK, AT_ONCE),
        })
        .await;
        plane.publish(EVENTS, "tenant-123").await;
        let worker = worker(&cloud, &plane, &service.url);
        let subscription = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
        // Events that wait do not count towards what is fetched: all come, though there are five slots.
        until("all events to be held", || async {
            let stats = cloud.emulator.stats(&subscription).unwrap();
            (stats.outstanding == EVENTS).then_some(())
        })
        .await;
        let calls = service.seen.lock().len();
        assert!(calls < 60, "{calls} calls to a service that is down");
        down.store(false, Ordering::SeqCst);
        let back = Instant::now();
        until("all to be acknowledged", || async {
            let stats = cloud.emulator.stats(&subscription).unwrap();
            (stats.backlog == 0).then_some(())
        })
        .await;
        assert!(back.elapsed() < BOUND, "{name}: {:?}", back.elapsed());
        let totals = cloud.emulator.stats(&subscription).unwrap().totals;
        assert_eq!(
            (totals.nacked, totals.expired, totals.dead_lettered),
            (0, 0, 0),
            "{name}"
        );
        end(worker).await;
    }
}
