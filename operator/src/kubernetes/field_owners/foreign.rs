//! Pure: what others put into a spec that is wholly the operator's. Server-side apply leaves it where it is, since it is not the
//! operator's field; but it would be carried out.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

use super::{ITSELF, is_applied_by_us, is_leaf, parsed};

/// The fields of a spec that the operator applied which are somebody else's alone: put in by hand, or changed by hand. None where
/// there are none, or where the operator applied nothing.
#[must_use]
pub fn foreign_spec(metadata: &ObjectMeta) -> Option<Value> {
    let entries = metadata.managed_fields.as_deref()?;
    let (ours, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| is_applied_by_us(entry));
    let ours = parsed(&ours.first()?.fields_v1.as_ref()?.0)?;
    let mut foreign = Map::new();
    for entry in others {
        let theirs = entry.fields_v1.as_ref().and_then(|fields| fields.0.get("f:spec"));
        if let Some(Value::Object(more)) = theirs.and_then(|theirs| difference(theirs, ours.get("f:spec"))) {
            merge(&mut foreign, more);
        }
    }
    (!foreign.is_empty()).then_some(Value::Object(foreign))
}

/// The leaves of one set that are not in the other.
fn difference(theirs: &Value, ours: Option<&Value>) -> Option<Value> {
    let fields = theirs.as_object()?;
    match (fields.is_empty(), ours) {
        (true, Some(_)) => None,
        (true, None) => Some(json!({})),
        // A leaf stands for all that is below it.
        (false, Some(ours)) if is_leaf(ours) => None,
        (false, ours) => {
            let left: Map<_, _> = fields
                .iter()
                .filter(|(key, _)| key.as_str() != ITSELF)
                .filter_map(|(key, value)| {
                    let ours = ours.and_then(|ours| ours.get(key));
                    Some((key.clone(), difference(value, ours)?))
                })
                .collect();
            (!left.is_empty()).then_some(Value::Object(left))
        }
    }
}

fn merge(into: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, value) in more {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(more)) => merge(into, more),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Of a live object: the merge patch that takes away what others put into its spec beside what is wanted. None where there is
/// nothing of the kind.
#[must_use]
pub fn without_foreign_spec(live: &Value, wanted: &Value) -> Option<Value> {
    let metadata: ObjectMeta = serde_json::from_value(live.get("metadata")?.clone()).ok()?;
    let spec = nulls(&foreign_spec(&metadata)?, wanted.get("spec"))?;
    Some(json!({"spec": spec}))
}

fn nulls(foreign: &Value, wanted: Option<&Value>) -> Option<Value> {
    let Some(wanted) = wanted else {
        return Some(Value::Null);
    };
    let fields = foreign.as_object()?.iter();
    let gone: Map<_, _> = fields
        .filter_map(|(key, below)| {
            let name = key.strip_prefix("f:")?;
            Some((name.to_owned(), nulls(below, wanted.get(name))?))
        })
        .collect();
    (!gone.is_empty()).then_some(Value::Object(gone))
}

/// The first field that somebody else put into the spec of a live object that came with all of its `managedFields`, and who.
#[must_use]
pub fn intruder(live: &Value) -> Option<(String, String)> {
    let metadata: ObjectMeta = serde_json::from_value(live.get("metadata")?.clone()).ok()?;
    let mut fields = &json!({"f:spec": foreign_spec(&metadata)?});
    let mut way = Vec::new();
    let mut pointer = String::new();
    while let Some((name, below)) = fields.as_object().and_then(|fields| fields.iter().next()) {
        way.push(name.strip_prefix("f:").unwrap_or(name));
        pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        fields = below;
    }
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let whose = entries
        .iter()
        .rev()
        .find(|entry| entry.pointer(&format!("/fieldsV1{pointer}")).is_some())?;
    Some((way.join("."), whose.get("manager")?.as_str()?.to_owned()))
}
