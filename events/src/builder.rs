//! An event before it is complete: who caused it, what led to it, when it happened.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    DomainEvent, EventType, Payload, TenantId, event::Id, payload::DEFAULT_VERSION, payloads::EventPayload,
};

/// What an event can be made of: a typed payload, fields of a custom event, or a payload as it was written.
pub trait Content {
    /// The payload as it goes on the wire.
    fn into_payload(self) -> Payload;

    /// The user it is about, who is the event's user unless another one is named.
    fn user(&self) -> Option<&str> {
        None
    }
}

impl<P: EventPayload> Content for P {
    fn into_payload(self) -> Payload {
        self.to_payload()
    }

    fn user(&self) -> Option<&str> {
        EventPayload::user(self)
    }
}

/// The fields of a custom event. A payload without a version gets [`DEFAULT_VERSION`].
impl Content for Map<String, Value> {
    fn into_payload(mut self) -> Payload {
        self.entry("version")
            .or_insert_with(|| Value::from(DEFAULT_VERSION));
        self.into()
    }
}

/// A payload that is passed on letter by letter.
impl Content for Payload {
    fn into_payload(self) -> Payload {
        self
    }
}

/// An event that is being made; [`EventFactory`](crate::EventFactory) begins one.
///
/// What is not set has its default: a fresh id, now, no user but the payload's own, the event's own id as correlation, no
/// cause, and `{event_type}:{tenant_id}:{event_id}` as idempotency key.
#[derive(Debug, Clone)]
#[must_use = "an event is made by `build`"]
pub struct EventBuilder<C> {
    content: C,
    source: String,
    event_type: EventType,
    tenant: TenantId,
    event_id: Option<Id>,
    occurred_at: Option<Timestamp>,
    user: Option<String>,
    correlation: Option<Id>,
    causation: Option<Id>,
    idempotency_key: Option<Id>,
}

impl<C: Content> EventBuilder<C> {
    pub(crate) fn new(source: &str, tenant: &TenantId, event_type: EventType, content: C) -> Self {
        Self {
            content,
            source: source.to_owned(),
            event_type,
            tenant: tenant.clone(),
            event_id: None,
            occurred_at: None,
            user: None,
            correlation: None,
            causation: None,
            idempotency_key: None,
        }
    }

    /// The same event with another content.
    pub fn map(self, change: impl FnOnce(C) -> C) -> Self {
        Self {
            content: change(self.content),
            ..self
        }
    }

    /// The user who caused it.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Ties it to the other events of one request.
    pub fn correlation(mut self, id: Id) -> Self {
        self.correlation = Some(id);
        self
    }

    /// The id of the event that led to it, where the event itself is not at hand.
    pub fn causation(mut self, id: Id) -> Self {
        self.causation = Some(id);
        self
    }

    /// The event that led to it: that event's id becomes the causation, and its correlation this one's.
    pub fn caused_by(self, cause: &DomainEvent) -> Self {
        self.causation(cause.event_id.clone())
            .correlation(cause.correlation_id().clone())
    }

    /// When it happened, where that is not now.
    pub fn occurred_at(mut self, time: Timestamp) -> Self {
        self.occurred_at = Some(time);
        self
    }

    /// The event's id, where the application has one; publishing the same id twice is one event.
    pub fn event_id(mut self, id: Id) -> Self {
        self.event_id = Some(id);
        self
    }

    /// What makes two events the same for a consumer, where that is not the event's id: the id of a request, for example.
    pub fn idempotency_key(mut self, key: Id) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// The event.
    #[must_use]
    pub fn build(self) -> DomainEvent {
        let event_id = self.event_id.unwrap_or_else(Id::random);
        let user_id = self.user.or_else(|| self.content.user().map(ToOwned::to_owned));
        let mut event = DomainEvent {
            event_id: event_id.clone(),
            event_type: self.event_type,
            tenant_id: self.tenant,
            occurred_at: self.occurred_at.unwrap_or_else(Timestamp::now),
            user_id,
            correlation_id: Some(self.correlation.unwrap_or_else(|| event_id.clone())),
            causation_id: self.causation,
            own_idempotency_key: self.idempotency_key,
            source: self.source,
            data: self.content.into_payload(),
            foreign: None,
        };
        // On the wire the key is always said, so that consumers in other languages need no rule.
        event.own_idempotency_key = Id::parse(&event.idempotency_key()).ok();
        event
    }
}

impl EventBuilder<Map<String, Value>> {
    /// The version of a custom event's payload, such as `2.0`.
    pub fn version(self, version: impl Into<String>) -> Self {
        self.map(|mut fields| {
            fields.insert("version".to_owned(), Value::from(version.into()));
            fields
        })
    }
}

#[cfg(test)]
mod tests;
