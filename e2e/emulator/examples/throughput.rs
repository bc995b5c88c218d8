//! How fast is one subscription? Publishes messages of 1 KB, then pulls and acks them with the
//! official client, server and client in one process.
//!
//! `cargo run --release -p pubsub-emulator --example throughput -- [messages] [outstanding] [subscriptions] [data directory]`

#![allow(clippy::print_stdout, reason = "it is its purpose")]

use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::{Publisher, Subscriber, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::{Message, Subscription};
use pubsub_emulator::{Emulator, pb};
use std::time::Instant;

const TOPIC: &str = "projects/p/topics/events";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1).take(3).map(|arg| arg.parse::<u32>());
    let messages = numbers.next().transpose()?.unwrap_or(500_000);
    let outstanding = numbers.next().transpose()?.unwrap_or(1_000);
    let subscriptions = numbers.next().transpose()?.unwrap_or(1);

    let mut builder = Emulator::builder();
    if let Some(directory) = std::env::args().nth(4) {
        builder = builder.data_dir(directory);
    }
    let emulator = builder.start().await?;
    let (endpoint, anonymous) = (emulator.endpoint(), anonymous::Builder::new().build());
    let topics = TopicAdmin::builder()
        .with_endpoint(&endpoint)
        .with_credentials(anonymous.clone())
        .build()
        .await?;
    topics.create_topic().set_name(TOPIC).send().await?;
    let admin = SubscriptionAdmin::builder()
        .with_endpoint(&endpoint)
        .with_credentials(anonymous.clone())
        .build()
        .await?;
    for i in 0..subscriptions {
        let request = Subscription::new()
            .set_name(format!("projects/p/subscriptions/tenant-{i}"))
            .set_topic(TOPIC)
            .set_filter(format!("attributes.tenant_id = \"tenant-{i}\""));
        admin.create_subscription().with_request(request).send().await?;
    }

    let started = Instant::now();
    let message = pb::PubsubMessage {
        data: vec![b'x'; 1024].into(),
        attributes: [("tenant_id".to_owned(), "tenant-0".to_owned())].into(),
        ..pb::PubsubMessage::default()
    };
    for _ in 0..messages / 1_000 {
        emulator.publish(TOPIC, vec![message.clone(); 1_000])?;
    }
    report("published in process", messages, started);

    let subscriber = Subscriber::builder()
        .with_endpoint(&endpoint)
        .with_credentials(anonymous.clone())
        .build()
        .await?;
    let mut stream = subscriber
        .subscribe("projects/p/subscriptions/tenant-0")
        .set_max_outstanding_messages(i64::from(outstanding))
        .set_max_outstanding_bytes(1_i64 << 30)
        .build();
    let started = Instant::now();
    for _ in 0..messages / 1_000 * 1_000 {
        match stream.next().await.transpose()? {
            Some((_, handler)) => handler.ack(),
            None => anyhow::bail!("the stream ended early"),
        }
    }
    report("pulled and acked", messages, started);

    let publisher = Publisher::builder(TOPIC)
        .with_endpoint(&endpoint)
        .with_credentials(anonymous)
        .build()
        .await?;
    let count = messages / 5;
    let started = Instant::now();
    let message = Message::new()
        .set_data(vec![b'x'; 1024])
        .set_attributes([("tenant_id", "nobody")]);
    let acks: Vec<_> = (0..count).map(|_| publisher.publish(message.clone())).collect();
    for ack in acks {
        ack.await?;
    }
    report("published by the client", count, started);
    emulator.shutdown().await;
    Ok(())
}

fn report(what: &str, messages: u32, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{what}: {messages} in {seconds:.2} s, {:.0}/s",
        f64::from(messages) / seconds
    );
}
