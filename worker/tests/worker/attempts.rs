//! Delivery attempts belong to the handler: whatever happens around it, the worker spends none of its own, and loses
//! and doubles nothing. The emulator counts.

use std::{collections::HashSet, sync::Arc, time::Duration};

use crate::support::{
    Running,
    cloud::{Cloud, PROJECT, Plane},
    service::{ANY, Service},
    settings, until,
};
use axum::http::StatusCode;
use event_worker::{
    Event, Worker, WorkerBuilder,
    handlers::{
        http::{HttpHandler, HttpSettings},
        log::LogHandler,
    },
};
use parking_lot::Mutex;
use pubsub_emulator::{Code, Emulator, Totals};
use serde_json::json;
use tokio::time::Instant;

fn totals(cloud: &Cloud, plane: &Plane<'_>) -> Totals {
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    cloud.emulator.stats(&name).unwrap().totals
}

fn spent(cloud: &Cloud, plane: &Plane<'_>) -> u64 {
    let totals = totals(cloud, plane);
    totals.nacked + totals.expired
}

fn logging() -> WorkerBuilder {
    Worker::builder().otherwise(LogHandler)
}

async fn start(builder: WorkerBuilder, cloud: &Cloud, plane: &Plane<'_>) -> Running {
    let subscriptions = format!("--subscriptions={}", plane.subscription());
    Running::start(builder, settings(cloud, &[&subscriptions])).await
}

#[tokio::test]
async fn a_flood_widens_the_stream_and_loses_nothing_on_the_way() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("flood", json!({})).await;
    plane.publish(5_000, "tenant-123").await;
    let start_of_it = Instant::now();
    let worker = start(logging(), &cloud, &plane).await;
    let first = worker.metric("event_worker_outstanding_limit", &[]).await;
    worker.processed("success", 5_000).await;
    let took = start_of_it.elapsed();
    let last = worker.metric("event_worker_outstanding_limit", &[]).await;
    assert!(first <= 10.0 && last >= 500.0, "{first} to {last}");
    // With the first limit alone the acknowledgements' flush would let 100 a second through.
    assert!(took < Duration::from_secs(25), "{took:?}");
    worker.stop().await;
    assert_eq!(spent(&cloud, &plane), 0);
    assert_eq!(totals(&cloud, &plane).delivered, 5_000);
}

#[tokio::test]
async fn an_outage_of_the_handler_costs_no_attempt() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("outage", json!({})).await;
    let gone = Service::start(ANY, |_| (StatusCode::OK, Duration::ZERO)).await;
    let address = gone.address;
    let handler = HttpHandler::new(HttpSettings::new(
        gone.url.parse().unwrap(),
        Duration::from_secs(10),
    ))
    .unwrap();
    let worker = start(Worker::builder().otherwise(handler), &cloud, &plane).await;
    drop(gone);
    plane.publish(20, "tenant-123").await;
    until("the circuit opens", || async {
        worker.ready().await.err().filter(|why| why.contains("handler"))
    })
    .await;
    // Several probes fail before the service is back.
    until("probes", || async {
        (worker.metric("event_worker_handler_unavailable_total", &[]).await >= 5.0).then_some(())
    })
    .await;
    let service = Service::start(address, |_| (StatusCode::OK, Duration::ZERO)).await;
    worker.processed("success", 20).await;
    until("readiness", || async { worker.ready().await.ok() }).await;
    assert_eq!(service.seen.lock().len(), 20);
    assert_eq!(spent(&cloud, &plane), 0);
    worker.stop().await;
}

#[tokio::test]
async fn restarts_of_a_busy_worker_cost_no_attempt_and_no_event() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("restarts", json!({})).await;
    let published = plane.publish(600, "tenant-123").await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    for round in 1.. {
        let noted = Arc::clone(&seen);
        let handler = move |event: Event| {
            noted.lock().push(event.event_id.to_string());
            tokio::time::sleep(Duration::from_millis(10))
        };
        let subscriptions = format!("--subscriptions={}", plane.subscription());
        // As in a pod: what is fetched is worked off in time even on a machine that is busy with other things.
        let patient = settings(&cloud, &[&subscriptions, "--shutdown-grace=25s"]);
        let worker = Running::start(Worker::builder().otherwise(handler), patient).await;
        let goal = 600.min(round * 120);
        until("the round", || async {
            (seen.lock().len() >= goal).then_some(())
        })
        .await;
        worker.stop().await;
        if goal == 600 {
            break;
        }
    }
    let seen = seen.lock().clone();
    assert_eq!(seen.len(), 600);
    assert_eq!(
        seen.into_iter().collect::<HashSet<_>>(),
        published.into_iter().collect()
    );
    assert_eq!(spent(&cloud, &plane), 0);
}

#[tokio::test]
async fn what_was_handled_and_comes_again_has_no_second_effect() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("again", json!({"retainAckedMessages": true})).await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let handler = move |event: Event| {
        noted.lock().push(event.event_id.to_string());
        std::future::ready(())
    };
    let worker = start(Worker::builder().otherwise(handler), &cloud, &plane).await;
    let mut published = plane.publish(10, "tenant-123").await;
    worker.processed("success", 10).await;
    // As if every acknowledgement had been lost.
    until("acknowledgements", || async {
        (totals(&cloud, &plane).acked == 10).then_some(())
    })
    .await;
    let path = format!("subscriptions/{}:seek", plane.subscription());
    cloud
        .call(
            reqwest::Method::POST,
            &path,
            json!({"time": "2020-01-01T00:00:00Z"}),
        )
        .await;
    worker.processed("duplicate", 10).await;
    let mut seen = seen.lock().clone();
    seen.sort();
    published.sort();
    assert_eq!(seen, published);
    worker.stop().await;
}

#[tokio::test]
async fn broken_streams_are_no_event() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("broken", json!({})).await;
    let worker = start(logging(), &cloud, &plane).await;
    for round in 1..=5 {
        plane.publish(20, "tenant-123").await;
        worker.processed("success", round * 20).await;
        cloud.emulator.break_streams(Some(Code::Unavailable));
    }
    worker.ready().await.unwrap();
    worker.stop().await;
}

#[tokio::test]
async fn an_exactly_once_subscription_works_the_same() {
    let cloud = Cloud::start().await;
    let plane = cloud
        .plane("exactly-once", json!({"enableExactlyOnceDelivery": true}))
        .await;
    plane.publish(50, "tenant-123").await;
    let worker = start(logging(), &cloud, &plane).await;
    worker.processed("success", 50).await;
    worker.stop().await;
    let totals = totals(&cloud, &plane);
    assert_eq!((totals.delivered, totals.acked), (50, 50));
}

#[tokio::test]
async fn an_outage_of_pubsub_ends_within_seconds_of_it() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("away", json!({})).await;
    let worker = start(logging(), &cloud, &plane).await;
    plane.publish(1, "tenant-123").await;
    worker.processed("success", 1).await;
    let (id, port) = (plane.id.clone(), cloud.emulator.address().port());
    drop(plane);
    cloud.emulator.shutdown().await;
    let why = until("not ready", || async { worker.ready().await.err() }).await;
    assert!(why.contains("does not take connections"), "{why}");
    // Long enough for the client's own backoff to have grown past what is asked of us.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let emulator = Emulator::builder().port(port).start().await.unwrap();
    let cloud = Cloud::around(emulator);
    let plane = cloud.plane_named(&id, json!({})).await;
    let back = Instant::now();
    plane.publish(1, "tenant-123").await;
    worker.processed("success", 2).await;
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
    until("ready", || async { worker.ready().await.ok() }).await;
    worker.stop().await;
}
