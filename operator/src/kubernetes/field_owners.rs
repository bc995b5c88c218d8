//! Pure: who owns which field of an object, by its `metadata.managedFields`, and what follows from it
//! (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>). The whole list takes more memory than
//! the object itself, so that the caches keep the operator's own entry, and of others' only what they put into a generated spec.

mod foreign;

pub use foreign::{foreign_spec, intruder, without_foreign_spec};
use std::fmt;

use crds::label;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use serde_json::{Map, Value, json};

/// Of what the operator made: which fields are the operator's.
pub fn keep_ours(metadata: &mut ObjectMeta) {
    keep(metadata, is_applied_by_us);
}

/// Of one of our own kinds: which fields are the operator's, and which fields of its spec are somebody else's. As text, because
/// a fleet has thousands of them.
pub fn keep_others_specs(metadata: &mut ObjectMeta) {
    let foreign = foreign_spec(metadata);
    keep(metadata, is_applied_by_us);
    for entry in metadata.managed_fields.iter_mut().flatten() {
        if let Some(FieldsV1(fields)) = &mut entry.fields_v1
            && fields.is_object()
        {
            *fields = Value::from(fields.to_string());
        }
    }
    if let Some(foreign) = foreign {
        let entry = ManagedFieldsEntry {
            fields_v1: Some(FieldsV1(json!({"f:spec": foreign}))),
            ..ManagedFieldsEntry::default()
        };
        metadata.managed_fields.get_or_insert_default().push(entry);
    }
}

fn keep(metadata: &mut ObjectMeta, wanted: fn(&ManagedFieldsEntry) -> bool) {
    if let Some(entries) = &mut metadata.managed_fields {
        entries.retain(wanted);
        for entry in entries.iter_mut() {
            (entry.time, entry.api_version, entry.fields_type) = (None, None, None);
        }
        if entries.is_empty() {
            metadata.managed_fields = None;
        } else {
            entries.shrink_to_fit();
        }
    }
}

/// What the operator says by server-side apply is in one entry; finalizers and status that it writes are in others.
fn is_applied_by_us(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(label::OPERATOR)
        && entry.operation.as_deref() == Some("Apply")
        && entry.subresource.is_none()
}

/// In a set of fields: the field itself, beside those below it.
const ITSELF: &str = ".";

/// What the server sets itself, and counts as nobody's.
const NOBODYS: [&str; 2] = ["name", "namespace"];

fn is_leaf(fields: &Value) -> bool {
    fields.as_object().is_none_or(Map::is_empty)
}

/// A way into an object.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step<'a> {
    Field(&'a str),
    Item(&'a Value),
}

/// Names one field of a wish.
#[derive(Debug, Clone, PartialEq)]
pub struct Field<'a>(Vec<Step<'a>>);

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if number > 0 => write!(f, ".{name}")?,
                Step::Field(name) => write!(f, "{name}")?,
                Step::Item(Value::Object(item)) => {
                    let name = item.get("name").or_else(|| item.values().next());
                    write!(f, "[{}]", name.map_or_else(String::new, text))?;
                }
                Step::Item(value) => write!(f, "[{}]", text(value))?,
            }
        }
        Ok(())
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The first field of a wish that is not the operator's in a live object, if there is one.
#[must_use]
pub fn lost<'a>(live: &Value, wanted: &'a Value) -> Option<Field<'a>> {
    let entries: Vec<ManagedFieldsEntry> = live
        .pointer("/metadata/managedFields")
        .and_then(|entries| serde_json::from_value(entries.clone()).ok())
        .unwrap_or_default();
    let ours = entries
        .iter()
        .find(|entry| is_applied_by_us(entry))
        .and_then(|entry| parsed(&entry.fields_v1.as_ref()?.0))
        .unwrap_or_default();
    let mut way = Vec::new();
    let fields = wanted.as_object()?;
    for (name, value) in fields {
        way.push(Step::Field(name));
        let below = ours.get(format!("f:{name}"));
        let missing = match (name.as_str(), value) {
            // Of itself it is nobody's, so that it is never a leaf.
            ("metadata", Value::Object(metadata)) => metadata
                .iter()
                .filter(|(name, _)| !NOBODYS.contains(&name.as_str()))
                .any(|(name, value)| {
                    way.push(Step::Field(name));
                    let found = below.and_then(|below| below.get(format!("f:{name}")));
                    let missing = is_missing(found, value, &mut way);
                    if !missing {
                        way.pop();
                    }
                    missing
                }),
            (_, value) => is_missing(below, value, &mut way),
        };
        if missing {
            return Some(Field(way));
        }
        way.pop();
    }
    None
}

/// Walks a wish along a set of fields; `way` ends at what is missing.
fn is_missing<'a>(fields: Option<&Value>, wanted: &'a Value, way: &mut Vec<Step<'a>>) -> bool {
    // The server leaves out what is empty.
    if is_empty(wanted) {
        return false;
    }
    let Some(fields) = fields else {
        return true;
    };
    // Owned as a whole: a scalar, or what the server takes for one (an atomic list or map).
    if is_leaf(fields) {
        return false;
    }
    let mut any = |step: Step<'a>, below: Option<&Value>, value: &'a Value| {
        way.push(step);
        let missing = is_missing(below, value, way);
        if !missing {
            way.pop();
        }
        missing
    };
    match wanted {
        Value::Object(wanted) => wanted
            .iter()
            .any(|(name, value)| any(Step::Field(name), fields.get(format!("f:{name}")), value)),
        Value::Array(items) => items
            .iter()
            .any(|item| any(Step::Item(item), of_item(fields, item), item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What a set of fields has of one item of a list: `v:` for a value, and `k:` for what the item is known by.
fn of_item<'f>(fields: &'f Value, item: &Value) -> Option<&'f Value> {
    let mut elements = fields.as_object()?.iter();
    let found = elements.find(|(element, _)| match element.split_once(':') {
        Some(("v", value)) => serde_json::from_str::<Value>(value).is_ok_and(|value| &value == item),
        Some(("k", keys)) => serde_json::from_str::<Map<String, Value>>(keys).is_ok_and(|keys| {
            // The server fills in a key that has a default, such as the protocol of a port.
            item.is_object()
                && keys
                    .iter()
                    .all(|(name, value)| item.get(name).is_none_or(|own| own == value))
        }),
        _ => false,
    });
    found.map(|(_, below)| below)
}

/// Who else owns a field of a live object that came with all of its `managedFields`.
#[must_use]
pub fn owner_of(live: &Value, field: &Field<'_>) -> Option<String> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let has = |entry: &&Value| {
        let mut fields = entry.get("fieldsV1");
        for step in &field.0 {
            fields = fields.and_then(|fields| match step {
                Step::Field(name) => fields.get(format!("f:{name}")),
                Step::Item(item) => of_item(fields, item),
            });
            // An owner of a whole owns what is in it.
            if fields.is_some_and(is_leaf) {
                return true;
            }
        }
        fields.is_some()
    };
    let owner = entries.iter().rev().find(has)?;
    owner.get("manager")?.as_str().map(str::to_owned)
}

fn parsed(fields: &Value) -> Option<Value> {
    match fields {
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Object(_) => Some(fields.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A wish as it is once it was applied, where every list is one value to the server.
#[cfg(test)]
pub(crate) fn applied(wanted: &Value) -> Value {
    fn fields(value: &Value) -> Value {
        let all = value.as_object().into_iter().flatten();
        all.map(|(name, value)| (format!("f:{name}"), fields(value)))
            .collect()
    }
    let mut live = wanted.clone();
    live["metadata"]["managedFields"] =
        json!([{"manager": label::OPERATOR, "operation": "Apply", "fieldsV1": fields(wanted)}]);
    live
}

#[cfg(test)]
mod tests;
