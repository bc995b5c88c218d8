//! What Pub/Sub hands over: a message to read, and a lease to settle exactly once.

use std::{collections::HashMap, fmt};

use async_trait::async_trait;
use bytes::Bytes;
use events::SubscriptionName;
use jiff::Timestamp;

/// One delivery of one message, before anything in it is believed.
#[derive(Clone)]
pub struct Message {
    /// Where it was pulled from.
    pub subscription: SubscriptionName,
    /// Pub/Sub's own id of it.
    pub message_id: String,
    /// The event, if it is one.
    pub data: Bytes,
    /// What the publisher, and for dead letters Pub/Sub, wrote beside it.
    pub attributes: HashMap<String, String>,
    /// When Pub/Sub took it from its publisher.
    pub published_at: Option<Timestamp>,
    /// Messages of one key are handled one after the other on an ordered subscription; empty for none.
    pub ordering_key: String,
    /// Whether its subscription is ordered and it has a key: then giving it back holds up all that follow.
    pub in_order: bool,
    /// Whether it was published after another subscription took the place of the one it was pulled from.
    pub superseded: bool,
    /// How often it was delivered, where Pub/Sub counts: on subscriptions with a dead-letter topic.
    pub delivery_attempt: Option<u32>,
    /// After how many deliveries its subscription dead-letters, where the worker knows.
    pub max_delivery_attempts: Option<u32>,
}

impl Message {
    /// An attribute's value, empty when it has none.
    #[must_use]
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// Payload and attributes may be anything of a tenant's, so only their sizes are shown.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("subscription", &self.subscription)
            .field("bytes", &self.data.len())
            .field("attributes", &self.attributes.len())
            .field("delivery_attempt", &self.delivery_attempt)
            .finish_non_exhaustive()
    }
}

/// Why Pub/Sub did not confirm an acknowledgement; the message may come again.
#[derive(Debug, thiserror::Error)]
#[error("the acknowledgement was not confirmed: {0}")]
pub struct NotConfirmed(pub String);

/// The hold on a delivered message. While it lives the client extends the ack deadline; dropping it is a nack.
#[async_trait]
pub trait Lease: Send + Sync {
    /// Never deliver this message again.
    async fn ack(self: Box<Self>) -> Result<(), NotConfirmed>;
    /// Deliver it again, after the subscription's backoff. Pub/Sub counts an attempt.
    fn nack(self: Box<Self>);
    /// Whether the message waits for something other than a slot: then it does not count towards what is fetched.
    fn waits(&self, _waits: bool) {}
}

/// A message and its lease.
pub struct Delivery {
    /// What was delivered.
    pub message: Message,
    /// The hold on it.
    pub lease: Box<dyn Lease>,
}

/// A message for unit tests, with these attributes and this data.
#[cfg(test)]
pub(crate) fn sample(attributes: &[(&str, &str)], data: impl Into<Bytes>) -> Message {
    Message {
        subscription: "projects/acme-events/subscriptions/sub-1".parse().unwrap(),
        message_id: "8211".to_owned(),
        data: data.into(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        published_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        ordering_key: String::new(),
        in_order: false,
        superseded: false,
        delivery_attempt: None,
        max_delivery_attempts: None,
    }
}
