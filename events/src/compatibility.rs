//! What may change in a schema within one version: optional fields may be added, and words that explain may be chosen anew.
//! Everything else is another version.
//!
//! A consumer that was written for a version keeps reading what is published in it, and a publisher that was written for it
//! keeps publishing what is taken: no field goes, changes its type or its values, becomes required or stops being so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::schema::FIELD_ORDER;

/// Keywords that explain and do not constrain.
const WORDS: [&str; 5] = ["title", "description", "examples", "$comment", FIELD_ORDER];

/// A change that the rule forbids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Breakage {
    /// Where: the schema's path, then those of the keywords, such as `document.ingested/1.0.json#/properties/document_id/type`.
    pub path: String,
    /// What has changed.
    pub problem: String,
}

/// What of the present schemas breaks the released ones, both by their paths. A schema that was not released may be anything.
#[must_use]
pub fn breakages(released: &BTreeMap<String, Value>, present: &BTreeMap<String, Value>) -> Vec<Breakage> {
    let mut found = Vec::new();
    for (path, old) in released {
        match present.get(path) {
            None => found.push(Breakage {
                path: path.clone(),
                problem: "a released schema is gone".to_owned(),
            }),
            Some(new) => compare(&format!("{path}#"), old, new, &mut found),
        }
    }
    found
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<Breakage>) {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        if old != new {
            found.push(changed(path, Some(old), Some(new)));
        }
        return;
    };
    let keywords: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for keyword in keywords {
        let place = format!("{path}/{keyword}");
        match (keyword.as_str(), old.get(keyword), new.get(keyword)) {
            (word, _, _) if WORDS.contains(&word) => {}
            ("properties", Some(Value::Object(old)), Some(Value::Object(new))) => {
                fields(&place, old, new, found);
            }
            // Whether what was added is required is seen in `required`.
            ("properties", None, Some(Value::Object(_))) => {}
            ("required", old, new) => required(&place, old, new, found),
            (_, Some(Value::Object(old)), Some(Value::Object(new))) => {
                compare(&place, &old.clone().into(), &new.clone().into(), found);
            }
            (
                "oneOf" | "anyOf" | "allOf" | "prefixItems",
                Some(Value::Array(old)),
                Some(Value::Array(new)),
            ) if old.len() == new.len() => {
                for (n, (old, new)) in old.iter().zip(new).enumerate() {
                    compare(&format!("{place}/{n}"), old, new, found);
                }
            }
            (_, old, new) if old != new => found.push(changed(&place, old, new)),
            _ => {}
        }
    }
}

/// Fields by name: each has to be there still, and to mean the same.
fn fields(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<Breakage>) {
    for (name, old) in old {
        let place = format!("{path}/{name}");
        match new.get(name) {
            None => found.push(Breakage {
                path: place,
                problem: "a field is gone".to_owned(),
            }),
            Some(new) => compare(&place, old, new, found),
        }
    }
}

fn required(path: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Breakage>) {
    let names = |list: Option<&Value>| -> BTreeSet<String> {
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    let (old, new) = (names(old), names(new));
    for (names, problem) in [
        (
            new.difference(&old),
            "has become required: publishers of this version may leave it out",
        ),
        (
            old.difference(&new),
            "is required no more: consumers of this version rely on it",
        ),
    ] {
        found.extend(names.map(|name| Breakage {
            path: path.to_owned(),
            problem: format!("{name} {problem}"),
        }));
    }
}

fn changed(path: &str, old: Option<&Value>, new: Option<&Value>) -> Breakage {
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    Breakage {
        path: path.to_owned(),
        problem: format!("was {}, and is {}", shown(old), shown(new)),
    }
}

#[cfg(test)]
mod tests;
