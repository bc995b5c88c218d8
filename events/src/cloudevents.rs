//! Events as CloudEvents of version 1.0 and back, in structured JSON and in binary mode on Pub/Sub
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>,
//! <https://github.com/googleapis/google-cloudevents/blob/main/docs/spec/pubsub.md>).
//!
//! | event | CloudEvent |
//! |---|---|
//! | `event_id` | `id` |
//! | `event_type` | `type` |
//! | `source` | `source`; it has to be a URI reference |
//! | `occurred_at` | `time` |
//! | `tenant_id` | extension `tenantid` |
//! | `user_id` | extension `userid` |
//! | `correlation_id` | extension `correlationid` |
//! | `causation_id` | extension `causationid` |
//! | `idempotency_key` | extension `idempotencykey` |
//! | the payload's version | extension `dataversion` |
//! | `data` | `data`, `datacontenttype: application/json` |
//!
//! An event that came as a CloudEvent keeps its other extensions and data that are no JSON object in
//! [`DomainEvent::foreign`], and is written with them. Messages carry the attributes `tenant_id` and `event_type` in both
//! modes, because the subscriptions' filters read them.

mod read;
mod write;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use self::{
    read::{from_json, from_message},
    write::{to_binary, to_json, to_structured},
};
#[cfg(doc)]
use crate::DomainEvent;

/// The attribute of a message that names the media type of its data.
pub const CONTENT_TYPE: &str = "content-type";
/// The media type of structured JSON.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// What stands before a CloudEvent's attribute as a message's attribute in binary mode.
pub const PREFIX: &str = "ce-";

const JSON: &str = "application/json";
const SPECVERSION: &str = "1.0";

/// Names that have a place of their own in an event, are the trace's, or mean the data; no extension has them.
const KNOWN: [&str; 16] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "datacontenttype",
    "tenantid",
    "correlationid",
    "causationid",
    "userid",
    "idempotencykey",
    "dataversion",
    "traceparent",
    "tracestate",
    "data",
    "database64",
];

/// What a Pub/Sub message carries, without its ordering key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Its data.
    pub data: Bytes,
}

/// Why an event cannot be written as a CloudEvent. The texts name fields, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmappable {
    /// CloudEvents asks for a URI reference.
    #[error(
        "the event's source is not a URI reference, which CloudEvents asks for: write letters, digits and -._~:/?#[]@!$&'()*+,;=, and %20 for a space"
    )]
    Source,
    /// CloudEvents allows no control characters.
    #[error("the event's {field} holds a control character, which CloudEvents does not allow")]
    ControlCharacter {
        /// The field.
        field: &'static str,
    },
}

/// Whether CloudEvents allows this as an attribute's name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Whether data of this media type stand as JSON in a structured event.
fn is_json(media_type: &str) -> bool {
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let subtype = media_type.rsplit(['/', '+']).next().unwrap_or_default();
    subtype.eq_ignore_ascii_case("json")
}
