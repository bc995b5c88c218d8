//! CloudEvents of version 1.0 on Pub/Sub
//! (<https://github.com/googleapis/google-cloudevents/blob/main/docs/spec/pubsub.md>). In binary mode attributes are the
//! message's, with `ce-` before their names, and data is its data; in structured mode its data is a JSON object with all of
//! it, and its attribute `content-type` says so.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use events::{DecodeError, DomainEvent, TenantId, event::Id};
use serde_json::{Value, value::RawValue};

use super::{Parts, attribute, extension_name, media_type};
use crate::message::Message;

const CONTENT_TYPE: &str = "content-type";
const PREFIX: &str = "ce-";
const STRUCTURED: &str = "application/cloudevents";
const JSON: &str = "application/json";

/// Attributes that have a place of their own in an event, or are the trace's.
const KNOWN: [&str; 15] = [
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
];

/// A CloudEvent, whatever mode it came in.
struct CloudEvent {
    /// As texts, by their names without a prefix.
    attributes: BTreeMap<String, String>,
    data: Bytes,
}

pub(super) fn open(own: &TenantId, message: &Message) -> Result<DomainEvent, DecodeError> {
    let content_type = attribute(&message.attributes, CONTENT_TYPE).unwrap_or_default();
    let event = match format(content_type) {
        Some("json") => structured(&message.data)?,
        Some(_) => {
            return Err(wrong(
                "of the formats in structured mode, application/cloudevents+json alone is read",
            ));
        }
        None => binary(message),
    };
    event.domain(own, message)
}

/// The event format that a media type of CloudEvents names, which is JSON where it names none.
fn format(content_type: &str) -> Option<&str> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let (head, format) = media_type.split_at_checked(STRUCTURED.len())?;
    head.eq_ignore_ascii_case(STRUCTURED).then_some(match format {
        "" => "json",
        format if format.eq_ignore_ascii_case("+json") => "json",
        format => format,
    })
}

fn binary(message: &Message) -> CloudEvent {
    let named = message.attributes.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(PREFIX)?;
        Some((name.to_owned(), value.clone()))
    });
    let mut attributes: BTreeMap<String, String> = named.collect();
    // Where it is set it is the media type of the data, whatever the other says.
    if let Some(content_type) = attribute(&message.attributes, CONTENT_TYPE) {
        attributes.insert("datacontenttype".to_owned(), content_type.to_owned());
    }
    CloudEvent {
        attributes,
        data: message.data.clone(),
    }
}

fn structured(json: &[u8]) -> Result<CloudEvent, DecodeError> {
    let mut fields: BTreeMap<String, Box<RawValue>> =
        serde_json::from_slice(json).map_err(|_| wrong("its data is not a JSON object"))?;
    let given = |value: Option<Box<RawValue>>| value.filter(|value| value.get() != "null");
    let data = given(fields.remove("data"));
    let encoded = given(fields.remove("data_base64"));
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
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let subtype = media_type.rsplit(['/', '+']).next().unwrap_or_default();
    let text = match subtype.eq_ignore_ascii_case("json") {
        true => None,
        false => serde_json::from_str::<String>(data.get()).ok(),
    };
    text.unwrap_or_else(|| data.get().to_owned()).into()
}

impl CloudEvent {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    fn domain(self, own: &TenantId, message: &Message) -> Result<DomainEvent, DecodeError> {
        if self.get("specversion") != Some("1.0") {
            return Err(wrong("its specversion is not 1.0"));
        }
        let source = self.get("source").ok_or_else(|| wrong("its source is missing"))?;
        let tenant = match self.get("tenantid") {
            None => own.clone(),
            Some(tenant) => TenantId::parse(tenant).map_err(|_| wrong("its tenantid is no tenant's id"))?,
        };
        let occurred_at = match self.get("time") {
            None => message.published_at.unwrap_or_default(),
            Some(time) => time
                .parse()
                .map_err(|_| wrong("its time is not of the form 2026-01-02T03:04:05Z"))?,
        };
        let (id, event_type) = (
            self.get("id").unwrap_or_default(),
            self.get("type").unwrap_or_default(),
        );
        // A CloudEvent's id is unique for its source only.
        let key = match self.get("idempotencykey") {
            Some(key) => Id::standing_for(key),
            None => Id::standing_for(&format!("{event_type}:{tenant}:{source}:{id}")),
        };
        let extensions = self.attributes.iter().filter(|(name, value)| {
            !KNOWN.contains(&name.as_str()) && !value.is_empty() && extension_name(name) == **name
        });
        Parts {
            envelope: "CloudEvent",
            id,
            event_type,
            source: source.to_owned(),
            occurred_at,
            user_id: self.get("userid").map(ToOwned::to_owned),
            correlation_id: self.get("correlationid"),
            causation_id: self.get("causationid"),
            idempotency_key: Some(key),
            version: self.get("dataversion").map(ToOwned::to_owned),
            content_type: media_type(self.get("datacontenttype")),
            extensions: extensions
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            data: self.data.clone(),
            tenant,
        }
        .event()
    }
}

fn wrong(problem: &'static str) -> DecodeError {
    DecodeError::NotForeign {
        envelope: "CloudEvent",
        problem,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{envelope::tests::own, message::sample as message};

    const BINARY: [(&str, &str); 6] = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1234-1234"),
        ("ce-type", "com.example.someEvent"),
        ("ce-source", "/mycontext/subcontext"),
        ("ce-time", "2020-03-10T03:56:24+01:00"),
        ("ce-subject", "larger-context"),
    ];

    fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut all: BTreeMap<&str, &str> = BINARY.into_iter().collect();
        all.extend(more.iter().copied());
        all.into_iter().collect()
    }

    fn in_json(change: impl FnOnce(&mut Value)) -> Result<DomainEvent, DecodeError> {
        let mut event = json!({
            "specversion": "1.0", "id": "1234-1234", "type": "com.example.someEvent", "source": "/mycontext/subcontext",
            "time": "2020-03-10T02:56:24Z", "subject": "larger-context", "data": {"n": 1},
        });
        change(&mut event);
        let attributes = [("content-type", "application/cloudevents+json; charset=UTF-8")];
        open(&own(), &message(&attributes, event.to_string()))
    }

    #[test]
    fn both_modes_say_the_same() {
        let binary = with(&[("content-type", "application/json")]);
        let binary = open(&own(), &message(&binary, r#"{"n":1}"#)).unwrap();
        assert_eq!(binary, in_json(|_| ()).unwrap());
        assert_eq!(binary.event_type.as_str(), "com.example.someEvent");
        assert_eq!(
            (binary.event_id.as_str(), binary.source.as_str()),
            ("1234-1234", "/mycontext/subcontext")
        );
        assert_eq!(binary.occurred_at.to_string(), "2020-03-10T02:56:24Z");
        assert_eq!((binary.data.text(), binary.data.version()), (r#"{"n":1}"#, "1.0"));
        assert_eq!(
            binary.idempotency_key(),
            "com.example.someEvent:tenant-123:/mycontext/subcontext:1234-1234"
        );
        let foreign = binary.foreign.unwrap();
        assert_eq!(foreign.content_type.as_deref(), Some("application/json"));
        assert_eq!(
            foreign.extensions,
            BTreeMap::from([("subject".to_owned(), "larger-context".to_owned())])
        );
    }

    #[test]
    fn our_own_extensions_have_their_places() {
        let more = with(&[
            ("ce-correlationid", "req-9"),
            ("ce-causationid", "evt-0"),
            ("ce-userid", "ada"),
            ("ce-idempotencykey", "key-1"),
            ("ce-dataversion", "2.0"),
            ("ce-tenantid", "tenant-123"),
            (
                "ce-traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
            ("ce-datacontenttype", "text/xml"),
            ("ce-bad_name", "x"),
            ("other", "y"),
        ]);
        let event = open(&own(), &message(&more, "<a/>")).unwrap();
        assert_eq!(event.correlation_id().as_str(), "req-9");
        assert_eq!(event.causation_id.unwrap().as_str(), "evt-0");
        assert_eq!(event.user_id.as_deref(), Some("ada"));
        assert_eq!(event.own_idempotency_key.unwrap().as_str(), "key-1");
        assert_eq!(event.data.version(), "2.0");
        let foreign = event.foreign.unwrap();
        assert_eq!(foreign.content_type.as_deref(), Some("text/xml"));
        assert_eq!(foreign.body, Some(Bytes::from("<a/>")));
        assert_eq!(foreign.extensions.into_keys().collect::<Vec<_>>(), ["subject"]);
    }

    #[test]
    fn data_in_json_is_json_a_text_bytes_or_nothing() {
        let of = |change: fn(&mut Value)| in_json(change).unwrap();
        let set = of(|event| event["data"] = json!([1, 2]));
        assert_eq!(set.foreign.unwrap().body, Some(Bytes::from("[1,2]")));
        let text = of(|event| {
            event["datacontenttype"] = json!("text/plain");
            event["data"] = json!("line\nline");
        });
        assert_eq!(text.foreign.unwrap().body, Some(Bytes::from("line\nline")));
        let quoted = of(|event| event["data"] = json!("text"));
        assert_eq!(quoted.foreign.unwrap().body, Some(Bytes::from("\"text\"")));
        let bytes = of(|event| {
            event["data"] = json!(null);
            event["data_base64"] = json!("AAH/");
        });
        assert_eq!(
            bytes.foreign.unwrap().body,
            Some(Bytes::from_static(&[0, 1, 255]))
        );
        let none = of(|event| {
            event.as_object_mut().unwrap().remove("data");
            event["sampledrate"] = json!(30);
            event["urgent"] = json!(true);
        });
        let foreign = none.foreign.unwrap();
        assert_eq!((foreign.body, foreign.content_type), (Some(Bytes::new()), None));
        assert_eq!(foreign.extensions["sampledrate"], "30");
        assert_eq!(foreign.extensions["urgent"], "true");
    }

    #[test]
    fn ids_are_unique_for_their_source_only_and_times_may_be_missing() {
        let key = |source| {
            open(&own(), &message(&with(&[("ce-source", source)]), ""))
                .unwrap()
                .idempotency_key()
        };
        assert_ne!(key("/a"), key("/b"));
        assert_eq!(key("/with space").len(), 64);
        let event = open(&own(), &message(&with(&[("ce-time", "")]), "")).unwrap();
        assert_eq!(event.occurred_at.to_string(), "2026-01-02T03:04:05Z");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let problem = |result: Result<DomainEvent, DecodeError>| result.unwrap_err().to_string();
        for (name, value, expected) in [
            ("ce-specversion", "0.3", "its specversion is not 1.0"),
            ("ce-specversion", "", "its specversion is not 1.0"),
            ("ce-id", "", "its id is missing"),
            ("ce-id", "a b", "its id is missing, or not of 1 to 256 visible"),
            ("ce-type", "", "its type is missing"),
            ("ce-type", "a\nb", "its type is missing, or not"),
            ("ce-source", "", "its source is missing"),
            ("ce-time", "yesterday", "its time is not of the form"),
            ("ce-tenantid", "a b", "its tenantid is no tenant's id"),
            (
                "content-type",
                "application/cloudevents+avro",
                "application/cloudevents+json alone is read",
            ),
            (
                "content-type",
                "application/cloudevents-batch+json",
                "application/cloudevents+json alone is read",
            ),
            (
                "content-type",
                "application/cloudevents+json",
                "its data is not a JSON object",
            ),
        ] {
            let problem = problem(open(&own(), &message(&with(&[(name, value)]), "s3cret")));
            assert!(problem.contains(expected), "{name}={value}: {problem}");
            assert!(problem.starts_with("the message is no CloudEvent: ") && !problem.contains("s3cret"));
        }
        let twice = problem(in_json(|event| event["data_base64"] = json!("")));
        assert!(twice.contains("both data and data_base64"), "{twice}");
        let nested = problem(in_json(|event| event["subject"] = json!({"a": 1})));
        assert!(nested.contains("neither a text, nor a number"), "{nested}");
        let encoded = problem(in_json(|event| {
            event["data"] = json!(null);
            event["data_base64"] = json!("?");
        }));
        assert!(encoded.contains("not base64"), "{encoded}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..2_000), structured: bool, text in ".*") {
            let content_type = if structured { "application/cloudevents+json" } else { "" };
            let attributes = with(&[("content-type", content_type), ("ce-extension", &text)]);
            let _ = open(&own(), &message(&attributes, data));
        }
    }
}
