//! Publishing events to their topic.

use google_cloud_pubsub::{client::Publisher, model::Message};

use crate::{Connection, DomainEvent, TopicName, connect, event::attribute};

/// Publishes events to one topic.
#[derive(Debug, Clone)]
pub struct EventPublisher {
    topic: TopicName,
    publisher: Publisher,
}

/// Why an event was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The client could not be made: no credentials, or a bad endpoint.
    #[error("cannot connect to Pub/Sub: check PUBSUB_EMULATOR_HOST or the application default credentials")]
    Connect(#[source] google_cloud_gax::client_builder::Error),
    /// The event has no JSON form.
    #[error("the event cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// Pub/Sub refused it, or did not answer.
    #[error("Pub/Sub did not take the event for topic {topic}")]
    Publish {
        /// Where it should have gone.
        topic: TopicName,
        /// What the client says.
        #[source]
        source: google_cloud_pubsub::error::PublishError,
    },
}

/// What to send along with the event itself.
#[derive(Debug, Clone, Default)]
pub struct PublishOptions {
    /// Events of one key reach an ordered subscription in the order of their publishing.
    pub ordering_key: Option<String>,
    /// The publisher's trace context, so that a worker's spans join its trace.
    pub traceparent: Option<String>,
    /// What its tracing system keeps beside it.
    pub tracestate: Option<String>,
}

impl EventPublisher {
    /// A publisher for a topic.
    ///
    /// # Errors
    /// [`PublishError::Connect`] when no client can be made.
    pub async fn new(connection: &Connection, topic: TopicName) -> Result<Self, PublishError> {
        let publisher = connect!(Publisher::builder(topic.to_string()), connection)
            .build()
            .await
            .map_err(PublishError::Connect)?;
        Ok(Self { topic, publisher })
    }

    /// Publishes an event and waits until Pub/Sub has it; returns the message's id.
    ///
    /// An error with an ordering key holds up nothing that follows: what was to come before is the caller's to publish
    /// again, before or instead of the next. So events of one key are in order when each is awaited.
    ///
    /// # Errors
    /// [`PublishError`]; on an error the event may or may not be published, and publishing it again is safe
    /// because its idempotency key stays the same.
    pub async fn publish(
        &self,
        event: &DomainEvent,
        options: &PublishOptions,
    ) -> Result<String, PublishError> {
        let mut message = Message::new()
            .set_data(event.encode().map_err(PublishError::Encode)?)
            .set_attributes(event.attributes());
        if let Some(key) = &options.ordering_key {
            message = message.set_ordering_key(key);
        }
        for (name, value) in [
            (attribute::TRACEPARENT, &options.traceparent),
            (attribute::TRACESTATE, &options.tracestate),
        ] {
            let value = value.clone().map(|value| (name.to_owned(), value));
            message.attributes.extend(value);
        }
        self.publisher.publish(message).await.map_err(|source| {
            if let Some(key) = &options.ordering_key {
                // After an error the client refuses everything of that key until it is resumed
                // (<https://docs.cloud.google.com/pubsub/docs/publisher#use-ordering-keys>).
                self.publisher.resume_publish(key);
            }
            PublishError::Publish {
                topic: self.topic.clone(),
                source,
            }
        })
    }
}
