//! Publishes events of one kilobyte as fast as it can, with this library or with the official client alone. What the library
//! costs over the client is measured with it (`e2e/bench/publisher.sh`).
//!
//! ```sh
//! PUBSUB_EMULATOR_HOST=127.0.0.1:8085 publish_load ours|bare PROJECT COUNT
//! ```
//!
//! The topic is `bench-document-events`. Prints the seconds that publishing took, from the first event to the last answer. Events
//! are made before, and for `bare` also encoded before. Exit codes: 0 all are published, 1 not all, 2 an argument is wrong.

use std::{env, process::ExitCode, time::Instant};

use events::{
    Catalogue, Connection, DomainEvent, EventFactory, ProjectId, PublishOptions, Publisher, TenantId,
    TopicName, connect,
    publisher::{Batching, FlowControl},
};
use futures::future::join_all;
use google_cloud_pubsub::{client::BasePublisher, model::Message};

/// A catalogue with one topic.
const CATALOGUE: &str = "topicPrefix: bench\ncatalogue:\n  document-events: {eventTypes: [\"document.*\"]}\n";
/// How many are on their way at a time, in both: enough for several full requests.
const OUTSTANDING: u32 = 10_000;
/// The length of the title that fills an event up to a kilobyte.
const TITLE: usize = 600;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [which, project, count] = arguments.as_slice() else {
        return usage("three arguments are needed: ours|bare PROJECT COUNT");
    };
    let (Ok(project), Ok(count)) = (ProjectId::parse(project), count.parse::<usize>()) else {
        return usage("PROJECT is a project's id, and COUNT a number");
    };
    let connection = Connection::from_env();
    let published = match which.as_str() {
        "ours" => ours(&connection, &project, count).await,
        "bare" => bare(&connection, &project, count).await,
        _ => return usage("the first argument is ours or bare"),
    };
    match published {
        Ok(seconds) => {
            #[allow(clippy::print_stdout, reason = "it is what the program is for")]
            {
                println!("{seconds}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn made(count: usize) -> anyhow::Result<Vec<DomainEvent>> {
    let factory = EventFactory::new("bench");
    let tenant = TenantId::parse("tenant-1")?;
    let title = "x".repeat(TITLE);
    Ok((0..count)
        .map(|number| {
            factory
                .document_ingested(&tenant, format!("doc-{number}"), title.as_str(), "pdf")
                .build()
        })
        .collect())
}

async fn ours(connection: &Connection, project: &ProjectId, count: usize) -> anyhow::Result<f64> {
    let catalogue = Catalogue::from_yaml(CATALOGUE, Some(project))?;
    let flow = FlowControl {
        max_events: OUTSTANDING,
        ..FlowControl::default()
    };
    let publisher = Publisher::builder(catalogue)
        .flow_control(flow)
        .build(connection)
        .await?;
    let events = made(count)?;
    let start = Instant::now();
    for chunk in events.chunks(OUTSTANDING as usize) {
        for result in publisher.publish_all(chunk, &PublishOptions::default()).await {
            result?;
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

async fn bare(connection: &Connection, project: &ProjectId, count: usize) -> anyhow::Result<f64> {
    let topic = TopicName::new(project, "bench-document-events")?;
    let client = connect!(BasePublisher::builder(), connection).build().await?;
    let batching = Batching::default();
    let publisher = client
        .publisher(topic.to_string())
        .set_message_count_threshold(batching.max_messages)
        .set_byte_threshold(batching.max_bytes)
        .set_delay_threshold(batching.max_delay)
        .build();
    let mut messages = Vec::with_capacity(count);
    for event in made(count)? {
        let attributes = event
            .attributes()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        messages.push(
            Message::new()
                .set_data(event.encode()?)
                .set_attributes(attributes),
        );
    }
    let mut messages = messages.into_iter();
    let start = Instant::now();
    loop {
        let sent: Vec<_> = messages
            .by_ref()
            .take(OUTSTANDING as usize)
            .map(|message| publisher.publish(message))
            .collect();
        if sent.is_empty() {
            return Ok(start.elapsed().as_secs_f64());
        }
        for result in join_all(sent).await {
            result?;
        }
    }
}

fn usage(problem: &str) -> ExitCode {
    say(problem);
    ExitCode::from(2)
}

#[allow(clippy::print_stderr, reason = "there is nothing else to say it with")]
fn say(text: &str) {
    eprintln!("{text}");
}
