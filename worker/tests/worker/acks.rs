//! An acknowledgement that goes wrong is not taken for one that was heard, and costs no second effect.

use std::time::Duration;

use crate::support::{
    Running,
    cloud::{Cloud, PROJECT},
    service::{ANY, Service},
    settings, until,
};
use axum::http::StatusCode;
use event_worker::{
    Worker,
    handlers::http::{HttpHandler, HttpSettings},
};
use pubsub_emulator::{Code, Fault, Totals};
use serde_json::{Value, json};

const EVENTS: usize = 20;

/// A worker that handles some events while acknowledgements fail; what the subscription counted when none is left, and how
/// many acknowledgements the worker says were not confirmed.
async fn acknowledge(more: Value, fault: Fault) -> (Totals, f64) {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("acks", more).await;
    let service = Service::start(ANY, |_| (StatusCode::OK, Duration::ZERO)).await;
    cloud.emulator.add_fault(fault);
    let ids = plane.publish(EVENTS, "tenant-123").await;
    let url = service.url.parse().unwrap();
    let handler = HttpHandler::new(HttpSettings::new(url, Duration::from_secs(10))).unwrap();
    let subscriptions = format!("--subscriptions={}", plane.subscription());
    let builder = Worker::builder().otherwise(handler);
    let worker = Running::start(builder, settings(&cloud, &[&subscriptions])).await;
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    until("everything to be acknowledged", || async {
        let stats = cloud.emulator.stats(&name).unwrap();
        (stats.backlog == 0 && stats.outstanding == 0).then_some(())
    })
    .await;
    let failures = worker.metric("event_worker_ack_failures_total", &[]).await;
    worker.stop().await;
    for id in ids {
        assert_eq!(service.times(&id), 1, "{id} has had its effect, once");
    }
    assert_eq!(plane.dead_letters().await, Vec::<String>::new());
    (cloud.emulator.stats(&name).unwrap().totals, failures)
}

/// Not one that a client tries again.
fn refused() -> Fault {
    Fault::fail("Subscriber.Acknowledge", Code::PermissionDenied, 1)
}

/// Short, so that what was not acknowledged comes back soon.
fn short() -> Value {
    json!({"ackDeadlineSeconds": 10})
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_is_known() {
    let (totals, _) = acknowledge(short(), refused()).await;
    assert!(totals.delivered > EVENTS as u64, "{totals:?}");
    assert_eq!(totals.acked, EVENTS as u64);
}

#[tokio::test]
async fn an_acknowledgement_whose_answer_is_lost_has_happened() {
    let lost = Fault::lose_reply("Subscriber.Acknowledge", 3);
    let (totals, _) = acknowledge(short(), lost).await;
    assert_eq!(totals.acked, EVENTS as u64);
}

#[tokio::test]
async fn an_unconfirmed_exactly_once_acknowledgement_is_counted_and_tried_again() {
    let mut subscription = short();
    subscription["enableExactlyOnceDelivery"] = json!(true);
    let (totals, failures) = acknowledge(subscription.clone(), refused()).await;
    assert!(
        failures >= 1.0 && totals.delivered > EVENTS as u64,
        "{failures} of {totals:?}"
    );
    assert_eq!(totals.acked, EVENTS as u64);
    let lost = Fault::lose_reply("Subscriber.Acknowledge", 3);
    let (totals, _) = acknowledge(subscription, lost).await;
    assert_eq!(totals.acked, EVENTS as u64);
}
