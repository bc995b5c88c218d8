//! `eventctl publish`: one event, a file of events, or many of one kind.

mod data;
mod many;
mod progress;

use std::{path::PathBuf, time::Duration};

use anyhow::Context as _;
use clap::{ArgGroup, Args, value_parser};
use events::{
    Catalogue, Connection, DomainEvent, EventFactory, EventType, Payload, ProjectId, PublishOptions,
    Publisher, TenantId, catalogue::DEFAULT_PREFIX, event::Id,
};
use serde::Serialize;

use self::data::Data;
use crate::{failure::usage, output::Format, topics};

const EXAMPLES: &str = r#"Examples:
  eventctl publish --project my-project --tenant tenant-123 --type document.ingested --data '{"document_id": "doc-456"}'
  eventctl publish --tenant tenant-123 --type document.ingested --data @payload.json -o json
  eventctl publish --tenant tenant-123 --type document.ingested --count 100000
  eventctl publish --file events.ndjson
  jq -c '.[]' events.json | eventctl publish --file -

A file holds an event a line, as a JSON object: {"event_type": "document.ingested", "tenant_id": "tenant-123", "data": {…}},
with event_id, user_id, correlation_id, causation_id, idempotency_key, occurred_at, source and ordering_key where wanted,
or a CloudEvent in structured JSON. The first line that is no event ends the reading; what stands before it is published.

Exit codes: 0 all is published, 1 Pub/Sub did not take an event, 2 the command line or an event of the input is wrong."#;

/// Publish an event, a file of events, or many of one kind.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("one").multiple(true).conflicts_with("file"))]
pub(crate) struct Publish {
    /// Google Cloud project of the topics.
    #[arg(long, env = "GCP_PROJECT_ID", value_name = "ID")]
    project: ProjectId,
    /// The operator's configuration, whose catalogue says which topic carries which type. Default: the operator's own.
    #[arg(long, value_name = "FILE", conflicts_with = "topic")]
    catalogue: Option<PathBuf>,
    /// In front of every topic's name. Default: that of the catalogue, living-twin.
    #[arg(long, env = "TOPIC_PREFIX", value_name = "PREFIX")]
    topic_prefix: Option<String>,
    /// Key of the topic, such as document-events. Default: the topic of the catalogue that carries the type.
    #[arg(long, value_name = "KEY", group = "one")]
    topic: Option<String>,
    /// The tenant the event belongs to.
    #[arg(long, value_name = "ID", group = "one", required_unless_present = "file")]
    tenant: Option<TenantId>,
    /// The event's type, such as document.ingested.
    #[arg(
        long = "type",
        value_name = "TYPE",
        group = "one",
        required_unless_present = "file"
    )]
    event_type: Option<EventType>,
    /// The event's data: a JSON object, @FILE, or - to read it from standard input. Default: {}.
    #[arg(long, value_name = "JSON", group = "one")]
    data: Option<Data>,
    /// Publish the events of a file, one a line, or - to read them from standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Publish so many events that differ in nothing but their ids.
    #[arg(long, value_name = "N", group = "one", value_parser = value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Ties the events of one request together. Default: the event's own id.
    #[arg(long, value_name = "ID", value_parser = parse_id, group = "one")]
    correlation_id: Option<Id>,
    /// The event's id; publishing the same id twice is one event. Default: a new one.
    #[arg(long, value_name = "ID", value_parser = parse_id, group = "one", conflicts_with = "count")]
    event_id: Option<Id>,
    /// Events of one key reach an ordered subscription in their order.
    #[arg(long, value_name = "KEY", group = "one")]
    ordering_key: Option<String>,
    /// The service the event comes from, where the event does not say it.
    #[arg(long, default_value = "eventctl", value_name = "NAME")]
    source: String,
    /// How long Pub/Sub may take to answer, in seconds: 1 to 600.
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

fn parse_id(text: &str) -> Result<Id, String> {
    Id::parse(text).map_err(|error| error.to_string())
}

#[derive(Debug, Serialize)]
struct Published {
    event_id: String,
    message_id: String,
    idempotency_key: String,
    topic: String,
}

impl Publish {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let timeout = Duration::from_secs(self.timeout);
        let catalogue = self.catalogue()?;
        let publisher = Publisher::builder(catalogue)
            .retry_for(timeout)
            .build(&Connection::from_env())
            .await?;
        let many = many::Many {
            publisher: &publisher,
            timeout,
            output: self.output,
        };
        match (&self.file, self.count) {
            (Some(file), _) => many.publish(many::lines(file, &self.source)?).await,
            (None, Some(count)) => {
                let (tenant, event_type, data) = self.parts()?;
                let options = self.options();
                let events = (0..count).map(move |_| {
                    let event = self.event(&tenant, &event_type, data.clone());
                    Ok((event, options.clone()))
                });
                many.publish(futures::stream::iter(events)).await
            }
            (None, None) => {
                let (tenant, event_type, data) = self.parts()?;
                let event = self.event(&tenant, &event_type, data);
                self.publish_one(&publisher, &event).await
            }
        }
    }

    fn catalogue(&self) -> anyhow::Result<Catalogue> {
        match (&self.topic, &self.event_type) {
            (Some(topic), Some(event_type)) => {
                let prefix = self.topic_prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
                topics::only(&self.project, prefix, topic, event_type)
            }
            _ => topics::catalogue(
                self.catalogue.as_deref(),
                &self.project,
                self.topic_prefix.as_deref(),
            ),
        }
    }

    /// What clap has seen to be there.
    fn parts(&self) -> anyhow::Result<(TenantId, EventType, Payload)> {
        let tenant = self.tenant.clone().context("--tenant is missing")?;
        let event_type = self.event_type.clone().context("--type is missing")?;
        let data = self.data.clone().unwrap_or_default().read()?;
        Ok((tenant, event_type, data))
    }

    fn options(&self) -> PublishOptions {
        PublishOptions {
            ordering_key: self.ordering_key.clone(),
            ..PublishOptions::default()
        }
    }

    fn event(&self, tenant: &TenantId, event_type: &EventType, data: Payload) -> DomainEvent {
        let factory = EventFactory::new(&self.source);
        let mut event = factory.written(tenant, event_type.clone(), data);
        if let Some(id) = &self.event_id {
            event = event.event_id(id.clone());
        }
        if let Some(id) = &self.correlation_id {
            event = event.correlation(id.clone());
        }
        event.build()
    }

    async fn publish_one(&self, publisher: &Publisher, event: &DomainEvent) -> anyhow::Result<()> {
        let Some(route) = publisher.catalogue().route(&event.event_type) else {
            // It says which topics there are.
            let refused = publisher.publish(event).await.err();
            return Err(refused.map_or_else(|| anyhow::anyhow!("no topic"), |error| usage("--type", error)));
        };
        let topic = route.topic.to_string();
        let options = self.options();
        let publish = publisher.publish_with(event, &options);
        let published = tokio::time::timeout(Duration::from_secs(self.timeout), publish).await;
        let message_id = published.with_context(|| format!("Pub/Sub did not answer within {} s; the event may or may not be published, and publishing it again with --event-id {} is safe", self.timeout, event.event_id))??;
        let answer = Published {
            event_id: event.event_id.to_string(),
            message_id,
            idempotency_key: event.idempotency_key(),
            topic,
        };
        let table = format!(
            "Published event {} to {} as message {}.\n",
            answer.event_id, answer.topic, answer.message_id
        );
        self.output.print(&answer, &table)
    }
}
