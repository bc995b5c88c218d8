//! Events of one key, when one of them fails.

use events::{
    DomainEvent, PublishError, PublishOptions, Publisher,
    publisher::{Batching, Receipt},
};
use pubsub_emulator::{Code, Fault};

use crate::support::{Plane, document, publisher};

const TOPIC: &str = "document-events";

fn one_by_one() -> Batching {
    Batching {
        max_messages: 1,
        ..Batching::default()
    }
}

fn key() -> PublishOptions {
    PublishOptions::ordered("doc-7")
}

/// The call after `skip` others is refused.
fn refused(skip: u32) -> Fault {
    Fault {
        skip,
        ..Fault::fail("Publisher.Publish", Code::InvalidArgument, 1)
    }
}

async fn send(publisher: &Publisher, events: &[DomainEvent]) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for event in events {
        receipts.push(publisher.send(event, &key()).await.unwrap());
    }
    receipts
}

fn documents(count: usize) -> Vec<DomainEvent> {
    (0..count).map(|n| document(&format!("doc-7/{n}"))).collect()
}

fn ids(events: &[DomainEvent]) -> Vec<String> {
    events.iter().map(|event| event.event_id.to_string()).collect()
}

#[tokio::test]
async fn what_follows_a_failure_fails_and_goes_in_order_when_published_again() {
    let plane = Plane::start().await;
    plane.emulator.add_fault(refused(2));
    let publisher = plane.publisher(publisher().batching(one_by_one())).await;
    let events = documents(20);
    let receipts = send(&publisher, &events).await;
    let other = PublishOptions::ordered("doc-8");
    let results = futures::future::join_all(receipts).await;
    assert!(results[..2].iter().all(Result::is_ok), "{results:?}");
    assert!(matches!(results[2], Err(PublishError::Publish { .. })));
    for result in &results[3..] {
        assert!(
            matches!(result, Err(error @ PublishError::KeyPaused { .. }) if error.is_retryable()),
            "{result:?}"
        );
    }
    publisher.publish_with(&document("doc-8"), &other).await.unwrap();
    assert_eq!(plane.backlog(TOPIC), 3, "nothing overtook what failed");

    let again = publisher.publish_all(&events[2..], &key()).await;
    assert!(again.iter().all(Result::is_ok), "{again:?}");
    let received = plane.receive(TOPIC, 21).await;
    let of_key: Vec<String> = received
        .iter()
        .filter(|message| message.data.contains("doc-7/"))
        .map(|message| message.attributes["event_id"].clone())
        .collect();
    assert_eq!(of_key, ids(&events));
}

#[tokio::test]
async fn a_key_is_closed_until_the_sender_knows_of_the_failure() {
    let plane = Plane::start().await;
    plane.emulator.add_fault(refused(0));
    let publisher = plane.publisher(publisher().batching(one_by_one())).await;
    let [first, second, third] = [0, 1, 2].map(|n| document(&format!("doc-7/{n}")));
    let failed = publisher.send(&first, &key()).await.unwrap();
    publisher.flush().await;
    let held = publisher.send(&second, &key()).await.unwrap();
    assert!(failed.await.is_err());
    // The first failure is known, and that of the second is not: the third would overtake it.
    let third_held = publisher.publish_with(&third, &key()).await;
    assert!(
        matches!(third_held, Err(PublishError::KeyPaused { .. })),
        "{third_held:?}"
    );
    assert!(matches!(held.await, Err(PublishError::KeyPaused { .. })));
    assert_eq!(plane.backlog(TOPIC), 0);

    for event in [&first, &second, &third] {
        publisher.publish_with(event, &key()).await.unwrap();
    }
    let received = plane.receive(TOPIC, 3).await;
    let received: Vec<&str> = received
        .iter()
        .map(|message| message.attributes["event_id"].as_str())
        .collect();
    assert_eq!(
        received,
        [&first, &second, &third].map(|event| event.event_id.as_str())
    );
}

#[tokio::test]
async fn a_dropped_receipt_holds_no_key() {
    let plane = Plane::start().await;
    plane.emulator.add_fault(refused(0));
    let publisher = plane.publisher(publisher().batching(one_by_one())).await;
    drop(publisher.send(&document("doc-7/0"), &key()).await.unwrap());
    publisher.flush().await;
    // The task that saw the failure may still hold the key for a moment.
    let event = document("doc-7/1");
    while let Err(error) = publisher.publish_with(&event, &key()).await {
        assert!(matches!(error, PublishError::KeyPaused { .. }), "{error:?}");
        tokio::task::yield_now().await;
    }
    assert_eq!(plane.backlog(TOPIC), 1);
}

#[tokio::test]
async fn batches_of_a_key_keep_their_order() {
    let plane = Plane::start().await;
    let publisher = plane.publisher(publisher()).await;
    let events = documents(350);
    let results = publisher.publish_all(&events, &key()).await;
    assert!(results.iter().all(Result::is_ok));
    let received = plane.receive(TOPIC, events.len()).await;
    let received: Vec<String> = received
        .iter()
        .map(|message| message.attributes["event_id"].clone())
        .collect();
    assert_eq!(received, ids(&events));
}
