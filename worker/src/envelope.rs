//! Pure: how does an event stand in a message? In our own JSON, as a CloudEvent, or as whatever its publisher sent.
//!
//! All become a [`DomainEvent`], so that what follows (guard, handlers, store, outcomes) is the same for all.

mod cloudevents;
mod raw;

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use events::{DecodeError, DomainEvent, EventType, Payload, TenantId, event::Id};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::message::Message;

/// The field of the payload that stands for data which is no JSON object, as in CloudEvents' JSON.
const BASE64: &str = "data_base64";

/// What messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Envelope {
    /// Our own JSON, which [`DomainEvent`] describes.
    #[default]
    Domain,
    /// CloudEvents of version 1.0, in binary or structured mode, as they are bound to Pub/Sub
    /// (<https://github.com/googleapis/google-cloudevents/blob/main/docs/spec/pubsub.md>).
    CloudEvents,
    /// Attributes and bytes, whatever they are: notifications of Cloud Storage, other teams' messages.
    Raw,
}

impl Envelope {
    /// Reads the event of a message whose `tenant_id` attribute is `own`.
    ///
    /// # Errors
    /// [`DecodeError`] says what is missing or wrong, and repeats no value.
    pub fn open(self, own: &TenantId, message: &Message) -> Result<DomainEvent, DecodeError> {
        match self {
            Self::Domain => DomainEvent::decode(&message.data),
            Self::CloudEvents => cloudevents::open(own, message),
            Self::Raw => raw::open(own, message),
        }
    }
}

/// Data as a payload, and as it was published where it is no JSON object.
fn data(data: &Bytes, version: Option<String>) -> (Payload, Option<Bytes>) {
    if data.is_empty() {
        return (Payload::default().with_version(version), Some(Bytes::new()));
    }
    if let Ok(payload) = Payload::foreign(data, version.clone()) {
        return (payload, None);
    }
    let text = Value::String(STANDARD.encode(data));
    let payload = Payload::from(Map::from_iter([(BASE64.to_owned(), text)]));
    (payload.with_version(version), Some(data.clone()))
}

/// A media type that can stand in a header; one that cannot is as good as none.
fn media_type(text: Option<&str>) -> Option<String> {
    let visible = |text: &&str| !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    text.map(str::trim).filter(visible).map(ToOwned::to_owned)
}

/// Of a name what CloudEvents allows in names: letters and digits, in lower case.
fn extension_name(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

fn attribute<'a>(attributes: &'a HashMap<String, String>, name: &str) -> Option<&'a str> {
    attributes
        .get(name)
        .map(String::as_str)
        .filter(|text| !text.is_empty())
}

/// What the envelopes have in common, once it is known what is what.
struct Parts<'a> {
    envelope: &'static str,
    tenant: TenantId,
    id: &'a str,
    event_type: &'a str,
    source: String,
    occurred_at: Timestamp,
    user_id: Option<String>,
    correlation_id: Option<&'a str>,
    causation_id: Option<&'a str>,
    idempotency_key: Option<Id>,
    version: Option<String>,
    content_type: Option<String>,
    data: Bytes,
    extensions: BTreeMap<String, String>,
}

impl Parts<'_> {
    fn event(self) -> Result<DomainEvent, DecodeError> {
        let wrong = |problem| DecodeError::NotForeign {
            envelope: self.envelope,
            problem,
        };
        let event_id = Id::parse(self.id)
            .map_err(|_| wrong("its id is missing, or not of 1 to 256 visible ASCII characters"))?;
        let event_type = EventType::foreign(self.event_type)
            .map_err(|_| wrong("its type is missing, or not of 1 to 256 bytes without control characters"))?;
        let tie = |id: Option<&str>| id.map(Id::standing_for);
        let (payload, body) = data(&self.data, self.version);
        Ok(DomainEvent {
            event_id,
            event_type,
            tenant_id: self.tenant,
            occurred_at: self.occurred_at,
            user_id: self.user_id,
            correlation_id: tie(self.correlation_id),
            causation_id: tie(self.causation_id),
            own_idempotency_key: self.idempotency_key,
            source: self.source,
            data: payload,
            foreign: Some(events::Foreign {
                content_type: self.content_type,
                body,
                extensions: self.extensions,
            }),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn own() -> TenantId {
        TenantId::parse("tenant-123").unwrap()
    }

    #[test]
    fn data_that_is_an_object_is_the_payload_and_other_data_is_in_it() {
        let of = |text: &'static str| data(&Bytes::from(text), Some("2.0".to_owned()));
        let (payload, body) = of("{\"n\": 1.0}");
        assert_eq!(
            (payload.text(), payload.version(), body),
            ("{\"n\": 1.0}", "2.0", None)
        );
        let (payload, body) = of("<order/>");
        assert_eq!(payload.text(), "{\"data_base64\":\"PG9yZGVyLz4=\"}");
        assert_eq!((payload.version(), body), ("2.0", Some(Bytes::from("<order/>"))));
        let (payload, body) = of("");
        assert_eq!((payload.text(), body), ("{}", Some(Bytes::new())));
    }

    #[test]
    fn a_media_type_stands_in_a_header_or_is_none() {
        assert_eq!(
            media_type(Some(" text/plain; charset=utf-8")).as_deref(),
            Some("text/plain; charset=utf-8")
        );
        for wrong in [
            None,
            Some(""),
            Some(" "),
            Some("text/plain\r\nx: y"),
            Some("tëxt"),
        ] {
            assert_eq!(media_type(wrong), None);
        }
    }
}
