//! Killed at any moment under load, the emulator has everything that it answered.

use crate::support::process::Process;
use google_cloud_auth::credentials::{Credentials, anonymous};
use google_cloud_pubsub::client::{Publisher, Subscriber, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::Message;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

const TOPIC: &str = "projects/p/topics/events";
const SUBSCRIPTION: &str = "projects/p/subscriptions/sub";
/// Publishes at a time, each waiting for its answer.
const PUBLISHERS: u64 = 64;
/// Answered publishes of a round before the kill; different ones, so that it strikes elsewhere.
const ANSWERED: [u64; 4] = [400, 1_500, 700, 1_000];

fn start(directory: &Path) -> Process {
    Process::start(&[OsStr::new("--data-dir"), directory.as_os_str()])
}

fn anonymous() -> Credentials {
    anonymous::Builder::new().build()
}

#[derive(Default)]
struct Seen {
    next: AtomicU64,
    answered: Mutex<BTreeSet<String>>,
    delivered: Mutex<BTreeSet<String>>,
    topics: Mutex<BTreeSet<String>>,
}

impl Seen {
    fn answered(&self) -> u64 {
        self.answered.lock().unwrap().len() as u64
    }
}

/// Publishes for ever, with batches that the client makes of it.
async fn publish(endpoint: String, seen: Arc<Seen>) {
    let publisher = Publisher::builder(TOPIC)
        .with_endpoint(endpoint)
        .with_credentials(anonymous())
        .build()
        .await
        .unwrap();
    let mut publishers = JoinSet::new();
    for _ in 0..PUBLISHERS {
        let (publisher, seen) = (publisher.clone(), seen.clone());
        publishers.spawn(async move {
            loop {
                let text = seen.next.fetch_add(1, Ordering::Relaxed).to_string();
                let message = Message::new()
                    .set_data(text.clone().into_bytes())
                    .set_attributes([("text", &text)]);
                if publisher.publish(message).await.is_ok() {
                    seen.answered.lock().unwrap().insert(text);
                }
            }
        });
    }
    while publishers.join_next().await.is_some() {}
}

/// Acks every other message; the rest stays for the next round.
async fn pull(endpoint: String, seen: Arc<Seen>, all: bool) {
    let subscriber = Subscriber::builder()
        .with_endpoint(endpoint)
        .with_credentials(anonymous())
        .build()
        .await
        .unwrap();
    let mut stream = subscriber.subscribe(SUBSCRIPTION).build();
    while let Some(Ok((message, handler))) = stream.next().await {
        let text = String::from_utf8(message.data.to_vec()).unwrap();
        assert_eq!(
            message.attributes.get("text"),
            Some(&text),
            "a message came back as another"
        );
        let even = text.ends_with(['0', '2', '4', '6', '8']);
        if all || even {
            seen.delivered.lock().unwrap().insert(text);
            handler.ack();
        } else {
            // Neither acked nor nacked: its lease ends with the process.
            std::mem::forget(handler);
        }
    }
}

async fn create_topics(endpoint: String, seen: Arc<Seen>) {
    let admin = TopicAdmin::builder()
        .with_endpoint(endpoint)
        .with_credentials(anonymous())
        .build()
        .await
        .unwrap();
    loop {
        let number = seen.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("projects/p/topics/topic-{number}");
        if admin.create_topic().set_name(&name).send().await.is_ok() {
            seen.topics.lock().unwrap().insert(name);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answered_publish_is_lost_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let seen = Arc::new(Seen::default());
    {
        let first = start(directory.path());
        let admin = TopicAdmin::builder().with_endpoint(first.endpoint());
        let admin = admin.with_credentials(anonymous()).build().await.unwrap();
        admin.create_topic().set_name(TOPIC).send().await.unwrap();
        let admin = SubscriptionAdmin::builder().with_endpoint(first.endpoint());
        let admin = admin.with_credentials(anonymous()).build().await.unwrap();
        let create = admin
            .create_subscription()
            .set_name(SUBSCRIPTION)
            .set_topic(TOPIC);
        create.send().await.unwrap();
        // Killed too, as it is dropped.
    }
    for wanted in ANSWERED {
        let mut process = start(directory.path());
        let before = seen.answered();
        let mut load = JoinSet::new();
        load.spawn(publish(process.endpoint(), seen.clone()));
        load.spawn(pull(process.endpoint(), seen.clone(), false));
        load.spawn(create_topics(process.endpoint(), seen.clone()));
        let enough = async {
            while seen.answered() - before < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), enough)
            .await
            .expect("publishes are answered");
        process.kill();
        load.shutdown().await;
    }

    let last = start(directory.path());
    let drain = tokio::spawn(pull(last.endpoint(), seen.clone(), true));
    let complete = async {
        loop {
            let missing = {
                let delivered = seen.delivered.lock().unwrap();
                let answered = seen.answered.lock().unwrap();
                answered.difference(&delivered).count()
            };
            if missing == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let complete = tokio::time::timeout(Duration::from_secs(30), complete).await;
    drain.abort();
    let delivered = seen.delivered.lock().unwrap().clone();
    let answered = seen.answered.lock().unwrap().clone();
    let lost: Vec<_> = answered.difference(&delivered).take(10).collect();
    assert!(
        complete.is_ok(),
        "lost of {} answered: {lost:?} …",
        answered.len()
    );

    let topics: serde_json::Value = reqwest::get(format!("{}/emulator/v1/topics", last.endpoint()))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let kept: BTreeSet<String> = serde_json::from_value(topics["topics"].clone()).unwrap();
    let created = seen.topics.lock().unwrap().clone();
    assert!(
        !created.is_empty() && created.is_subset(&kept),
        "topics were lost"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_signal_ends_it_with_success() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = start(directory.path());
    let pid = process.child.id().to_string();
    let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status();
    assert!(sent.unwrap().success());
    let waited = tokio::task::spawn_blocking(move || process.child.wait().unwrap());
    let status = tokio::time::timeout(Duration::from_secs(10), waited).await;
    assert!(status.unwrap().unwrap().success());
}
