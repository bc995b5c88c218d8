//! Pub/Sub that is gone, is overloaded, refuses, or loses its answer.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use events::{
    Connection, DomainEvent, PublishError, PublishOptions,
    publisher::{FlowControl, WhenFull},
};
use google_cloud_gax::error::rpc::Code as Answer;
use pubsub_emulator::{Code, Emulator, Fault};

use crate::support::{Plane, document, furnish, publisher, receive};

const PUBLISH: &str = "Publisher.Publish";

fn documents(count: usize) -> Vec<DomainEvent> {
    (0..count).map(|n| document(&format!("doc-{n}"))).collect()
}

/// Every call waits so long.
fn slow(milliseconds: u64) -> Fault {
    Fault {
        method: PUBLISH.to_owned(),
        delay_ms: milliseconds,
        ..Fault::default()
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_in_the_middle_of_a_batch_and_comes_back_gets_everything() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::builder().data_dir(folder.path()).start().await.unwrap();
    furnish(&emulator);
    let address = emulator.address();
    let connection = Connection::emulator(&address.to_string());
    let publisher = publisher().build(&connection).await.unwrap();
    // The first batches are taken; the others wait in the emulator when it goes.
    emulator.add_fault(Fault {
        skip: 2,
        ..slow(600_000)
    });
    let events = documents(500);
    let mut receipts = Vec::new();
    for event in &events {
        receipts.push(publisher.send(event, &PublishOptions::default()).await.unwrap());
    }
    until("no call was taken", || {
        emulator.calls().iter().any(|call| call.method == PUBLISH)
    })
    .await;
    emulator.shutdown().await;

    let again = Emulator::builder()
        .data_dir(folder.path())
        .port(address.port())
        .start()
        .await
        .unwrap();
    for receipt in receipts {
        tokio::time::timeout(Duration::from_secs(60), receipt)
            .await
            .unwrap()
            .unwrap();
    }
    // A batch whose answer was lost is published twice, and is one event by its id.
    let backlog = again
        .stats(&crate::support::subscription("document-events"))
        .unwrap()
        .backlog;
    let received = receive(&connection, "document-events", backlog).await;
    let ids: BTreeSet<&str> = received
        .iter()
        .map(|message| message.attributes["event_id"].as_str())
        .collect();
    assert_eq!(ids, events.iter().map(|event| event.event_id.as_str()).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stays_away_is_an_error_for_each_event() {
    let plane = Plane::start().await;
    let publisher = plane
        .publisher(publisher().retry_for(Duration::from_millis(500)))
        .await;
    publisher.publish(&document("doc-1")).await.unwrap();
    plane.emulator.shutdown().await;
    let events = documents(250);
    let results = publisher.publish_all(&events, &PublishOptions::default()).await;
    assert_eq!(results.len(), events.len());
    for result in results {
        let error = result.unwrap_err();
        assert!(
            matches!(error, PublishError::Publish { .. }) && error.is_retryable(),
            "{error:?}"
        );
    }
    tokio::time::timeout(Duration::from_secs(10), publisher.flush())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_exhausted_quota_is_tried_again_and_is_an_error_when_it_lasts() {
    let plane = Plane::start().await;
    plane
        .emulator
        .add_fault(Fault::fail(PUBLISH, Code::ResourceExhausted, 2));
    let patient = plane.publisher(publisher()).await;
    patient.publish(&document("doc-1")).await.unwrap();
    assert_eq!(plane.publish_calls(), 3);

    plane.emulator.add_fault(Fault {
        count: None,
        ..Fault::fail(PUBLISH, Code::ResourceExhausted, 0)
    });
    let hasty = plane
        .publisher(publisher().retry_for(Duration::from_millis(300)))
        .await;
    let error = hasty.publish(&document("doc-2")).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(error.code(), Some(Answer::ResourceExhausted));
    plane.emulator.clear_faults();
    hasty.publish(&document("doc-2")).await.unwrap();
    assert_eq!(plane.backlog("document-events"), 2);
}

#[tokio::test]
async fn a_refusal_is_final() {
    let plane = Plane::start().await;
    plane
        .emulator
        .add_fault(Fault::fail(PUBLISH, Code::PermissionDenied, 1));
    let publisher = plane.publisher(publisher()).await;
    let error = publisher.publish(&document("doc-1")).await.unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(error.code(), Some(Answer::PermissionDenied));
    assert_eq!(plane.publish_calls(), 1);
}

#[tokio::test]
async fn a_lost_answer_makes_two_messages_of_one_event() {
    let plane = Plane::start().await;
    plane.emulator.add_fault(Fault::lose_reply(PUBLISH, 1));
    let publisher = plane.publisher(publisher()).await;
    publisher.publish(&document("doc-1")).await.unwrap();
    let received = plane.receive("document-events", 2).await;
    assert_eq!(
        received[0].attributes["idempotency_key"],
        received[1].attributes["idempotency_key"]
    );
}

#[tokio::test]
async fn flow_control_bounds_what_is_on_its_way() {
    let plane = Plane::start().await;
    plane.emulator.add_fault(Fault {
        count: Some(1),
        ..slow(500)
    });
    let flow = FlowControl {
        max_events: 3,
        when_full: WhenFull::Refuse,
        ..FlowControl::default()
    };
    let publisher = plane.publisher(publisher().flow_control(flow)).await;
    let options = PublishOptions::default();
    let mut receipts = Vec::new();
    for event in documents(3) {
        receipts.push(publisher.send(&event, &options).await.unwrap());
    }
    let error = publisher.send(&document("doc-4"), &options).await.unwrap_err();
    assert!(matches!(error, PublishError::Full) && error.is_retryable());
    for receipt in receipts {
        receipt.await.unwrap();
    }
    publisher.publish(&document("doc-4")).await.unwrap();

    let waiting = FlowControl {
        max_events: 3,
        ..FlowControl::default()
    };
    let publisher = plane
        .publisher(crate::support::publisher().flow_control(waiting))
        .await;
    let results = publisher.publish_all(&documents(50), &options).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(plane.backlog("document-events"), 54);
}

#[tokio::test]
async fn a_dropped_receipt_takes_nothing_back() {
    let plane = Plane::start().await;
    let publisher = plane.publisher(publisher()).await;
    for event in documents(5) {
        drop(publisher.send(&event, &PublishOptions::default()).await.unwrap());
    }
    publisher.flush().await;
    assert_eq!(plane.backlog("document-events"), 5);
}
