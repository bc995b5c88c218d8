//! A CloudEvent as an event.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value, value::RawValue};

use super::{CONTENT_TYPE, JSON, KNOWN, Message, PREFIX, SPECVERSION, is_json, is_name};
use crate::{DecodeError, DomainEvent, EventType, Foreign, Payload, TenantId, event::Id};

/// The media type of CloudEvents in structured mode, before its format.
const MEDIA_TYPE: &str = "application/cloudevents";

/// The field of the payload that stands for data which are no JSON object, as in CloudEvents' JSON.
const BASE64: &str = "data_base64";

/// Reads an event in structured JSON. It has to name its tenant and its time.
///
/// # Errors
/// [`DecodeError::NotForeign`] says what is missing or wrong, and repeats no value.
pub fn from_json(json: &[u8]) -> Result<DomainEvent, DecodeError> {
    structured(json)?.event()
}

/// Reads an event from a message in either mode; its `content-type` says in which.
///
/// # Errors
/// As [`from_json`].
pub fn from_message(message: &Message) -> Result<DomainEvent, DecodeError> {
    let content_type = message.attributes.get(CONTENT_TYPE).map(String::as_str);
    match content_type.and_then(format) {
        Some("" | "+json") => from_json(&message.data),
        Some(_) => Err(wrong(
            "of the formats in structured mode, application/cloudevents+json alone is read",
        )),
        None => binary(message).event(),
    }
}

/// What follows CloudEvents' own media type in a content type.
fn format(content_type: &str) -> Option<&str> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.strip_prefix(MEDIA_TYPE)
}

struct CloudEvent {
    attributes: BTreeMap<String, String>,
    data: Bytes,
}

fn binary(message: &Message) -> CloudEvent {
    let named = message.attributes.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(PREFIX)?;
        Some((name.to_owned(), value.clone()))
    });
    let mut attributes: BTreeMap<String, String> = named.collect();
    if let Some(content_type) = message.attributes.get(CONTENT_TYPE) {
        attributes.insert("datacontenttype".to_owned(), content_type.clone());
    }
    CloudEvent {
        attributes,
        data: message.data.clone(),
    }
}

fn structured(json: &[u8]) -> Result<CloudEvent, DecodeError> {
    let mut fields: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(json).map_err(|_| wrong("it is not a JSON object"))?;
    let given = |value: Option<Box<RawValue>>| value.filter(|value| value.get() != "null");
    let data = given(fields.remove("data"));
    let encoded = given(fields.remove(BASE64));
    let mut attributes = BTreeMap::new();
    for (name, value) in fields {
        let value = serde_json::from_str(value.get()).map_err(|_| wrong("an attribute cannot be read"))?;
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(wrong(
                    "an attribute is neither a text, nor a number, nor true or false",
                ));
            }
        };
        attributes.insert(name, text);
    }
    let data = match (data, encoded) {
        (None, None) => Bytes::new(),
        (Some(data), None) => {
            let media_type = attributes.entry("datacontenttype".to_owned());
            let media_type = media_type.or_insert_with(|| JSON.to_owned());
            unwrapped(&data, media_type)
        }
        (None, Some(encoded)) => {
            let text: Cow<'_, str> =
                serde_json::from_str(encoded.get()).map_err(|_| wrong("its data_base64 is not a text"))?;
            let data = STANDARD.decode(text.as_bytes());
            data.map_err(|_| wrong("its data_base64 is not base64"))?.into()
        }
        (Some(_), Some(_)) => return Err(wrong("it has both data and data_base64")),
    };
    Ok(CloudEvent { attributes, data })
}

/// JSON as it was written; of another media type a text stands for its bytes
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#31-handling-of-data>).
fn unwrapped(data: &RawValue, media_type: &str) -> Bytes {
    let text = match is_json(media_type) {
        true => None,
        false => serde_json::from_str::<String>(data.get()).ok(),
    };
    text.unwrap_or_else(|| data.get().to_owned()).into()
}

impl CloudEvent {
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.attributes.get(name).map(String::as_str);
        value.filter(|text| !text.is_empty())
    }

    fn event(self) -> Result<DomainEvent, DecodeError> {
        if self.get("specversion") != Some(SPECVERSION) {
            return Err(wrong("its specversion is not 1.0"));
        }
        let text = |name: &str, problem| self.get(name).ok_or_else(|| wrong(problem));
        let event_id = Id::parse(text("id", "its id is missing")?)
            .map_err(|_| wrong("its id is not of 1 to 256 visible ASCII characters"))?;
        let event_type = EventType::foreign(text("type", "its type is missing")?)
            .map_err(|_| wrong("its type is not of 1 to 256 bytes without control characters"))?;
        let source = text("source", "its source is missing")?.to_owned();
        let tenant = TenantId::parse(text("tenantid", "its tenantid is missing")?)
            .map_err(|_| wrong("its tenantid is no tenant's id"))?;
        let occurred_at = text("time", "its time is missing")?
            .parse()
            .map_err(|_| wrong("its time is not of the form 2026-01-02T03:04:05Z"))?;
        // A CloudEvent's id is unique for its source only.
        let key = self.get("idempotencykey").map_or_else(
            || format!("{event_type}:{tenant}:{source}:{event_id}"),
            ToOwned::to_owned,
        );
        let tie = |name: &str| self.get(name).map(Id::standing_for);
        let (data, foreign) = self.data();
        Ok(DomainEvent {
            event_id,
            event_type,
            tenant_id: tenant,
            occurred_at,
            user_id: self.get("userid").map(ToOwned::to_owned),
            correlation_id: tie("correlationid"),
            causation_id: tie("causationid"),
            own_idempotency_key: Some(Id::standing_for(&key)),
            source,
            data,
            foreign,
        })
    }

    /// The payload, and what there is beside an event of ours: nothing, where it is a JSON object without other extensions.
    fn data(&self) -> (Payload, Option<Foreign>) {
        let version = self.get("dataversion").map(ToOwned::to_owned);
        let content_type = self.get("datacontenttype").map(ToOwned::to_owned);
        let extensions: BTreeMap<String, String> = self
            .attributes
            .iter()
            .filter(|(name, value)| is_name(name) && !KNOWN.contains(&name.as_str()) && !value.is_empty())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let (payload, body) = match Payload::foreign(&self.data, version.clone()) {
            Ok(payload) => (payload, None),
            Err(_) if self.data.is_empty() => (Payload::default().with_version(version), Some(Bytes::new())),
            Err(_) => {
                let text = Value::String(STANDARD.encode(&self.data));
                let payload = Payload::from(Map::from_iter([(BASE64.to_owned(), text)]));
                (payload.with_version(version), Some(self.data.clone()))
            }
        };
        let ours = body.is_none() && extensions.is_empty() && content_type.as_deref() == Some(JSON);
        let foreign = Foreign {
            content_type,
            body,
            extensions,
        };
        (payload, (!ours).then_some(foreign))
    }
}

fn wrong(problem: &'static str) -> DecodeError {
    DecodeError::NotForeign {
        envelope: "CloudEvent",
        problem,
    }
}
