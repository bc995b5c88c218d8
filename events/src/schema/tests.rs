use std::{fs, path::PathBuf};

use super::*;
use crate::compatibility::breakages;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

#[test]
fn the_committed_schemas_are_up_to_date() {
    for (path, schema) in all() {
        let committed = fs::read_to_string(folder().join(&path)).unwrap_or_default();
        assert!(
            committed == to_text(&schema),
            "events/schemas/{path} is out of date: run `cargo run --example schemas`, and commit the files"
        );
    }
}

#[test]
fn no_other_schema_is_committed() {
    let mut files = Vec::new();
    let mut folders = vec![folder()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path.strip_prefix(folder()).unwrap().display().to_string()),
            }
        }
    }
    files.sort();
    let mut expected: Vec<String> = all().into_keys().chain([RELEASED.to_owned()]).collect();
    expected.sort();
    assert_eq!(files, expected);
}

#[test]
fn within_a_version_only_optional_fields_are_added() {
    let released = fs::read_to_string(folder().join(RELEASED)).unwrap();
    let released: BTreeMap<String, Value> = serde_json::from_str(&released).unwrap();
    assert_eq!(
        released.len(),
        12,
        "the envelope and eleven payloads were released"
    );
    let found = breakages(&released, &all());
    assert!(
        found.is_empty(),
        "give the payload another version instead: {}",
        found
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    );
}

#[test]
fn the_rule_holds_for_our_own_schemas() {
    let released = all();
    let mut present = all();
    let ingested = present.get_mut("document.ingested/1.0.json").unwrap();
    ingested["required"]
        .as_array_mut()
        .unwrap()
        .push(json!("size_bytes"));
    ingested["properties"]["document_id"]["type"] = json!("integer");
    assert_eq!(breakages(&released, &present).len(), 2);
}

#[test]
fn a_schema_says_what_is_on_the_wire() {
    let schemas = all();
    let error = &schemas["system.error/1.0.json"];
    assert_eq!(
        error["required"],
        json!(["version", "component", "error_message"])
    );
    assert_eq!(error["properties"]["version"]["const"], json!("1.0"));
    assert_eq!(error["properties"]["error_code"]["type"], json!("string"));
    let text = to_text(error);
    assert!(!text.contains("null") && !text.contains("$ref"), "{text}");
    assert_eq!(
        error["x-field-order"],
        json!(["version", "component", "error_message", "error_code", "severity"])
    );
    for (path, schema) in &schemas {
        assert_eq!(
            schema["$schema"],
            json!("https://json-schema.org/draft/2020-12/schema")
        );
        assert_eq!(schema["$id"], json!(format!("{BASE}{path}")));
        for (name, field) in schema["properties"].as_object().unwrap() {
            assert!(
                field["description"].is_string(),
                "{path}: {name} is not explained"
            );
        }
    }
}
