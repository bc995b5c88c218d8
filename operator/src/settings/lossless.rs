//! Kubernetes' own types out of the configuration and out of free-form fields: they pass over what they do not know, and a
//! mistyped key would count for nothing and be noticed by nobody.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A field with what is wrong of it and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Wrong {
    /// The field, as a path.
    pub field: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

impl Wrong {
    /// Says what is wrong of a field.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// Reads a value of which every key is known to the type.
///
/// # Errors
/// Names the key that is not known, or the field that has the wrong type.
pub fn read<T: DeserializeOwned + Serialize>(given: &Value, at: &str) -> Result<T, Wrong> {
    let read: T = serde_json::from_value(given.clone()).map_err(|error| Wrong::new(at, error.to_string()))?;
    let written = serde_json::to_value(&read).map_err(|error| Wrong::new(at, error.to_string()))?;
    match lost(given, &written) {
        Some(path) => Err(Wrong::new(format!("{at}{path}"), "there is no such field")),
        None => Ok(read),
    }
}

/// The path of the first key that was given and is not in what was read. What is empty may be left out in writing.
fn lost(given: &Value, read: &Value) -> Option<String> {
    match (given, read) {
        (Value::Object(given), read) => given.iter().find_map(|(key, value)| match read.get(key) {
            Some(found) => lost(value, found).map(|path| format!(".{key}{path}")),
            None => (!is_empty(value)).then(|| format!(".{key}")),
        }),
        (Value::Array(given), Value::Array(read)) => given
            .iter()
            .zip(read)
            .enumerate()
            .find_map(|(index, (given, read))| lost(given, read).map(|path| format!("[{index}]{path}"))),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Affinity;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_that_is_not_known_is_named_wherever_it_is() {
        let term =
            json!({"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "kubernetes.io/hostname"});
        let good = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
        assert!(read::<Affinity>(&good, "affinity").is_ok());
        let mut bad = good.clone();
        bad["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]["topologyKy"] =
            json!("x");
        assert_eq!(
            read::<Affinity>(&bad, "affinity").unwrap_err().to_string(),
            "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKy: there is no such field"
        );
        let mistyped = read::<Affinity>(&json!({"nodeAffinity": 1}), "affinity").unwrap_err();
        assert_eq!(mistyped.field, "affinity");
    }
}
