//! `eventctl publish`.

use std::{io::Read as _, time::Duration};

use anyhow::Context as _;
use clap::Args;
use events::{
    Connection, EventFactory, EventPublisher, EventType, ProjectId, TenantId, TopicName, event::Id,
    publisher::PublishOptions,
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::output::Format;

/// Publish one event.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  eventctl publish --project my-project --topic document-events --tenant tenant-123 --type document.ingested --data '{\"document_id\": \"doc-456\"}'\n  echo '{\"document_id\": \"doc-456\"}' | eventctl publish --topic document-events --tenant tenant-123 --type document.ingested --data - -o json"
)]
pub(crate) struct Publish {
    /// Google Cloud project of the topics.
    #[arg(long, env = "GCP_PROJECT_ID", value_name = "ID")]
    project: ProjectId,
    /// In front of every topic's name.
    #[arg(
        long,
        env = "TOPIC_PREFIX",
        default_value = "living-twin",
        value_name = "PREFIX"
    )]
    topic_prefix: String,
    /// Key of the topic, such as document-events.
    #[arg(long, value_name = "KEY")]
    topic: String,
    /// The tenant the event belongs to.
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// The event's type, such as document.ingested.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: EventType,
    /// The event's data: a JSON object, or - to read it from standard input.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    data: String,
    /// Ties the events of one request together. Default: the event's own id.
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    correlation_id: Option<Id>,
    /// The event's id; publishing the same id twice is one event. Default: a new one.
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    event_id: Option<Id>,
    /// Events of one key reach an ordered subscription in their order.
    #[arg(long, value_name = "KEY")]
    ordering_key: Option<String>,
    /// The service the event comes from.
    #[arg(long, default_value = "eventctl", value_name = "NAME")]
    source: String,
    /// How long Pub/Sub may take to answer, in seconds.
    #[arg(long, default_value = "30", value_name = "SECONDS")]
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
        let data = self.payload()?;
        let id = if self.topic_prefix.is_empty() {
            self.topic.clone()
        } else {
            format!("{}-{}", self.topic_prefix, self.topic)
        };
        let topic = TopicName::new(&self.project, &id).context("--topic")?;
        let mut event = EventFactory::new(&self.source).create(&self.tenant, self.event_type.clone(), data);
        if let Some(id) = self.event_id {
            event.set_id(id);
        }
        if let Some(id) = self.correlation_id {
            event.correlation_id = Some(id);
        }
        let publisher = EventPublisher::new(&Connection::from_env(), topic.clone()).await?;
        let options = PublishOptions {
            ordering_key: self.ordering_key,
            traceparent: None,
            tracestate: None,
        };
        let publish = publisher.publish(&event, &options);
        let message_id = tokio::time::timeout(Duration::from_secs(self.timeout), publish)
            .await
            .with_context(|| format!("Pub/Sub did not answer within {} s; the event may or may not be published, and publishing it again with --event-id {} is safe", self.timeout, event.event_id))??;
        let answer = Published {
            event_id: event.event_id.to_string(),
            message_id,
            idempotency_key: event.idempotency_key(),
            topic: topic.to_string(),
        };
        let table = format!(
            "Published event {} to {} as message {}.\n",
            answer.event_id, answer.topic, answer.message_id
        );
        self.output.print(&answer, &table)
    }

    fn payload(&self) -> anyhow::Result<Map<String, Value>> {
        let text = if self.data == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("cannot read --data from standard input")?;
            text
        } else {
            self.data.clone()
        };
        serde_json::from_str(&text)
            .context("--data must be a JSON object, such as {\"document_id\": \"doc-456\"}")
    }
}
