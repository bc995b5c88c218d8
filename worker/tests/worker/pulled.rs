//! A whole worker on a real stream: what is published is handled, refused, retried, dead-lettered as documented.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    Running,
    cloud::{Cloud, Plane, event},
    service::{ANY, Service},
    settings, until,
};
use axum::http::StatusCode;
use event_worker::{
    Event, Outcome, Worker,
    handlers::{
        http::{HttpHandler, HttpSettings},
        log::LogHandler,
    },
};
use parking_lot::Mutex;
use pubsub_emulator::{Code, Fault};
use serde_json::json;

const NOW: Duration = Duration::ZERO;

fn posting(service: &Service) -> event_worker::WorkerBuilder {
    let handler = HttpHandler::new(HttpSettings::new(
        service.url.parse().unwrap(),
        Duration::from_secs(10),
    ))
    .unwrap();
    Worker::builder().otherwise(handler)
}

async fn start(builder: event_worker::WorkerBuilder, cloud: &Cloud, plane: &Plane<'_>) -> Running {
    let subscriptions = format!("--subscriptions={}", plane.subscription());
    Running::start(builder, settings(cloud, &[&subscriptions])).await
}

#[tokio::test]
async fn events_are_handled_and_acknowledged() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("happy", json!({})).await;
    plane.publish(20, "tenant-123").await;
    let worker = start(Worker::builder().otherwise(LogHandler), &cloud, &plane).await;
    worker.processed("success", 20).await;
    worker.ready().await.unwrap();
    assert!(worker.metric("event_worker_lag_seconds_count", &[]).await >= 20.0);
    worker.stop().await;
    assert!(plane.left().await.is_empty(), "acknowledgements were not flushed");
}

#[tokio::test]
async fn a_permanent_failure_is_asked_once_and_dead_lettered() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("permanent", json!({})).await;
    let service = Service::start(ANY, |_| (StatusCode::UNPROCESSABLE_ENTITY, NOW)).await;
    let worker = start(posting(&service), &cloud, &plane).await;
    let [id] = <[String; 1]>::try_from(plane.publish(1, "tenant-123").await).unwrap();
    let dead = until("a dead letter", || async {
        Some(plane.dead_letters().await).filter(|dead| !dead.is_empty())
    });
    assert_eq!(dead.await, [id.as_str()]);
    assert_eq!(service.times(&id), 1);
    worker.stop().await;
}

/// A service that answers an event of the source `odd` as told, and all others well.
async fn but_for_one(answer: impl Fn(usize) -> StatusCode + Send + Sync + 'static) -> Service {
    let calls = AtomicUsize::new(0);
    Service::start_by_source(ANY, move |source| match source {
        "odd" => answer(calls.fetch_add(1, Ordering::SeqCst)),
        _ => StatusCode::OK,
    })
    .await
}

async fn publish_odd(plane: &Plane<'_>) -> String {
    let mut odd = event("tenant-123");
    "odd".clone_into(&mut odd.source);
    plane.publish_one(&odd, None).await;
    odd.event_id.to_string()
}

/// Waits with other events on their way all the time: whether one fails by itself is seen beside others.
async fn beside_others<T, F: Future<Output = Option<T>>>(
    plane: &Plane<'_>,
    what: &str,
    ask: impl Fn() -> F,
) -> T {
    until(what, || async {
        plane.publish(1, "tenant-123").await;
        ask().await
    })
    .await
}

#[tokio::test]
async fn a_failure_is_tried_as_often_as_the_subscription_says() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("retryable", json!({})).await;
    let service = but_for_one(|call| match call {
        0 | 1 => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    })
    .await;
    let worker = start(posting(&service), &cloud, &plane).await;
    let id = publish_odd(&plane).await;
    beside_others(&plane, "a third call", || async {
        (service.times(&id) == 3).then_some(())
    })
    .await;
    worker.processed("retryable", 2).await;
    worker.stop().await;
    assert!(plane.dead_letters().await.is_empty());
}

#[tokio::test]
async fn one_that_always_fails_is_dead_lettered_after_that_many_calls() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("hopeless", json!({})).await;
    let service = but_for_one(|_| StatusCode::BAD_GATEWAY).await;
    let worker = start(posting(&service), &cloud, &plane).await;
    let id = publish_odd(&plane).await;
    let dead = beside_others(&plane, "a dead letter", || async {
        Some(plane.dead_letters().await).filter(|dead| !dead.is_empty())
    });
    assert_eq!(dead.await, [id.as_str()]);
    assert_eq!(service.times(&id), 5);
    worker.stop().await;
}

#[tokio::test]
async fn an_event_published_twice_is_handled_once() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("twice", json!({})).await;
    let service = Service::start(ANY, |_| (StatusCode::OK, Duration::from_millis(200))).await;
    let worker = start(posting(&service), &cloud, &plane).await;
    let event = event("tenant-123");
    for _ in 0..3 {
        plane.publish_one(&event, None).await;
    }
    worker.processed("success", 1).await;
    worker.processed("duplicate", 2).await;
    assert_eq!(service.times(event.event_id.as_str()), 1);
    worker.stop().await;
}

#[tokio::test]
async fn another_tenants_events_never_reach_the_handler() {
    let cloud = Cloud::start().await;
    // Without a filter, as if somebody had made the subscription by hand.
    let plane = cloud.plane("foreign", json!({})).await;
    let service = Service::start(ANY, |_| (StatusCode::OK, NOW)).await;
    let worker = start(posting(&service), &cloud, &plane).await;
    let foreign = plane.publish(3, "tenant-456").await;
    let own = plane.publish(1, "tenant-123").await;
    let dead = Mutex::new(Vec::new());
    until("three dead letters", || async {
        let taken = plane.dead_letters().await;
        dead.lock().extend(taken);
        (dead.lock().len() == 3).then_some(())
    })
    .await;
    let mut dead = dead.into_inner();
    dead.sort();
    assert_eq!(dead, foreign);
    assert_eq!(*service.seen.lock(), own);
    assert!(worker.metric("event_worker_tenant_mismatch_total", &[]).await >= 3.0);
    worker.stop().await;
}

#[tokio::test]
async fn the_list_of_subscriptions_is_followed() {
    let cloud = Cloud::start().await;
    let [first, second] = [
        cloud.plane("first", json!({})).await,
        cloud.plane("second", json!({})).await,
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("subscriptions.json");
    let entry = |plane: &Plane<'_>| json!({"name": format!("projects/acme-events/subscriptions/{}", plane.subscription())});
    let list = |entries: Vec<serde_json::Value>| {
        // As the kubelet does it: written beside, then moved into place.
        let beside = dir.path().join("next");
        std::fs::write(&beside, json!({"subscriptions": entries}).to_string()).unwrap();
        std::fs::rename(&beside, &path).unwrap();
    };
    list(vec![entry(&first)]);
    let file = format!("--subscriptions-file={}", path.display());
    let worker = Running::start(
        Worker::builder().otherwise(LogHandler),
        settings(&cloud, &[&file]),
    )
    .await;
    second.publish(1, "tenant-123").await;
    first.publish(1, "tenant-123").await;
    worker.processed("success", 1).await;
    list(vec![entry(&first), entry(&second)]);
    worker.processed("success", 2).await;
    let mut suspended = entry(&first);
    suspended["suspended"] = json!(true);
    list(vec![suspended, entry(&second)]);
    until("one subscription", || async {
        (worker.metric("event_worker_subscriptions", &[]).await < 2.0).then_some(())
    })
    .await;
    let kept = first.publish(1, "tenant-123").await;
    second.publish(1, "tenant-123").await;
    worker.processed("success", 3).await;
    assert_eq!(first.left().await, kept);
    worker.stop().await;
}

#[tokio::test]
async fn a_missing_right_is_named_and_waited_for() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("right", json!({})).await;
    let denied = Fault::fail("Subscriber.StreamingPull", Code::PermissionDenied, 2);
    cloud.emulator.add_fault(denied);
    let worker = start(Worker::builder().otherwise(LogHandler), &cloud, &plane).await;
    let why = until("a reason", || async { worker.ready().await.err() }).await;
    assert!(why.contains("grant roles/pubsub.subscriber"), "{why}");
    plane.publish(1, "tenant-123").await;
    worker.processed("success", 1).await;
    worker.ready().await.unwrap();
    assert!(
        worker
            .metric("event_worker_stream_errors_total", &["PERMISSION_DENIED"])
            .await
            >= 2.0
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_subscription_may_come_later() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("later", json!({})).await;
    let missing = format!("{}-missing", plane.id);
    let flag = format!("--subscriptions={missing}");
    let worker = Running::start(
        Worker::builder().otherwise(LogHandler),
        settings(&cloud, &[&flag]),
    )
    .await;
    let why = until("a reason", || async { worker.ready().await.err() }).await;
    assert!(why.contains("does not exist"), "{why}");
    let body = json!({"topic": format!("projects/acme-events/topics/{}", plane.id)});
    cloud
        .call(reqwest::Method::PUT, &format!("subscriptions/{missing}"), body)
        .await;
    // Without a message: a quiet tenant's worker must become ready too.
    until("readiness", || async { worker.ready().await.ok() }).await;
    plane.publish(1, "tenant-123").await;
    worker.processed("success", 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn events_of_one_key_are_handled_in_order_past_a_failure() {
    let cloud = Cloud::start().await;
    let plane = cloud
        .plane("ordered", json!({"enableMessageOrdering": true}))
        .await;
    let events: Vec<_> = (0..10).map(|_| event("tenant-123")).collect();
    for event in &events {
        plane.publish_one(event, Some("key")).await;
    }
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let failed = Arc::new(AtomicUsize::new(0));
    let fails = events[3].event_id.clone();
    let handler = move |event: Event| {
        let outcome = if event.event_id == fails && failed.fetch_add(1, Ordering::SeqCst) == 0 {
            Outcome::retryable("once")
        } else {
            noted.lock().push(event.event_id.to_string());
            Outcome::Success
        };
        async move { outcome }
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("subscriptions.json");
    let name = format!("projects/acme-events/subscriptions/{}", plane.subscription());
    std::fs::write(
        &path,
        json!({"subscriptions": [{"name": name, "ordered": true}]}).to_string(),
    )
    .unwrap();
    let file = format!("--subscriptions-file={}", path.display());
    let worker = Running::start(Worker::builder().otherwise(handler), settings(&cloud, &[&file])).await;
    worker.processed("success", 10).await;
    let published: Vec<_> = events.iter().map(|event| event.event_id.to_string()).collect();
    assert_eq!(*seen.lock(), published);
    worker.stop().await;
}

#[tokio::test]
async fn a_flooded_subscription_does_not_starve_a_quiet_one() {
    let cloud = Cloud::start().await;
    let [flooded, quiet] = [
        cloud.plane("flooded", json!({})).await,
        cloud.plane("quiet", json!({})).await,
    ];
    flooded.publish(500, "tenant-123").await;
    let service = Service::start(ANY, |_| (StatusCode::OK, Duration::from_millis(50))).await;
    let subscriptions = format!(
        "--subscriptions={},{}",
        flooded.subscription(),
        quiet.subscription()
    );
    let worker = Running::start(posting(&service), settings(&cloud, &[&subscriptions])).await;
    worker.processed("success", 20).await;
    let [id] = <[String; 1]>::try_from(quiet.publish(1, "tenant-123").await).unwrap();
    until("the quiet one", || async {
        (service.times(&id) == 1).then_some(())
    })
    .await;
    let handled = service.seen.lock().len();
    assert!(handled < 400, "it waited behind {handled}");
    worker.stop().await;
}
