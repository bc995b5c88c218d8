//! An event as a person writes it: the envelope's fields, of which only the type and the tenant are required.

use std::collections::BTreeMap;

use events::{
    DomainEvent, EventFactory, EventType, Payload, PublishOptions, TenantId, cloudevents, event::Id,
};
use serde::Serialize;
use serde_json::value::RawValue;

/// A field that is missing or wrong, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wrong {
    /// The field's name; empty for the whole.
    pub(crate) field: String,
    /// What is allowed.
    pub(crate) detail: String,
}

impl Wrong {
    pub(crate) fn new(field: &str, detail: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            detail: detail.into(),
        }
    }
}

/// All that is wrong in one text.
pub(crate) fn listed(wrong: &[Wrong]) -> String {
    let texts = wrong.iter().map(|wrong| match wrong.field.as_str() {
        "" => wrong.detail.clone(),
        field => format!("{field}: {}", wrong.detail),
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// The fields that a draft may have.
const FIELDS: [&str; 11] = [
    "event_type",
    "tenant_id",
    "data",
    "event_id",
    "user_id",
    "correlation_id",
    "causation_id",
    "idempotency_key",
    "occurred_at",
    "source",
    "ordering_key",
];

/// Where it says nothing else.
pub(crate) struct Defaults<'a> {
    /// The event's source.
    pub(crate) source: &'a str,
    /// The payload of an event type.
    pub(crate) data: fn(&EventType) -> Payload,
}

/// Reads an event: a draft, or a CloudEvent in JSON where it has a `specversion`.
///
/// # Errors
/// Every field that is wrong, and what is allowed.
pub(crate) fn read(
    json: &[u8],
    defaults: &Defaults<'_>,
) -> Result<(DomainEvent, PublishOptions), Vec<Wrong>> {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(json).map_err(|error| {
        vec![Wrong::new(
            "",
            format!(
                "a JSON object with event_type and tenant_id is needed (line {}, column {})",
                error.line(),
                error.column()
            ),
        )]
    })?;
    if fields.contains_key("specversion") {
        let event = cloud_event(json).map_err(|wrong| vec![wrong])?;
        return Ok((event, PublishOptions::default()));
    }
    Draft {
        fields,
        wrong: Vec::new(),
    }
    .event(defaults)
}

/// Reads a CloudEvent in structured JSON.
///
/// # Errors
/// The attribute that is wrong.
pub(crate) fn cloud_event(json: &[u8]) -> Result<DomainEvent, Wrong> {
    cloudevents::from_json(json).map_err(|error| of_cloud_event(&error))
}

/// Which attribute of a CloudEvent an error is about: its text calls it `its NAME`.
pub(crate) fn of_cloud_event(error: &events::DecodeError) -> Wrong {
    let text = error.to_string();
    let name = text
        .split_once("its ")
        .and_then(|(_, rest)| rest.split(' ').next());
    Wrong::new(name.unwrap_or_default(), &text)
}

struct Draft {
    fields: BTreeMap<String, Box<RawValue>>,
    wrong: Vec<Wrong>,
}

impl Draft {
    fn event(mut self, defaults: &Defaults<'_>) -> Result<(DomainEvent, PublishOptions), Vec<Wrong>> {
        let unknown = self.fields.keys().find(|name| !FIELDS.contains(&name.as_str()));
        if let Some(name) = unknown {
            let detail = format!("no such field; there are {}", FIELDS.join(", "));
            self.wrong.push(Wrong::new(&name.clone(), detail));
        }
        let event_type = self.required("event_type", "document.ingested", EventType::parse);
        let tenant = self.required("tenant_id", "tenant-123", TenantId::parse);
        let data = self.data();
        let source = self.text("source");
        let user = self.text("user_id");
        let [id, correlation, causation, key] =
            ["event_id", "correlation_id", "causation_id", "idempotency_key"]
                .map(|name| self.parsed(name, Id::parse));
        let occurred_at = self.parsed("occurred_at", |text| {
            text.parse::<jiff::Timestamp>()
                .map_err(|_| "a time of the form 2026-01-02T03:04:05Z is needed")
        });
        let ordering_key = self.text("ordering_key");
        let (Some(event_type), Some(tenant), true) = (event_type, tenant, self.wrong.is_empty()) else {
            return Err(self.wrong);
        };
        let data = data.unwrap_or_else(|| (defaults.data)(&event_type));
        let factory = EventFactory::new(source.as_deref().unwrap_or(defaults.source));
        let mut event = factory.written(&tenant, event_type, data);
        if let Some(id) = id {
            event = event.event_id(id);
        }
        if let Some(user) = user {
            event = event.user(user);
        }
        if let Some(id) = correlation {
            event = event.correlation(id);
        }
        if let Some(id) = causation {
            event = event.causation(id);
        }
        if let Some(key) = key {
            event = event.idempotency_key(key);
        }
        if let Some(time) = occurred_at {
            event = event.occurred_at(time);
        }
        let options = PublishOptions {
            ordering_key,
            ..PublishOptions::default()
        };
        Ok((event.build(), options))
    }

    fn data(&mut self) -> Option<Payload> {
        let raw = self.fields.remove("data").filter(|raw| raw.get() != "null")?;
        let data = serde_json::from_str(raw.get()).ok();
        if data.is_none() {
            let detail = "a JSON object is needed, and its version, where it has one, is a text or a number";
            self.wrong.push(Wrong::new("data", detail));
        }
        data
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.parsed(name, |text| match text {
            "" => Err("a text that is not empty is needed"),
            text => Ok(text.to_owned()),
        })
    }

    fn required<T, E: ToString>(
        &mut self,
        name: &str,
        example: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        if !self.fields.contains_key(name) {
            let detail = format!("is required, such as {example:?}");
            self.wrong.push(Wrong::new(name, detail));
        }
        self.parsed(name, parse)
    }

    /// A field that is a text of some form; null is as if it were not there.
    fn parsed<T, E: ToString>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let raw = self.fields.remove(name).filter(|raw| raw.get() != "null")?;
        let parsed = match serde_json::from_str::<String>(raw.get()) {
            Ok(text) => parse(&text).map_err(|error| error.to_string()),
            Err(_) => Err("a text is needed".to_owned()),
        };
        parsed
            .map_err(|detail| self.wrong.push(Wrong::new(name, detail)))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &serde_json::Value) -> Result<(DomainEvent, PublishOptions), Vec<Wrong>> {
        let defaults = Defaults {
            source: "tests",
            data: |_| Payload::default(),
        };
        super::read(value.to_string().as_bytes(), &defaults)
    }

    #[test]
    fn every_field_of_a_draft_gets_into_the_event() {
        let draft = json!({
            "event_type": "document.ingested", "tenant_id": "tenant-123", "event_id": "e-1", "user_id": "u-1",
            "correlation_id": "c-1", "causation_id": "e-0", "idempotency_key": "k-1", "source": "ingest",
            "occurred_at": "2026-01-02T03:04:05Z", "ordering_key": "doc-1", "data": {"version": 2, "big": 12_345_678_901_234_567_890_u64},
        });
        let (event, options) = read(&draft).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&event.encode().unwrap()).unwrap();
        for (field, value) in draft.as_object().unwrap() {
            match field.as_str() {
                "ordering_key" => assert_eq!(options.ordering_key.as_deref(), value.as_str()),
                field => assert_eq!(&written[field], value, "{field}"),
            }
        }
    }

    #[test]
    fn all_that_is_wrong_is_named_at_once() {
        let wrong =
            read(&json!({"event_type": "Nonsense", "data": [], "tenant": "x", "event_id": 7})).unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(fields, ["tenant", "event_type", "tenant_id", "data", "event_id"]);
        assert!(
            listed(&wrong).contains("tenant_id: is required"),
            "{}",
            listed(&wrong)
        );
        assert!(read(&json!([])).unwrap_err()[0].detail.contains("JSON object"));
    }

    #[test]
    fn a_null_for_what_is_required_is_refused() {
        assert!(read(&json!({"event_type": "a.b", "tenant_id": null})).is_err());
    }

    #[test]
    fn the_attribute_of_a_cloud_event_is_named() {
        let event = json!({"specversion": "1.0", "id": "1", "type": "a.b", "source": "/s", "time": "2026-01-02T03:04:05Z"});
        let wrong = read(&event).unwrap_err();
        assert_eq!(wrong[0].field, "tenantid", "{wrong:?}");
    }
}
