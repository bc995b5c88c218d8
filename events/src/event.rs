//! The event envelope: JSON in the message's data, and the attributes that filters and workers read.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{EventType, Payload, TenantId};

/// Names of the message attributes. Filters match on the first two.
pub mod attribute {
    /// The tenant the event belongs to.
    pub const TENANT_ID: &str = "tenant_id";
    /// The event's type, `document.ingested`.
    pub const EVENT_TYPE: &str = "event_type";
    /// The event's id, unique for its source.
    pub const EVENT_ID: &str = "event_id";
    /// What makes two deliveries the same event.
    pub const IDEMPOTENCY_KEY: &str = "idempotency_key";
    /// What ties the events of one request together.
    pub const CORRELATION_ID: &str = "correlation_id";
    /// The version of the payload's schema.
    pub const VERSION: &str = "version";
    /// The W3C trace context of the publisher (<https://www.w3.org/TR/trace-context/#traceparent-header>).
    pub const TRACEPARENT: &str = "traceparent";
    /// What tracing systems keep beside it (<https://www.w3.org/TR/trace-context/#tracestate-header>).
    pub const TRACESTATE: &str = "tracestate";
}

/// The longest id, in bytes: what fits an attribute's value and a store's key several times over.
pub const MAX_ID_BYTES: usize = 256;

/// An opaque id: 1 to [`MAX_ID_BYTES`] visible ASCII characters, so that it can stand in a log line, an
/// HTTP header and a store's key as it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

/// Why a text is not an [`Id`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {MAX_ID_BYTES} visible ASCII characters and no space")]
pub struct InvalidId;

impl Id {
    /// Parses an id.
    ///
    /// # Errors
    /// [`InvalidId`] says what is allowed; it does not repeat the text, which may be anything.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        Self::check(text)?;
        Ok(Self(text.to_owned()))
    }

    fn check(text: &str) -> Result<(), InvalidId> {
        let ok = (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        ok.then_some(()).ok_or(InvalidId)
    }

    /// An id for a text of any kind and length: the text itself where it can be one, else its SHA-256 in hex digits.
    #[must_use]
    pub fn standing_for(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|_| {
            let mut digits = String::with_capacity(64);
            for byte in Sha256::digest(text) {
                // Writing to a String cannot fail.
                let _ = write!(digits, "{byte:02x}");
            }
            Self(digits)
        })
    }

    /// A fresh id that sorts by time.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl TryFrom<String> for Id {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::check(&text)?;
        Ok(Self(text))
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

/// One event, as it travels. Immutable once published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Event envelope")]
pub struct DomainEvent {
    /// Unique for its source.
    pub event_id: Id,
    /// What happened.
    pub event_type: EventType,
    /// To whom.
    pub tenant_id: TenantId,
    /// When, by the clock of the source.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub occurred_at: Timestamp,
    /// Who caused it, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Ties the events of one request together; the event's own id where the source names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<Id>,
    /// The event that led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Id>,
    /// What makes two deliveries the same event; see [`DomainEvent::idempotency_key`].
    #[schemars(
        description = "What makes two deliveries the same event; {event_type}:{tenant_id}:{event_id} where the source names none."
    )]
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "idempotency_key")]
    pub own_idempotency_key: Option<Id>,
    /// The service that published it.
    pub source: String,
    /// What it says.
    #[serde(default)]
    #[schemars(description = "What it says: for a type of the catalogue, {event_type}/{version}.json.")]
    pub data: Payload,
    /// What it has beside all this, where it came in another envelope than this one.
    #[serde(skip)]
    pub foreign: Option<Foreign>,
}

/// What an event has that came in another envelope: a CloudEvent's, or none at all.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Foreign {
    /// The media type of its data, where the publisher named one.
    pub content_type: Option<String>,
    /// Its data as it was published, empty for none; nothing here where it is a JSON object, which is the payload then.
    pub body: Option<Bytes>,
    /// Its other attributes, by names that CloudEvents allows: lower-case letters and digits of ASCII.
    pub extensions: BTreeMap<String, String>,
}

/// Data and attributes may be anything of a tenant's, so only their sizes are shown.
impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign")
            .field("bytes", &self.body.as_ref().map(Bytes::len))
            .field("extensions", &self.extensions.len())
            .finish_non_exhaustive()
    }
}

/// Why a message's data is not an event. The texts name fields and positions, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON at all.
    #[error("the message's data is not JSON (line {line}, column {column})")]
    NotJson {
        /// Where reading stopped.
        line: usize,
        /// Where reading stopped.
        column: usize,
    },
    /// Not of the other envelope that was asked for.
    #[error("the message is no {envelope}: {problem}")]
    NotForeign {
        /// What it should be.
        envelope: &'static str,
        /// Why it is not.
        problem: &'static str,
    },
    /// JSON of another shape.
    #[error(
        "the message's data is not an event envelope (line {line}, column {column}): it needs event_id, event_type, tenant_id, occurred_at and source of the documented form, and in data, if there is any, a version that is a text or a number"
    )]
    NotAnEnvelope {
        /// Where reading stopped.
        line: usize,
        /// Where reading stopped.
        column: usize,
    },
}

impl DomainEvent {
    /// Reads an event from a message's data.
    ///
    /// # Errors
    /// [`DecodeError`] with the position; nesting is bounded at 128 levels by the JSON reader.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        serde_json::from_slice(data).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            if error.is_data() {
                DecodeError::NotAnEnvelope { line, column }
            } else {
                DecodeError::NotJson { line, column }
            }
        })
    }

    /// The event as a message's data.
    ///
    /// # Errors
    /// None in practice: every field has a JSON form.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// What makes two deliveries the same event: the source's own key, or `{event_type}:{tenant_id}:{event_id}`.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        self.own_idempotency_key.as_ref().map_or_else(
            || format!("{}:{}:{}", self.event_type, self.tenant_id, self.event_id),
            ToString::to_string,
        )
    }

    /// Gives the event another id, and the key and the correlation that come from it.
    pub fn set_id(&mut self, id: Id) {
        if self.correlation_id.as_ref() == Some(&self.event_id) {
            self.correlation_id = Some(id.clone());
        }
        self.event_id = id;
        self.own_idempotency_key = None;
        self.own_idempotency_key = Id::parse(&self.idempotency_key()).ok();
    }

    /// Ties the events of one request together.
    #[must_use]
    pub fn correlation_id(&self) -> &Id {
        self.correlation_id.as_ref().unwrap_or(&self.event_id)
    }

    /// The attributes a message with this event carries.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            (attribute::TENANT_ID, self.tenant_id.to_string()),
            (attribute::EVENT_TYPE, self.event_type.to_string()),
            (attribute::EVENT_ID, self.event_id.to_string()),
            (attribute::IDEMPOTENCY_KEY, self.idempotency_key()),
            (attribute::CORRELATION_ID, self.correlation_id().to_string()),
            (attribute::VERSION, self.data.version().to_owned()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sample() -> Value {
        json!({
            "event_id": "evt-1", "event_type": "document.ingested", "tenant_id": "tenant-123",
            "occurred_at": "2026-01-02T03:04:05Z", "source": "ingest", "correlation_id": "req-9",
            "data": {"version": "2.0", "document_id": "doc-456"},
        })
    }

    #[test]
    fn survives_the_wire() {
        let event = DomainEvent::decode(sample().to_string().as_bytes()).unwrap();
        assert_eq!(event.idempotency_key(), "document.ingested:tenant-123:evt-1");
        assert_eq!(event.data.version(), "2.0");
        assert_eq!(DomainEvent::decode(&event.encode().unwrap()).unwrap(), event);
        insta::assert_yaml_snapshot!(event.attributes(), @r#"
        correlation_id: req-9
        event_id: evt-1
        event_type: document.ingested
        idempotency_key: "document.ingested:tenant-123:evt-1"
        tenant_id: tenant-123
        version: "2.0"
        "#);
    }

    #[test]
    fn an_id_stands_for_any_text() {
        assert_eq!(Id::standing_for("evt-1").as_str(), "evt-1");
        let [spaces, long] =
            ["a b".to_owned(), "x".repeat(MAX_ID_BYTES + 1)].map(|text| Id::standing_for(&text));
        assert_eq!(
            spaces.as_str(),
            "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65"
        );
        assert_ne!(spaces, long);
    }

    #[test]
    fn an_event_of_a_later_version_may_have_more_fields() {
        let mut value = sample();
        value["region"] = json!("eu");
        assert!(DomainEvent::decode(value.to_string().as_bytes()).is_ok());
    }

    #[test]
    fn errors_name_places_and_no_values() {
        let mut value = sample();
        value["tenant_id"] = json!("s3cret value");
        let error = DomainEvent::decode(value.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, DecodeError::NotAnEnvelope { .. }));
        assert!(!error.to_string().contains("s3cret"));
        assert!(matches!(
            DomainEvent::decode(b"\xff\xfe"),
            Err(DecodeError::NotJson { .. })
        ));
        assert!(matches!(
            DomainEvent::decode(b""),
            Err(DecodeError::NotJson { .. })
        ));
        let deep = "[".repeat(100_000);
        assert!(DomainEvent::decode(deep.as_bytes()).is_err());
    }

    #[test]
    fn debug_does_not_show_the_payload() {
        let event = DomainEvent::decode(sample().to_string().as_bytes()).unwrap();
        assert!(!format!("{event:?}").contains("doc-456"));
    }
}
