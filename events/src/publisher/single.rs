//! A publisher of one topic.

use google_cloud_pubsub::client::BasePublisher;

use super::{Batching, Form, PublishError, PublishOptions, message::checked, outlet::Outlet};
use crate::{Connection, DomainEvent, TopicName, connect};

/// Publishes events to one topic, whatever their types; [`super::Publisher`] chooses the topic by the type.
#[derive(Debug, Clone)]
pub struct EventPublisher {
    outlet: Outlet,
}

impl EventPublisher {
    /// A publisher for a topic.
    ///
    /// # Errors
    /// [`PublishError::Connect`] when no client can be made.
    pub async fn new(connection: &Connection, topic: TopicName) -> Result<Self, PublishError> {
        let client = connect!(BasePublisher::builder(), connection)
            .build()
            .await
            .map_err(PublishError::Connect)?;
        Ok(Self {
            outlet: Outlet::new(&client, topic, &Batching::default()),
        })
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
        let message = Form::Domain.message(event, options)?;
        let message = checked(message, options.ordering_key.as_deref())?;
        self.outlet.send(message, None, |_| ()).await
    }

    /// Where it publishes.
    #[must_use]
    pub fn topic(&self) -> &TopicName {
        self.outlet.topic()
    }
}
