//! Payloads for trying out, with the fields that each type of the catalogue requires.

use std::collections::BTreeMap;

use events::{EventType, Payload, schema};
use serde_json::{Map, Value, json};

/// A payload of a type: its required fields with values that say what they are; `{}` for types of one's own.
pub(crate) fn payload(event_type: &EventType) -> Payload {
    all()
        .remove(event_type.as_str())
        .map_or_else(Payload::default, Into::into)
}

/// The payloads of all types of the catalogue.
pub(crate) fn all() -> BTreeMap<String, Map<String, Value>> {
    let schemas = schema::all().into_iter();
    let of_types =
        schemas.filter_map(|(path, schema)| Some((path.split_once('/')?.0.to_owned(), sample(&schema))));
    of_types.collect()
}

fn sample(schema: &Value) -> Map<String, Value> {
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let fields = required.filter_map(|name| {
        let name = name.as_str()?;
        let field = schema.get("properties")?.get(name)?;
        Some((name.to_owned(), value(name, field)))
    });
    fields.collect()
}

fn value(name: &str, field: &Value) -> Value {
    let first = |list: &Value| list.as_array().and_then(|list| list.first()).cloned();
    let constant = |field: &Value| field.get("const").cloned();
    let named = constant(field).or_else(|| field.get("enum").and_then(first));
    let chosen = || {
        field
            .get("oneOf")
            .and_then(first)
            .and_then(|choice| constant(&choice))
    };
    named
        .or_else(chosen)
        .unwrap_or_else(|| match field.get("type").and_then(Value::as_str) {
            Some("integer" | "number") => json!(1),
            Some("array") => json!([]),
            Some("boolean") => json!(true),
            _ => json!(format!("sample-{}", name.replace('_', "-"))),
        })
}

#[cfg(test)]
mod tests {
    use events::{
        EventFactory, TenantId,
        payloads::{
            DocumentDeleted, DocumentIngested, DocumentUpdated, EventPayload, OrganizationCreated,
            OrganizationUpdated, QueryExecuted, QueryFailed, SystemError, SystemHealthCheck, UserLogin,
            UserRegistered,
        },
    };

    use super::*;

    fn reads<P: EventPayload>() {
        let event_type = P::event_type();
        let tenant = TenantId::parse("tenant-123").unwrap();
        let event = EventFactory::new("tests").written(&tenant, event_type.clone(), payload(&event_type));
        assert!(P::of(&event.build()).is_ok(), "{event_type}");
    }

    #[test]
    fn every_sample_is_a_payload_of_its_type() {
        reads::<DocumentIngested>();
        reads::<DocumentUpdated>();
        reads::<DocumentDeleted>();
        reads::<QueryExecuted>();
        reads::<QueryFailed>();
        reads::<UserRegistered>();
        reads::<UserLogin>();
        reads::<OrganizationCreated>();
        reads::<OrganizationUpdated>();
        reads::<SystemError>();
        reads::<SystemHealthCheck>();
        assert_eq!(all().len(), 11);
    }
}
