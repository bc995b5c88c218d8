//! Messages through the official Rust clients, over gRPC.

use crate::support::{Bench, PROJECT, eventually, subscription, topic};
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::model::{DeadLetterPolicy, Message, RetryPolicy, Subscription};
use google_cloud_pubsub::subscriber::MessageStream;
use google_cloud_wkt::Duration as Wkt;
use std::time::{Duration, Instant};

async fn open(bench: &Bench, id: &str) -> MessageStream {
    bench
        .subscriber()
        .await
        .subscribe(subscription(id))
        .set_max_outstanding_messages(10)
        .build()
}

fn short_backoff(s: Subscription) -> Subscription {
    let policy = RetryPolicy::new()
        .set_minimum_backoff(Wkt::clamp(0, 200_000_000))
        .set_maximum_backoff(Wkt::clamp(0, 400_000_000));
    s.set_retry_policy(policy)
}

fn dead_letters(s: Subscription) -> Subscription {
    s.set_dead_letter_policy(DeadLetterPolicy::new().set_dead_letter_topic(topic("dead")))
}

#[tokio::test]
async fn a_filter_decides_who_gets_a_published_message() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    for tenant in ["a", "b"] {
        bench
            .create(tenant_sub(tenant), "events", |s| {
                s.set_filter(format!(r#"attributes.tenant_id = "{tenant}""#))
            })
            .await;
    }
    bench.create("all", "events", |s| s).await;
    let publisher = Publisher::builder(topic("events"))
        .with_endpoint(bench.emulator.endpoint())
        .with_credentials(google_cloud_auth::credentials::anonymous::Builder::new().build())
        .build()
        .await
        .unwrap();
    for (tenant, data) in [("a", "1"), ("b", "2"), ("a", "3")] {
        let message = Message::new()
            .set_data(data.as_bytes().to_vec())
            .set_attributes([("tenant_id", tenant)]);
        assert!(!publisher.publish(message).await.unwrap().is_empty());
    }
    bench.backlog_is("all", 3).await;
    let mut stream = open(&bench, tenant_sub("a")).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (message, handler) = stream.next().await.unwrap().unwrap();
        assert_eq!(message.attributes.get("tenant_id").map(String::as_str), Some("a"));
        assert!(!message.message_id.is_empty() && message.publish_time.is_some());
        seen.push(String::from_utf8(message.data.to_vec()).unwrap());
        handler.ack();
    }
    assert_eq!(seen, ["1", "3"]);
    bench.backlog_is(tenant_sub("a"), 0).await;
    bench.backlog_is(tenant_sub("b"), 1).await;
}

#[tokio::test]
async fn a_publisher_has_its_answer_before_a_waiting_subscriber_has_the_message() {
    const DELAY_MS: u64 = 500;
    let bench = Bench::start().await;
    let delay = Duration::from_millis(DELAY_MS);
    bench
        .emulator
        .change_settings(|settings| settings.delivery_delay_ms = DELAY_MS);
    bench.create_topic("events").await;
    bench.create("sub", "events", |s| s).await;
    let mut stream = open(&bench, "sub").await;
    let (sent, mut received) = tokio::sync::mpsc::unbounded_channel();
    let subscriber = tokio::spawn(async move {
        while let Some(Ok((message, handler))) = stream.next().await {
            handler.ack();
            sent.send((message.message_id, Instant::now())).unwrap();
        }
    });
    eventually("the stream is open", || {
        bench.emulator.stats(&subscription("sub")).unwrap().pullers == 1
    })
    .await;
    let publisher = Publisher::builder(topic("events"))
        .with_endpoint(bench.emulator.endpoint())
        .with_credentials(google_cloud_auth::credentials::anonymous::Builder::new().build())
        .build()
        .await
        .unwrap();
    for _ in 0..3 {
        let begun = Instant::now();
        let message = Message::new().set_data("x".as_bytes().to_vec());
        let id = publisher.publish(message).await.unwrap();
        let answered = Instant::now();
        let (received, at) = received.recv().await.unwrap();
        assert_eq!(received, id);
        assert!(answered < at, "the message came first");
        assert!(at - begun >= delay, "{:?}", at - begun);
    }
    subscriber.abort();
}

fn tenant_sub(tenant: &str) -> &'static str {
    if tenant == "a" { "tenant-a" } else { "tenant-b" }
}

#[tokio::test]
async fn with_filters_off_every_subscription_gets_everything() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench
        .create("sub", "events", |s| s.set_filter(r#"attributes.tenant_id = "a""#))
        .await;
    bench.publish("events", "x", &[("tenant_id", "b")]);
    bench.backlog_is("sub", 0).await;
    bench
        .emulator
        .change_settings(|settings| settings.filters = false);
    bench.publish("events", "x", &[("tenant_id", "b")]);
    bench.backlog_is("sub", 1).await;
}

#[tokio::test]
async fn a_nacked_message_comes_again_after_its_backoff() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench.create("sub", "events", short_backoff).await;
    bench.publish("events", "x", &[]);
    let mut stream = open(&bench, "sub").await;
    let (first, handler) = stream.next().await.unwrap().unwrap();
    assert_eq!(
        handler.delivery_attempt(),
        None,
        "not counted without a dead-letter policy"
    );
    let nacked = Instant::now();
    handler.nack();
    let (second, handler) = stream.next().await.unwrap().unwrap();
    assert_eq!(first.message_id, second.message_id);
    assert!(
        nacked.elapsed() >= Duration::from_millis(200),
        "{:?}",
        nacked.elapsed()
    );
    handler.ack();
    bench.backlog_is("sub", 0).await;
}

#[tokio::test]
async fn a_message_that_keeps_failing_is_dead_lettered_with_its_origin() {
    let bench = Bench::start().await;
    for id in ["events", "dead"] {
        bench.create_topic(id).await;
    }
    bench.create("sub", "events", dead_letters).await;
    bench
        .create("dead-sub", "dead", |s| {
            s.set_filter(r#"attributes.tenant_id = "a""#)
        })
        .await;
    let agent = bench.emulator.service_agent(PROJECT);
    bench.grant(&topic("dead"), "roles/pubsub.publisher", &agent);
    bench.grant(&subscription("sub"), "roles/pubsub.subscriber", &agent);
    assert!(
        bench
            .emulator
            .stats(&subscription("sub"))
            .unwrap()
            .forwards_dead_letters
    );
    let original = bench.publish("events", "poison", &[("tenant_id", "a")]);

    let mut stream = open(&bench, "sub").await;
    for attempt in 1..=5 {
        let (_, handler) = stream.next().await.unwrap().unwrap();
        assert_eq!(handler.delivery_attempt(), Some(attempt));
        handler.nack();
    }
    bench.backlog_is("dead-sub", 1).await;
    bench.backlog_is("sub", 0).await;
    let (dead, handler) = open(&bench, "dead-sub").await.next().await.unwrap().unwrap();
    assert_eq!(
        (&dead.data[..], dead.message_id == original),
        (&b"poison"[..], false),
        "wrapped in a new message"
    );
    let attribute = |name: &str| dead.attributes.get(name).map(String::as_str);
    assert_eq!(attribute("tenant_id"), Some("a"));
    assert_eq!(attribute("CloudPubSubDeadLetterSourceSubscription"), Some("sub"));
    assert_eq!(
        attribute("CloudPubSubDeadLetterSourceSubscriptionProject"),
        Some(PROJECT)
    );
    assert_eq!(attribute("CloudPubSubDeadLetterSourceDeliveryCount"), Some("5"));
    assert!(attribute("CloudPubSubDeadLetterSourceTopicPublishTime").is_some_and(|t| t.ends_with('Z')));
    handler.ack();
}

/// Each grant alone is not enough, and nobody is told.
#[tokio::test]
async fn without_both_grants_a_message_is_redelivered_for_ever() {
    for role in ["none", "publisher", "subscriber"] {
        let bench = Bench::start().await;
        for id in ["events", "dead"] {
            bench.create_topic(id).await;
        }
        bench.create("sub", "events", dead_letters).await;
        bench.create("dead-sub", "dead", |s| s).await;
        let agent = bench.emulator.service_agent(PROJECT);
        match role {
            "publisher" => bench.grant(&topic("dead"), "roles/pubsub.publisher", &agent),
            "subscriber" => bench.grant(&subscription("sub"), "roles/pubsub.subscriber", &agent),
            _ => {}
        }
        bench.publish("events", "poison", &[]);
        let mut stream = open(&bench, "sub").await;
        for attempt in 1..=8 {
            let (_, handler) = stream.next().await.unwrap().unwrap();
            assert_eq!(handler.delivery_attempt(), Some(attempt), "{role}");
            handler.nack();
        }
        bench.backlog_is("dead-sub", 0).await;
        bench.backlog_is("sub", 1).await;
    }
}

#[tokio::test]
async fn a_stream_holds_no_more_than_it_asked_for() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench.create("sub", "events", |s| s).await;
    for i in 0..20 {
        bench.publish("events", &i.to_string(), &[]);
    }
    let mut stream = bench
        .subscriber()
        .await
        .subscribe(subscription("sub"))
        .set_max_outstanding_messages(3)
        .build();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(stream.next().await.unwrap().unwrap().1);
    }
    assert!(
        tokio::time::timeout(Duration::from_millis(200), stream.next())
            .await
            .is_err()
    );
    assert_eq!(bench.emulator.stats(&subscription("sub")).unwrap().outstanding, 3);
    held.remove(0).ack();
    assert!(stream.next().await.unwrap().is_ok(), "an ack makes room");
}

#[tokio::test]
async fn a_missing_subscription_ends_the_stream_and_a_deleted_one_too() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    let error = open(&bench, "none").await.next().await.unwrap().unwrap_err();
    assert_eq!(
        error.status().unwrap().code,
        google_cloud_gax::error::rpc::Code::NotFound
    );
    bench.create("sub", "events", |s| s).await;
    let mut stream = open(&bench, "sub").await;
    let deletion = async {
        let attached = || {
            bench
                .emulator
                .stats(&subscription("sub"))
                .is_ok_and(|stats| stats.pullers == 1)
        };
        eventually("the stream", attached).await;
        bench
            .subscriptions
            .delete_subscription()
            .set_subscription(subscription("sub"))
            .send()
            .await
            .unwrap();
    };
    let (next, ()) = tokio::join!(stream.next(), deletion);
    assert_eq!(
        next.unwrap().unwrap_err().status().unwrap().code,
        google_cloud_gax::error::rpc::Code::NotFound
    );
}

#[tokio::test]
async fn a_broken_stream_is_opened_again_and_loses_nothing() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench.create("sub", "events", |s| s).await;
    let mut stream = open(&bench, "sub").await;
    bench.publish("events", "1", &[]);
    stream.next().await.unwrap().unwrap().1.ack();
    assert_eq!(bench.emulator.break_streams(None), 1);
    bench.publish("events", "2", &[]);
    let (message, handler) = stream.next().await.unwrap().unwrap();
    assert_eq!(&message.data[..], b"2");
    handler.ack();
    bench.backlog_is("sub", 0).await;
    let opened = bench
        .emulator
        .calls()
        .iter()
        .filter(|c| c.method == "Subscriber.StreamingPull")
        .count();
    assert_eq!(opened, 2);
}

/// Two workers, a tenth of the messages refused at first, a stream broken now and then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_between_workers_that_fail() {
    const MESSAGES: usize = 2_000;
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench.create("sub", "events", |s| s).await;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeMap::new()));
    for worker in 0..2 {
        let mut stream = bench
            .subscriber()
            .await
            .subscribe(subscription("sub"))
            .set_max_outstanding_messages(100)
            .build();
        let seen = seen.clone();
        tokio::spawn(async move {
            while let Some(Ok((message, handler))) = stream.next().await {
                let mut seen = seen.lock().unwrap();
                let times = seen.entry(message.message_id.clone()).or_insert(0);
                *times += 1;
                let refused = *times == 1 && message.data.ends_with(b"7");
                if refused { handler.nack() } else { handler.ack() }
            }
            panic!("worker {worker} lost its stream");
        });
    }
    for i in 0..MESSAGES {
        bench.publish("events", &i.to_string(), &[]);
        if i % 500 == 499 {
            bench.emulator.break_streams(None);
            tokio::task::yield_now().await;
        }
    }
    bench.backlog_is("sub", 0).await;
    let stats = bench.emulator.stats(&subscription("sub")).unwrap();
    assert_eq!(seen.lock().unwrap().len(), MESSAGES);
    assert_eq!(stats.totals.acked, MESSAGES as u64);
    assert_eq!(stats.outstanding, 0);
}
