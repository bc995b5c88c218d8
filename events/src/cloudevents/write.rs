//! An event as a CloudEvent.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;

use super::{
    CONTENT_TYPE, JSON, KNOWN, Message, PREFIX, SPECVERSION, STRUCTURED, Unmappable, is_json, is_name,
};
use crate::{
    DomainEvent, TraceContext,
    event::{Id, attribute},
};

/// The event in structured JSON. Fields have the order of the table in [`crate::cloudevents`], data come last, and numbers keep
/// all their digits.
///
/// # Errors
/// [`Unmappable`] names the field that CloudEvents does not allow as it is.
pub fn to_json(event: &DomainEvent, trace: Option<&TraceContext>) -> Result<Vec<u8>, Unmappable> {
    let structured = Structured {
        attributes: attributes(event, trace)?,
        data: data(event),
    };
    // Texts, and JSON that was checked when it came in: nothing of it has no JSON form.
    Ok(serde_json::to_vec(&structured).unwrap_or_default())
}

/// The event as a message in structured mode.
///
/// # Errors
/// As [`to_json`].
pub fn to_structured(event: &DomainEvent, trace: Option<&TraceContext>) -> Result<Message, Unmappable> {
    let mut attributes = for_filters(event);
    attributes.insert(CONTENT_TYPE.to_owned(), STRUCTURED.to_owned());
    Ok(Message {
        attributes,
        data: to_json(event, trace)?.into(),
    })
}

/// The event as a message in binary mode.
///
/// # Errors
/// As [`to_json`].
pub fn to_binary(event: &DomainEvent, trace: Option<&TraceContext>) -> Result<Message, Unmappable> {
    let mut message = Message {
        attributes: for_filters(event),
        data: match data(event) {
            Data::None => Bytes::new(),
            Data::Json(json) => json.to_owned().into(),
            Data::Bytes(bytes) => bytes.clone(),
        },
    };
    for (name, value) in attributes(event, trace)? {
        let name = match name.as_str() {
            "datacontenttype" => CONTENT_TYPE.to_owned(),
            _ => format!("{PREFIX}{name}"),
        };
        message.attributes.insert(name, value);
    }
    Ok(message)
}

fn for_filters(event: &DomainEvent) -> BTreeMap<String, String> {
    let filtered = [attribute::TENANT_ID, attribute::EVENT_TYPE];
    let attributes = event.attributes().into_iter();
    attributes
        .filter(|(name, _)| filtered.contains(name))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// All attributes of the CloudEvent, in the order they are written in.
fn attributes(
    event: &DomainEvent,
    trace: Option<&TraceContext>,
) -> Result<Vec<(String, String)>, Unmappable> {
    let foreign = event.foreign.as_ref();
    let content_type = match foreign {
        None => Some(JSON.to_owned()),
        Some(foreign) => foreign.content_type.clone(),
    };
    let text = |text: &str| Some(text.to_owned());
    let id = |id: &Option<Id>| id.as_ref().map(ToString::to_string);
    // A key may be longer than an id; the worker has the same stand for it.
    let key = Id::standing_for(&event.idempotency_key());
    let own = [
        ("specversion", text(SPECVERSION)),
        ("id", text(event.event_id.as_str())),
        ("type", text(event.event_type.as_str())),
        ("source", Some(source(&event.source)?)),
        ("time", Some(event.occurred_at.to_string())),
        ("datacontenttype", content_type),
        ("tenantid", text(event.tenant_id.as_str())),
        ("userid", event.user_id.clone()),
        ("correlationid", id(&event.correlation_id)),
        ("causationid", id(&event.causation_id)),
        ("idempotencykey", text(key.as_str())),
        ("dataversion", text(event.data.version())),
        ("traceparent", trace.map(|trace| trace.traceparent().to_owned())),
        (
            "tracestate",
            trace.and_then(|trace| trace.tracestate().map(ToOwned::to_owned)),
        ),
    ];
    for (field, value) in [
        ("user_id", &event.user_id),
        ("version", &text(event.data.version())),
    ] {
        if value
            .as_deref()
            .is_some_and(|text| text.chars().any(char::is_control))
        {
            return Err(Unmappable::ControlCharacter { field });
        }
    }
    let own = own
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.filter(|value| !value.is_empty())?)));
    let extensions = foreign.map(|foreign| &foreign.extensions).into_iter().flatten();
    let extensions = extensions
        .filter(|(name, value)| is_name(name) && !KNOWN.contains(&name.as_str()) && !value.is_empty())
        .map(|(name, value)| (name.clone(), value.clone()));
    Ok(own.chain(extensions).collect())
}

/// A URI reference (<https://datatracker.ietf.org/doc/html/rfc3986#section-4.1>), by the characters it may hold.
fn source(text: &str) -> Result<String, Unmappable> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    let escapes_ok = text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if text.is_empty() || !escapes_ok || !text.bytes().all(allowed) {
        return Err(Unmappable::Source);
    }
    Ok(text.to_owned())
}

enum Data<'a> {
    None,
    Json(&'a str),
    Bytes(&'a Bytes),
}

fn data(event: &DomainEvent) -> Data<'_> {
    match event.foreign.as_ref().and_then(|foreign| foreign.body.as_ref()) {
        None => Data::Json(event.data.text()),
        Some(body) if body.is_empty() => Data::None,
        Some(body) => Data::Bytes(body),
    }
}

struct Structured<'a> {
    attributes: Vec<(String, String)>,
    data: Data<'a>,
}

impl Serialize for Structured<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.attributes {
            map.serialize_entry(name, value)?;
        }
        match self.data {
            Data::None => {}
            Data::Json(json) => map.serialize_entry("data", &raw(json))?,
            Data::Bytes(bytes) => match self.as_json(bytes) {
                Some(json) => map.serialize_entry("data", &json)?,
                None => map.serialize_entry("data_base64", &STANDARD.encode(bytes))?,
            },
        }
        map.end()
    }
}

impl Structured<'_> {
    /// Data of a JSON media type stand as they are, where they are JSON.
    fn as_json<'b>(&self, bytes: &'b Bytes) -> Option<&'b RawValue> {
        let named = self.attributes.iter().find(|(name, _)| name == "datacontenttype");
        let json = named.is_some_and(|(_, media_type)| is_json(media_type));
        json.then(|| serde_json::from_slice(bytes).ok()).flatten()
    }
}

/// A payload was read as JSON when it came in.
fn raw(json: &str) -> Option<&RawValue> {
    serde_json::from_str(json).ok()
}
