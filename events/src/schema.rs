//! JSON Schemas (draft 2020-12) of the envelope and of every payload, for programs in other languages. They are committed in
//! `events/schemas`; `cargo run --example schemas` writes them again.

use std::collections::BTreeMap;

use schemars::{
    JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema, transform::RecursiveTransform,
};
use serde_json::{Map, Value, json};

use crate::{
    DomainEvent, EventType, Payload, TenantId, event,
    event_type::MAX_BYTES as MAX_EVENT_TYPE,
    payloads::{
        DocumentDeleted, DocumentIngested, DocumentUpdated, EventPayload, OrganizationCreated,
        OrganizationUpdated, QueryExecuted, QueryFailed, SystemError, SystemHealthCheck, UserLogin,
        UserRegistered,
    },
    tenant_id::MAX_BYTES as MAX_TENANT_ID,
};

/// What the ids of all schemas begin with.
pub const BASE: &str = "https://events.livingtwin.io/schemas/";

/// The keyword that lists the fields in the order they have on the wire. It constrains nothing: a reader takes any order.
pub const FIELD_ORDER: &str = "x-field-order";

/// The file that keeps the schemas as they were released; `events::compatibility` compares the present ones with it.
pub const RELEASED: &str = "released.json";

/// Every schema by its path below `events/schemas`: `envelope.json`, and `{event_type}/{version}.json`.
#[must_use]
pub fn all() -> BTreeMap<String, Value> {
    let payloads = [
        payload::<DocumentIngested>(),
        payload::<DocumentUpdated>(),
        payload::<DocumentDeleted>(),
        payload::<QueryExecuted>(),
        payload::<QueryFailed>(),
        payload::<UserRegistered>(),
        payload::<UserLogin>(),
        payload::<OrganizationCreated>(),
        payload::<OrganizationUpdated>(),
        payload::<SystemError>(),
        payload::<SystemHealthCheck>(),
    ];
    payloads.into_iter().chain([envelope()]).collect()
}

/// The event types that have a payload of their own.
#[must_use]
pub fn event_types() -> Vec<String> {
    let paths = all().into_keys();
    paths
        .filter_map(|path| Some(path.split_once('/')?.0.to_owned()))
        .collect()
}

/// A schema's text as it is committed.
#[must_use]
pub fn to_text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn payload<P: EventPayload>() -> (String, Value) {
    let path = format!("{}/{}.json", P::EVENT_TYPE, P::VERSION);
    let mut schema = of::<P>(&path);
    let version = json!({"const": P::VERSION, "description": "The version of this schema."});
    if let Some(Value::Object(fields)) = schema.get_mut("properties") {
        fields.insert("version".to_owned(), version);
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.insert(0, json!("version"));
    }
    if let Value::Object(keywords) = &mut schema {
        let order: Vec<&str> = ["version"].iter().chain(P::FIELDS).copied().collect();
        keywords.insert(FIELD_ORDER.to_owned(), json!(order));
    }
    (path, schema)
}

fn envelope() -> (String, Value) {
    let path = "envelope.json".to_owned();
    let schema = of::<DomainEvent>(&path);
    (path, schema)
}

fn of<T: JsonSchema>(path: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let generator = settings
        .with_transform(RecursiveTransform(without_null))
        .into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), json!(format!("{BASE}{path}")));
    schema.into()
}

/// What is not set is left out: null is never written.
fn without_null(schema: &mut Schema) {
    let null = json!("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| *kind != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(choices)) = schema.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice.get("type") != Some(&null));
    if let [Value::Object(only)] = choices.as_slice() {
        let only: Map<String, Value> = only.clone();
        schema.remove("anyOf");
        for (keyword, value) in only {
            // The field's own description stands before that of its type.
            if schema.get(&keyword).is_none() {
                schema.insert(keyword, value);
            }
        }
    }
}

/// A type's schema is written where it is used.
macro_rules! described {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

described!(event::Id, "Id", {
    "type": "string", "minLength": 1, "maxLength": event::MAX_ID_BYTES, "pattern": "^[!-~]+$",
});
described!(TenantId, "TenantId", {
    "type": "string", "minLength": 1, "maxLength": MAX_TENANT_ID, "pattern": "^[A-Za-z0-9._~-]+$",
});
described!(EventType, "EventType", {
    "type": "string", "maxLength": MAX_EVENT_TYPE, "pattern": "^[a-z0-9_]+(\\.[a-z0-9_]+)+$",
});
described!(Payload, "Payload", {
    "type": "object",
    "properties": {
        "version": {
            "type": ["string", "number"],
            "description": "The version of the payload's schema; 1.0 where it is not there.",
        },
    },
});

#[cfg(test)]
mod tests;
