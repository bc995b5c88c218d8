//! What a handler gets, what it answers, and which handler an event goes to.

use std::{borrow::Cow, fmt, future::Future, ops::Deref, sync::Arc, time::Duration};

use async_trait::async_trait;
use events::{Digest, DomainEvent, SubscriptionName};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    failure::{Permanent, Unavailable},
    once::Identity,
};

/// One event on its way to a handler. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Event(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    event: DomainEvent,
    idempotency_key: String,
    /// Of the payload as it was published, before it was lifted to another version.
    digest: Digest,
    context: Context,
    cancelled: CancellationToken,
    deadline: Mutex<Option<Instant>>,
}

/// What is known of an event from its message.
#[derive(Debug)]
pub struct Context {
    /// Pub/Sub's id of the message; an event that was published twice has two of them.
    pub message_id: String,
    /// The size of the message's data, in bytes.
    pub bytes: usize,
    /// The W3C trace context to go on with: of the worker's own span, or the publisher's where no traces are exported.
    pub traceparent: Option<String>,
    /// What tracing systems keep beside it, the header `tracestate`; only with a `traceparent`.
    pub tracestate: Option<String>,
    /// How often it was delivered, where Pub/Sub counts.
    pub delivery_attempt: Option<u32>,
    /// When Pub/Sub took it.
    pub published_at: Option<Timestamp>,
    /// Where it was pulled from.
    pub subscription: SubscriptionName,
}

impl Event {
    /// An event with its context; tests of handlers make their own.
    #[must_use]
    pub fn new(event: DomainEvent, context: Context) -> Self {
        let digest = Digest::of_event(&event);
        Self::published_as(digest, event, context)
    }

    /// An event whose payload had this digest when it was published.
    pub(crate) fn published_as(digest: Digest, event: DomainEvent, context: Context) -> Self {
        Self(Arc::new(Inner {
            idempotency_key: event.idempotency_key(),
            digest,
            context,
            event,
            cancelled: CancellationToken::new(),
            deadline: Mutex::new(None),
        }))
    }

    /// The event, as the idempotency store has to know it.
    pub(crate) fn identity<'a>(&'a self, handler_version: &'a str) -> Identity<'a> {
        Identity {
            event_type: self.0.event.event_type.as_str(),
            key: &self.0.idempotency_key,
            digest: self.0.digest,
            message_id: &self.0.context.message_id,
            handler_version,
        }
    }

    /// Ready when the handler's result counts for nothing any more: its claim went to another delivery. The handler has a
    /// moment to stop its work before it is dropped.
    pub async fn cancelled(&self) {
        self.0.cancelled.cancelled().await;
    }

    /// Whether the handler's result counts for nothing any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_cancelled()
    }

    pub(crate) fn cancel(&self) {
        self.0.cancelled.cancel();
    }

    /// When the handler has to have answered; none before it is called by a worker.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        *self.0.deadline.lock()
    }

    pub(crate) fn set_deadline(&self, deadline: Instant) {
        *self.0.deadline.lock() = Some(deadline);
    }

    /// What makes two deliveries the same event; pass it on to whatever the handler calls.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.0.idempotency_key
    }

    /// Pub/Sub's id of the message.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.0.context.message_id
    }

    /// The size of the message's data, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.context.bytes
    }

    /// The W3C trace context to pass on to whatever the handler calls.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.0.context.traceparent.as_deref()
    }

    /// What tracing systems keep beside [`Self::traceparent`]; pass it on with that.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.0.context.tracestate.as_deref()
    }

    /// The payload as a type of yours. The error is a verdict already, permanent: what cannot be read once never can.
    ///
    /// # Errors
    /// [`Permanent`](crate::Permanent) names the place, and no value.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, Permanent> {
        self.0.event.data.read().map_err(|_| {
            // The error's own text would repeat values.
            Permanent::new(format!("the payload is no {}", short_name::<T>()))
        })
    }

    /// How often it was delivered, where Pub/Sub counts: 1 at first.
    #[must_use]
    pub fn delivery_attempt(&self) -> Option<u32> {
        self.0.context.delivery_attempt
    }

    /// When Pub/Sub took it from its publisher.
    #[must_use]
    pub fn published_at(&self) -> Option<Timestamp> {
        self.0.context.published_at
    }

    /// Where it was pulled from.
    #[must_use]
    pub fn subscription(&self) -> &SubscriptionName {
        &self.0.context.subscription
    }
}

impl Deref for Event {
    type Target = DomainEvent;
    fn deref(&self) -> &DomainEvent {
        &self.0.event
    }
}

/// A handler's verdict on one event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Its effect has happened.
    Success,
    /// It did not work now, and may later: the event is delivered again.
    Retryable {
        /// For the log; must not hold payload.
        reason: Cow<'static, str>,
        /// How long to hold the event before it is given back, within a bound.
        retry_after: Option<Duration>,
    },
    /// It can never work: the handler is not called again for this event, and Pub/Sub dead-letters it.
    Permanent {
        /// For the log; must not hold payload.
        reason: Cow<'static, str>,
    },
    /// No verdict: what does the work may not be there. The event is held and tried again here, until the outcomes of
    /// other events show whether it is this one that fails, because a delivery attempt is for an event that failed, not
    /// for a handler that is down.
    Unavailable(Unavailable),
}

impl Outcome {
    /// It did not work now, and may later.
    pub fn retryable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Retryable {
            reason: reason.into(),
            retry_after: None,
        }
    }

    /// It can never work.
    pub fn permanent(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Permanent {
            reason: reason.into(),
        }
    }

    /// What does the work may not be there.
    pub fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable(Unavailable::new(reason))
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Success
    }
}

/// So that a handler may use `?`, on outcomes it makes itself and on the errors of [`crate::failure`].
impl<E: Into<Self>> From<Result<(), E>> for Outcome {
    fn from(result: Result<(), E>) -> Self {
        result.err().map_or(Self::Success, Into::into)
    }
}

/// A type's name without the path to it.
fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// The business logic for some type of event. It may be called more than once for one event (after a crash between
/// its effect and the note of it), so its effect should tolerate that; the idempotency key helps.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles one event. A panic counts as [`Outcome::Retryable`], taking longer than allowed as
    /// [`Outcome::Unavailable`].
    async fn handle(&self, event: &Event) -> Outcome;

    /// The handler's version, as far as it is known: a permanent failure that another version found is asked about again.
    fn version(&self) -> Option<Arc<str>> {
        None
    }
}

/// A closure is a handler: `|event: Event| async move { Outcome::Success }`.
#[async_trait]
impl<F, Fut, R> Handler for F
where
    F: Fn(Event) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send,
    R: Into<Outcome>,
{
    async fn handle(&self, event: &Event) -> Outcome {
        self(event.clone()).await.into()
    }
}

impl fmt::Debug for dyn Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}
