//! The YAML on disk is what the types say.

#![allow(clippy::indexing_slicing, reason = "a test may fail by index")]
use std::{fs, path::Path};

#[test]
fn the_files_are_what_the_types_say() {
    for (file, definition) in crds::manifest::all().unwrap() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let on_disk = fs::read_to_string(&path).unwrap();
        let from_types = crds::manifest::to_yaml(&definition).unwrap();
        assert!(
            on_disk == from_types,
            "{file} is not what crds/src says; run `make crds` and commit the result"
        );
    }
}

/// `kubectl get event-plane -A` shows everything, and no name is one that another project's kind has too: `tnt` is Capsule's.
#[test]
fn both_kinds_are_found_by_names_that_are_theirs_alone() {
    let names = crds::manifest::all().unwrap().map(|(_, definition)| {
        let names = definition.spec.names;
        (names.kind, names.short_names.unwrap(), names.categories.unwrap())
    });
    let categories = vec!["event-plane".to_owned(), "livingtwin".to_owned()];
    let expected = [("Tenant", "evtenant"), ("EventSubscription", "evsub")]
        .map(|(kind, short)| (kind.to_owned(), vec![short.to_owned()], categories.clone()));
    assert_eq!(names, expected);
}

/// Every field explains itself: `kubectl explain` is where users look first.
#[test]
fn every_field_has_a_description() {
    for (file, definition) in crds::manifest::all().unwrap() {
        let schema =
            serde_json::to_value(&definition).unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
                .clone();
        let mut missing = Vec::new();
        for part in ["spec", "status"] {
            undescribed(&schema["properties"][part], part, &mut missing);
        }
        assert!(missing.is_empty(), "{file}: no description on {missing:?}");
    }
}

fn undescribed(schema: &serde_json::Value, path: &str, missing: &mut Vec<String>) {
    if !schema["description"].is_string() {
        missing.push(path.to_owned());
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    for (name, field) in fields.chain(schema["items"]["properties"].as_object().into_iter().flatten()) {
        undescribed(field, &format!("{path}.{name}"), missing);
    }
}

/// What the worker reads must not be settable beside the operator.
#[test]
fn a_tenant_cannot_reach_into_the_pod() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tenants.yaml")).unwrap();
    for field in [
        "serviceAccount",
        "volumes",
        "hostPath",
        "hostNetwork",
        "securityContext",
        "command",
        "nodeName",
    ] {
        assert!(!text.contains(&format!(" {field}:")), "{field} is in the API");
    }
}
