//! Ordering keys and exactly-once delivery through the official client.

use crate::support::{Bench, subscription, topic};
use google_cloud_pubsub::subscriber::handler::Handler;
use pubsub_emulator::pb;
use std::time::Duration;

fn keyed(key: &str, data: &str) -> pb::PubsubMessage {
    pb::PubsubMessage {
        ordering_key: key.to_owned(),
        ..crate::support::message(data, &[])
    }
}

#[tokio::test]
async fn a_key_comes_in_order_and_again_from_the_one_that_failed() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench
        .create("sub", "events", |s| s.set_enable_message_ordering(true))
        .await;
    let messages = ["1", "2", "3"].map(|data| keyed("k", data)).to_vec();
    bench.emulator.publish(&topic("events"), messages).unwrap();
    let mut stream = bench.subscriber().await.subscribe(subscription("sub")).build();
    let mut held = Vec::new();
    for expected in ["1", "2", "3"] {
        let (message, handler) = stream.next().await.unwrap().unwrap();
        assert_eq!(
            (&message.data[..], message.ordering_key.as_str()),
            (expected.as_bytes(), "k")
        );
        held.push(handler);
    }
    let mut held = held.into_iter();
    held.next().unwrap().ack();
    bench.backlog_is("sub", 2).await;
    held.next().unwrap().nack();
    for expected in ["2", "3"] {
        let (message, handler) = stream.next().await.unwrap().unwrap();
        assert_eq!(&message.data[..], expected.as_bytes());
        handler.ack();
    }
    // The third was delivered twice; the ack that counts is that of its second delivery.
    bench.backlog_is("sub", 0).await;
}

#[tokio::test]
async fn exactly_once_confirms_acks_and_tells_when_one_came_too_late() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench
        .create("sub", "events", |s| s.set_enable_exactly_once_delivery(true))
        .await;
    for data in ["1", "2"] {
        bench.publish("events", data, &[]);
    }
    let mut stream = bench.subscriber().await.subscribe(subscription("sub")).build();
    let (_, first) = stream.next().await.unwrap().unwrap();
    let (_, second) = stream.next().await.unwrap().unwrap();
    let (Handler::ExactlyOnce(first), Handler::ExactlyOnce(second)) = (first, second) else {
        panic!("the stream does not say that the subscription is exactly-once");
    };
    first.confirmed_ack().await.unwrap();
    bench.backlog_is("sub", 1).await;
    // A seek takes the lease back behind the client's back.
    let now = google_cloud_wkt::Timestamp::try_from(std::time::SystemTime::now() + Duration::from_secs(60))
        .unwrap();
    bench
        .subscriptions
        .seek()
        .set_subscription(subscription("sub"))
        .set_time(now)
        .send()
        .await
        .unwrap();
    assert!(second.confirmed_ack().await.is_err());
}
