//! The YAML on disk is what the types say.

#![allow(clippy::indexing_slicing, reason = "a test may fail by index")]
use std::{collections::BTreeSet, fs, path::Path};

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

/// No field of a Tenant lets its worker out of its pod: onto the node, to another identity, or to the API server.
#[test]
fn a_tenant_cannot_reach_out_of_its_pod() {
    let [(_, tenants), _] = crds::manifest::all().unwrap();
    let schema = serde_json::to_value(&tenants.spec.versions[0].schema).unwrap();
    let spec = &schema["openAPIV3Schema"]["properties"]["spec"];
    let mut fields = Vec::new();
    let mut open = Vec::new();
    walk(spec, "spec", &mut fields, &mut open);
    let names: BTreeSet<&str> = fields.iter().filter_map(|path| path.rsplit('.').next()).collect();
    for name in [
        "args",
        "automountServiceAccountToken",
        "capabilities",
        "clusterTrustBundle",
        "command",
        "containers",
        "csi",
        "downwardAPI",
        "ephemeral",
        "hostAliases",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostPath",
        "hostPort",
        "hostUsers",
        "initContainers",
        "lifecycle",
        "mountPropagation",
        "nodeName",
        "persistentVolumeClaim",
        "ports",
        "privileged",
        "schedulerName",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "serviceAccountToken",
        "shareProcessNamespace",
    ] {
        assert!(!names.contains(name), "{name} is in the API: {fields:?}");
    }
    // Where any field is taken, the operator reads it as Kubernetes' affinity, and refuses what is none.
    assert_eq!(open, ["spec.worker.template.affinity"]);
    let below = |path: &str| -> Vec<&str> {
        let inner = fields.iter().filter_map(|field| field.strip_prefix(path));
        inner.filter(|rest| !rest.contains('.')).collect()
    };
    assert_eq!(
        below("spec.worker.template.volumes[]."),
        ["configMap", "emptyDir", "name", "projected", "secret"]
    );
    assert_eq!(
        below("spec.worker.template.volumes[].projected.sources[]."),
        ["configMap", "secret"]
    );
    assert_eq!(
        below("spec.worker.template."),
        [
            "affinity",
            "annotations",
            "envFrom",
            "imagePullSecrets",
            "labels",
            "nodeSelector",
            "priorityClassName",
            "runtimeClassName",
            "tolerations",
            "topologySpreadConstraints",
            "volumeMounts",
            "volumes",
        ]
    );
}

/// The paths of all fields, and of those below which anything is taken.
fn walk(schema: &serde_json::Value, path: &str, fields: &mut Vec<String>, open: &mut Vec<String>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        open.push(path.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields.push(path.clone());
        walk(field, &path, fields, open);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), fields, open);
    }
}

/// A definition is applied by kubectl and kept in an annotation, which together with all others holds 256 KiB
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/>); half of that is left to grow.
#[test]
fn a_definition_fits_an_annotation() {
    for (file, definition) in crds::manifest::all().unwrap() {
        let size = serde_json::to_string(&definition).unwrap().len();
        assert!(size < 128 * 1024, "{file} has {size} bytes");
    }
}
