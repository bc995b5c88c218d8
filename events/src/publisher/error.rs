//! Why an event was not published.

use google_cloud_gax::error::{Error, rpc::Code};
use google_cloud_pubsub::error::PublishError as ClientError;

use crate::{EventType, TopicName, cloudevents::Unmappable};

/// Why an event was not published. No text repeats a value of the event beside its type.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The client could not be made: no credentials, or a bad endpoint.
    #[error("cannot connect to Pub/Sub: check PUBSUB_EMULATOR_HOST or the application default credentials")]
    Connect(#[source] google_cloud_gax::client_builder::Error),
    /// The event has no JSON form.
    #[error("the event cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// The event has no form as a CloudEvent.
    #[error(transparent)]
    CloudEvent(#[from] Unmappable),
    /// No topic of the catalogue carries events of this type.
    #[error(
        "no topic of the catalogue carries {event_type}: add it to the eventTypes of one of {}", topics.join(", ")
    )]
    NoTopic {
        /// The event's type.
        event_type: EventType,
        /// The keys of the catalogue.
        topics: Vec<String>,
    },
    /// Pub/Sub would refuse the message for its size; nothing was sent.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// So many events are on their way that flow control takes no more for now; nothing was sent.
    #[error("as many events as flow control allows are on their way: wait for a receipt and publish again")]
    Full,
    /// Another event of the ordering key failed, and this one was to follow it; it was not published.
    #[error(
        "an earlier event of the ordering key failed on topic {topic}: publish that again first, and this one after it"
    )]
    KeyPaused {
        /// Where it should have gone.
        topic: TopicName,
    },
    /// Pub/Sub refused it, or did not answer for as long as was tried.
    #[error("Pub/Sub did not take the event for topic {topic}")]
    Publish {
        /// Where it should have gone.
        topic: TopicName,
        /// What the client says.
        #[source]
        source: ClientError,
    },
    /// The runtime that the publisher works on has ended.
    #[error("the publisher has shut down; the event may or may not be published")]
    Closed,
    /// The registry has metrics of these names already, as a second publisher's would be: clone the first.
    #[error("cannot register events_published_total and events_publish_seconds")]
    Metrics(#[source] prometheus::Error),
    /// The blocking publisher was called where blocking would stop an async runtime.
    #[error("events::blocking::Publisher was called inside an async runtime: use events::Publisher there")]
    InsideRuntime,
    /// The blocking publisher's threads cannot be started.
    #[error("cannot start the publisher's threads")]
    Runtime(#[source] std::io::Error),
}

/// What of a message is larger than Pub/Sub takes (<https://cloud.google.com/pubsub/quotas#resource_limits>).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// Data, attributes and ordering key together.
    #[error("the event comes to {bytes} bytes, and a message has at most {limit}")]
    Message {
        /// Of the message as it is sent.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// An attribute's value.
    #[error("the attribute {name} has {bytes} bytes, and an attribute has at most {limit}")]
    Attribute {
        /// The attribute.
        name: String,
        /// Of its value.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The number of attributes.
    #[error("the event has {count} attributes, and a message has at most {limit}")]
    Attributes {
        /// How many there are.
        count: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The ordering key.
    #[error("the ordering key has {bytes} bytes, and an ordering key has at most {limit}")]
    OrderingKey {
        /// Of the key.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
}

impl PublishError {
    /// Whether publishing the same event again may succeed without a change of anything. The event may be published
    /// already; its idempotency key keeps it one event.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Full | Self::KeyPaused { .. } => true,
            Self::Publish { source, .. } => match source {
                ClientError::Rpc(error) => is_transient(error),
                ClientError::OrderingKeyPaused => true,
                // Of those that a later version adds nothing is known.
                ClientError::Shutdown | _ => false,
            },
            Self::Connect(_)
            | Self::Encode(_)
            | Self::CloudEvent(_)
            | Self::NoTopic { .. }
            | Self::TooLarge(_)
            | Self::Closed
            | Self::Metrics(_)
            | Self::InsideRuntime
            | Self::Runtime(_) => false,
        }
    }

    /// What Pub/Sub answered, where it did.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Publish {
                source: ClientError::Rpc(error),
                ..
            } => answer(error),
            Self::Connect(_)
            | Self::Encode(_)
            | Self::CloudEvent(_)
            | Self::NoTopic { .. }
            | Self::TooLarge(_)
            | Self::Full
            | Self::KeyPaused { .. }
            | Self::Publish { .. }
            | Self::Closed
            | Self::Metrics(_)
            | Self::InsideRuntime
            | Self::Runtime(_) => None,
        }
    }
}

/// The code of the last answer: an error that ends the client's patience holds that answer as its source.
fn answer(error: &Error) -> Option<Code> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = source {
        if let Some(status) = one.downcast_ref::<Error>().and_then(Error::status) {
            return Some(status.code);
        }
        source = one.source();
    }
    None
}

/// As the official client decides when it tries again by itself
/// (`google_cloud_pubsub::retry_policy::RetryableErrors`); here its patience has ended.
fn is_transient(error: &Error) -> bool {
    let transient = |code| {
        matches!(
            code,
            Code::Aborted
                | Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Internal
                | Code::ResourceExhausted
                | Code::Unavailable
                | Code::Unknown
        )
    };
    error.is_exhausted()
        || error.is_io()
        || error.is_timeout()
        || error.is_connect()
        || error.is_transient_and_before_rpc()
        || (error.is_transport() && error.http_status_code().is_none())
        || matches!(error.http_status_code(), Some(429 | 500 | 502..=504))
        || error.status().is_some_and(|status| transient(status.code))
}
