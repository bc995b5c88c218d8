//! Pure: an event as a CloudEvent of version 1.0, in binary mode, which is HTTP headers and the payload as body, or many
//! of them in batched mode, which is a JSON array
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>).

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use events::Payload;
use serde::Serialize;

use crate::handle::Event;

/// The content type of a batch.
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";
const JSON: &str = "application/json";
/// Of bytes whose publisher named no media type.
const BYTES: &str = "application/octet-stream";

/// One event of a batch.
#[derive(Serialize)]
struct Structured<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    time: String,
    tenantid: &'a str,
    correlationid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    causationid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    userid: Option<&'a str>,
    idempotencykey: &'a str,
    dataversion: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracestate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    /// What an event of another envelope has beside: none is called like a field above.
    #[serde(flatten)]
    extensions: Option<&'a BTreeMap<String, String>>,
}

/// The data of an event in another envelope, where it is not the payload.
fn bytes(event: &Event) -> Option<&Bytes> {
    event.foreign.as_ref()?.body.as_ref()
}

/// The media type of an event's data; none where it has none.
pub(crate) fn content_type(event: &Event) -> Option<&str> {
    let named = event
        .foreign
        .as_ref()
        .and_then(|foreign| foreign.content_type.as_deref());
    match bytes(event) {
        None => Some(named.unwrap_or(JSON)),
        Some(data) => named.or_else(|| (!data.is_empty()).then_some(BYTES)),
    }
}

/// An event's data as its publisher wrote it.
pub(crate) fn body(event: &Event) -> Bytes {
    bytes(event).map_or_else(|| event.data.text().to_owned().into(), Bytes::clone)
}

/// The body of a batch.
pub(crate) fn batch(events: &[Event]) -> serde_json::Result<Vec<u8>> {
    let structured = |event| {
        let event: &Event = event;
        let bytes = bytes(event);
        Structured {
            specversion: "1.0",
            id: event.event_id.as_str(),
            source: &event.source,
            event_type: event.event_type.as_str(),
            time: event.occurred_at.to_string(),
            tenantid: event.tenant_id.as_str(),
            correlationid: event.correlation_id().as_str(),
            causationid: event.causation_id.as_ref().map(events::event::Id::as_str),
            userid: event.user_id.as_deref(),
            idempotencykey: event.idempotency_key(),
            dataversion: event.data.version(),
            traceparent: event.traceparent(),
            tracestate: event.tracestate(),
            datacontenttype: content_type(event),
            data: bytes.is_none().then_some(&event.data),
            data_base64: bytes
                .filter(|bytes| !bytes.is_empty())
                .map(|bytes| STANDARD.encode(bytes)),
            extensions: event.foreign.as_ref().map(|foreign| &foreign.extensions),
        }
    };
    serde_json::to_vec(&events.iter().map(structured).collect::<Vec<_>>())
}

/// The headers, names in lower case.
pub(crate) fn headers(event: &Event) -> Vec<(Cow<'static, str>, String)> {
    let mut headers = vec![
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", event.event_id.to_string()),
        ("ce-source", event.source.clone()),
        ("ce-type", event.event_type.to_string()),
        ("ce-time", event.occurred_at.to_string()),
        ("ce-tenantid", event.tenant_id.to_string()),
        ("ce-correlationid", event.correlation_id().to_string()),
        ("ce-idempotencykey", event.idempotency_key().to_owned()),
        ("ce-dataversion", event.data.version().to_owned()),
    ];
    headers.extend(
        event
            .causation_id
            .as_ref()
            .map(|id| ("ce-causationid", id.to_string())),
    );
    headers.extend(event.user_id.clone().map(|id| ("ce-userid", id)));
    let mut headers: Vec<(Cow<'static, str>, String)> = headers
        .into_iter()
        .map(|(name, value)| (Cow::from(name), encode(&value)))
        .collect();
    let foreign = event.foreign.iter().flat_map(|foreign| &foreign.extensions);
    headers.extend(foreign.map(|(name, value)| (format!("ce-{name}").into(), encode(value))));
    // The trace's own headers, which are not attributes of the event and are of the form that HTTP takes.
    for (name, value) in [
        ("traceparent", event.traceparent()),
        ("tracestate", event.tracestate()),
    ] {
        headers.extend(value.map(|value| (name.into(), value.to_owned())));
    }
    headers
}

/// Percent-encodes what a header value cannot hold (section 3.1.3.2 of the binding).
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '!'..='~') && !matches!(c, '"' | '%') {
            encoded.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use events::DomainEvent;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::handle::Context;

    #[test]
    fn encodes_as_the_binding_says() {
        assert_eq!(encode("Euro € 😀"), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(encode("100% \"sure\"\r\n"), "100%25%20%22sure%22%0D%0A");
    }

    proptest! {
        #[test]
        fn every_text_becomes_a_header_value(text in ".*") {
            let encoded = encode(&text);
            prop_assert!(reqwest::header::HeaderValue::from_str(&encoded).is_ok());
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_graphic()));
        }
    }

    #[test]
    fn says_everything_but_the_payload() {
        let json = json!({
            "event_id": "evt-1", "event_type": "document.ingested", "tenant_id": "tenant-123", "source": "in gest",
            "occurred_at": "2026-01-02T03:04:05Z", "correlation_id": "req-9", "data": {"version": "2.0", "a": 1},
        });
        let context = Context {
            message_id: "1".to_owned(),
            bytes: 100,
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            tracestate: Some("congo=1".to_owned()),
            delivery_attempt: None,
            published_at: None,
            subscription: "projects/acme-events/subscriptions/sub-1".parse().unwrap(),
        };
        let event = Event::new(DomainEvent::decode(json.to_string().as_bytes()).unwrap(), context);
        assert_eq!(
            headers(&event),
            [
                ("ce-specversion", "1.0"),
                ("ce-id", "evt-1"),
                ("ce-source", "in%20gest"),
                ("ce-type", "document.ingested"),
                ("ce-time", "2026-01-02T03:04:05Z"),
                ("ce-tenantid", "tenant-123"),
                ("ce-correlationid", "req-9"),
                ("ce-idempotencykey", "document.ingested:tenant-123:evt-1"),
                ("ce-dataversion", "2.0"),
                (
                    "traceparent",
                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                ),
                ("tracestate", "congo=1"),
            ]
            .map(|(name, value)| (Cow::from(name), value.to_owned()))
        );
    }
}
