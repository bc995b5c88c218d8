//! How fast, and how large? Server and client share a process and its cores; each figure is the
//! median of five in this one run, with the least and the greatest.
//!
//! `make bench`, or `cargo run --release -p pubsub-emulator --example bench`

#![allow(clippy::print_stdout, reason = "it is its purpose")]

use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::{Publisher, Subscriber};
use google_cloud_pubsub::model::Message;
use pubsub_emulator::{Emulator, Settings, pb};
use std::time::Instant;

const ROUNDS: usize = 5;
const SIZE: usize = 1_024;
const OUTSTANDING: i64 = 1_000;
const BATCH: usize = 1_000;
/// Messages of a round.
const MESSAGES: usize = 200_000;
const CLIENT_MESSAGES: usize = 50_000;
const CURVE_MESSAGES: usize = 20_000;

const TOPIC: &str = "projects/p/topics/events";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?;
    println!(
        "{cores} cores for server and client; messages of {SIZE} bytes; medians of {ROUNDS} (least to greatest)\n"
    );
    // First: what an allocator keeps of other figures would be taken for nothing.
    memory().await?;
    delivered().await?;
    published().await?;
    curve().await
}

/// One subscription, pulled and acked by the official client.
async fn delivered() -> anyhow::Result<()> {
    let emulator = start(1).await?;
    let subscriber = Subscriber::builder()
        .with_endpoint(emulator.endpoint())
        .with_credentials(anonymous::Builder::new().build())
        .build()
        .await?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        publish(&emulator, MESSAGES, |_| 0)?;
        let mut stream = subscriber
            .subscribe(subscription(0))
            .set_max_outstanding_messages(OUTSTANDING)
            .set_max_outstanding_bytes(1_i64 << 30)
            .build();
        let started = Instant::now();
        for _ in 0..MESSAGES {
            match stream.next().await.transpose()? {
                Some((_, handler)) => handler.ack(),
                None => anyhow::bail!("the stream ended early"),
            }
        }
        rates.push(rate(MESSAGES, started));
        // The last acks are on their way.
        while emulator.stats(&subscription(0))?.backlog > 0 {
            tokio::task::yield_now().await;
        }
    }
    report(
        "delivered and acked, one subscription, 1,000 outstanding",
        "msg/s",
        rates,
    );
    emulator.shutdown().await;
    Ok(())
}

async fn published() -> anyhow::Result<()> {
    let emulator = start(1).await?;
    let publisher = Publisher::builder(TOPIC)
        .with_endpoint(emulator.endpoint())
        .with_credentials(anonymous::Builder::new().build())
        .build()
        .await?;
    let message = Message::new()
        .set_data(vec![b'x'; SIZE])
        .set_attributes([("tenant_id", "nobody")]);
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let acks: Vec<_> = (0..CLIENT_MESSAGES)
            .map(|_| publisher.publish(message.clone()))
            .collect();
        for ack in acks {
            ack.await?;
        }
        rates.push(rate(CLIENT_MESSAGES, started));
    }
    report("published by the client", "msg/s", rates);
    emulator.shutdown().await;
    Ok(())
}

/// What a published message costs with more and more subscriptions: where one of them wants it, and
/// where all do.
async fn curve() -> anyhow::Result<()> {
    println!("\ncost of a published message, by filtered subscriptions on its topic:");
    println!(
        "{:>14} {:>28} {:>28}",
        "subscriptions", "one matches (µs)", "all match (µs)"
    );
    for count in [1, 10, 100, 1_000] {
        let emulator = start(count).await?;
        let one = cost(&emulator, CURVE_MESSAGES, |n| n % count)?;
        emulator.shutdown().await;
        let emulator = start_with(count, |_| 0).await?;
        let all = cost(&emulator, CURVE_MESSAGES / count.min(100), |_| 0)?;
        emulator.shutdown().await;
        println!("{count:>14} {:>28} {:>28}", spread(one), spread(all));
    }
    Ok(())
}

fn cost(emulator: &Emulator, messages: usize, tenant: impl Fn(usize) -> usize) -> anyhow::Result<Vec<f64>> {
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        publish(emulator, messages, &tenant)?;
        #[allow(clippy::cast_precision_loss, reason = "some thousands")]
        costs.push(started.elapsed().as_secs_f64() * 1e6 / messages as f64);
    }
    Ok(costs)
}

/// A queued message in memory; and that acknowledged ones leave nothing behind.
async fn memory() -> anyhow::Result<()> {
    let emulator = start(1).await?;
    publish(&emulator, BATCH, |_| 0)?;
    let before = resident()?;
    publish(&emulator, MESSAGES, |_| 0)?;
    let full = resident()?;
    #[allow(clippy::cast_precision_loss, reason = "some hundreds of megabytes")]
    let each = (full - before) as f64 / MESSAGES as f64;
    println!("memory: {each:.0} bytes resident per queued message of {SIZE} bytes ({MESSAGES} queued)");
    let subscriber = Subscriber::builder()
        .with_endpoint(emulator.endpoint())
        .with_credentials(anonymous::Builder::new().build())
        .build()
        .await?;
    let mut stream = subscriber
        .subscribe(subscription(0))
        .set_max_outstanding_messages(OUTSTANDING)
        .build();
    let mut largest = full;
    // Five times as many go through, while never more than these are queued.
    for round in 0..5 * MESSAGES / BATCH {
        publish(&emulator, BATCH, |_| 0)?;
        for _ in 0..BATCH {
            match stream.next().await.transpose()? {
                Some((_, handler)) => handler.ack(),
                None => anyhow::bail!("the stream ended early"),
            }
        }
        if round % 50 == 0 {
            largest = largest.max(resident()?);
        }
    }
    println!(
        "memory: {} MB with that backlog, at most {} MB while {} more went through it\n",
        full / 1_000_000,
        largest / 1_000_000,
        5 * MESSAGES
    );
    emulator.shutdown().await;
    Ok(())
}

/// Resident bytes of this process.
fn resident() -> anyhow::Result<i64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().split(' ').next());
    Ok(kilobytes.unwrap_or_default().parse::<i64>()? * 1_024)
}

fn subscription(n: usize) -> String {
    format!("projects/p/subscriptions/tenant-{n}")
}

async fn start(subscriptions: usize) -> anyhow::Result<Emulator> {
    start_with(subscriptions, |n| n).await
}

/// An emulator with a topic, and subscriptions each filtered for its tenant.
async fn start_with(subscriptions: usize, tenant: impl Fn(usize) -> usize) -> anyhow::Result<Emulator> {
    let settings = Settings {
        admin_quota_per_minute: None,
        ..Settings::default()
    };
    let emulator = Emulator::builder().settings(settings).start().await?;
    let client = reqwest::Client::new();
    let put = |name: String, body: serde_json::Value| {
        let request = client
            .put(format!("{}/v1/{name}", emulator.endpoint()))
            .json(&body);
        async move { request.send().await?.error_for_status() }
    };
    put(TOPIC.to_owned(), serde_json::json!({})).await?;
    for n in 0..subscriptions {
        let filter = format!("attributes.tenant_id = \"tenant-{}\"", tenant(n));
        put(
            subscription(n),
            serde_json::json!({"topic": TOPIC, "filter": filter}),
        )
        .await?;
    }
    Ok(emulator)
}

/// Publishes past the network, so that only the engine's work is measured.
fn publish(emulator: &Emulator, messages: usize, tenant: impl Fn(usize) -> usize) -> anyhow::Result<()> {
    let data = prost::bytes::Bytes::from(vec![b'x'; SIZE]);
    let numbers: Vec<usize> = (0..messages).collect();
    for batch in numbers.chunks(BATCH) {
        let batch = batch.iter().map(|n| pb::PubsubMessage {
            data: data.clone(),
            attributes: [("tenant_id".to_owned(), format!("tenant-{}", tenant(*n)))].into(),
            ..pb::PubsubMessage::default()
        });
        emulator.publish(TOPIC, batch.collect())?;
    }
    Ok(())
}

fn rate(messages: usize, started: Instant) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "some hundred thousand")]
    let messages = messages as f64;
    messages / started.elapsed().as_secs_f64()
}

fn report(what: &str, unit: &str, values: Vec<f64>) {
    println!("{what}: {} {unit}", spread(values));
}

/// `median (least to greatest)`
fn spread(values: Vec<f64>) -> String {
    let mut sorted = values;
    sorted.sort_by(f64::total_cmp);
    let at = |n: usize| sorted.get(n).copied().unwrap_or_default();
    let digits = usize::from(at(ROUNDS / 2) < 1_000.0) * 2;
    format!(
        "{:.digits$} ({:.digits$} to {:.digits$})",
        at(ROUNDS / 2),
        at(0),
        at(ROUNDS - 1)
    )
}
