//! What the events of the catalogue say: a type for each of the eleven event types, in version [`VERSION`].
//!
//! On the wire a payload is a JSON object with the version first, then its fields in the order they are declared in. A field
//! that is not set is left out, and never null; an unknown field is tolerated on reading. JSON Schemas of all are in
//! `events/schemas`, made by [`crate::schema`].
//!
//! ```
//! use events::payloads::{DocumentIngested, EventPayload as _};
//!
//! let payload = DocumentIngested::new("doc-456", "Important Document", "pdf").size_bytes(4_096_u64);
//! assert_eq!(
//!     payload.to_payload().text(),
//!     r#"{"version":"1.0","document_id":"doc-456","document_title":"Important Document","document_type":"pdf","size_bytes":4096}"#
//! );
//! ```

#[macro_use]
mod declare;
mod document;
mod organization;
mod query;
mod system;
#[cfg(test)]
mod tests;
mod user;

pub use document::{DocumentDeleted, DocumentIngested, DocumentUpdated};
pub use organization::{OrganizationCreated, OrganizationUpdated};
pub use query::{QueryExecuted, QueryFailed};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
pub use system::{Health, Severity, SystemError, SystemHealthCheck};
pub use user::{UserLogin, UserRegistered};

use crate::{DomainEvent, EventType, Payload};

/// A list of texts: names of fields.
type Texts = Vec<String>;

/// The version of all payloads of this module.
pub const VERSION: &str = "1.0";

/// What an event of one type says.
pub trait EventPayload: Serialize + DeserializeOwned + JsonSchema {
    /// The event type, such as `document.ingested`.
    const EVENT_TYPE: &'static str;
    /// The version of the schema; it goes before the fields on the wire.
    const VERSION: &'static str;

    /// The names of its fields, in their order on the wire.
    const FIELDS: &'static [&'static str];

    /// The type of an event that says this.
    #[must_use]
    fn event_type() -> EventType {
        EventType::known(Self::EVENT_TYPE)
    }

    /// The user the payload is about, who is the user of the event's envelope unless another one is named there.
    #[must_use]
    fn user(&self) -> Option<&str> {
        None
    }

    /// The payload as it goes on the wire.
    #[must_use]
    fn to_payload(&self) -> Payload {
        Payload::versioned(Self::VERSION, self)
    }

    /// What an event says, when it is of this type and version.
    ///
    /// # Errors
    /// [`ReadError`] says which of both differs, or that the fields do; it repeats no value of the payload.
    fn of(event: &DomainEvent) -> Result<Self, ReadError> {
        if event.event_type.as_str() != Self::EVENT_TYPE {
            return Err(ReadError::EventType {
                wanted: Self::EVENT_TYPE,
                found: event.event_type.clone(),
            });
        }
        if event.data.version() != Self::VERSION {
            return Err(ReadError::Version {
                event_type: Self::EVENT_TYPE,
                wanted: Self::VERSION,
            });
        }
        event.data.read().map_err(|_| ReadError::Fields {
            event_type: Self::EVENT_TYPE,
            version: Self::VERSION,
        })
    }
}

/// Why an event does not say what was asked for. No text repeats a value of the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is an event of another type.
    #[error("the event is of type {found:?}, not {wanted:?}")]
    EventType {
        /// The type that was asked for.
        wanted: &'static str,
        /// The event's.
        found: EventType,
    },
    /// Its payload is in another version.
    #[error("the payload of the {event_type} event is not in version {wanted:?}")]
    Version {
        /// The event's type.
        event_type: &'static str,
        /// The version that was asked for.
        wanted: &'static str,
    },
    /// A required field is missing, or a field is of another type.
    #[error(
        "the payload does not match events/schemas/{event_type}/{version}.json: a required field is missing, or a field is of another type"
    )]
    Fields {
        /// The event's type.
        event_type: &'static str,
        /// The payload's version.
        version: &'static str,
    },
}
