//! Whose a field is, on entries as a real API server writes them.

use super::*;

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
        "time": "2026-01-01T00:00:00Z", "fieldsV1": fields,
    })
}

fn metadata(entries: &[Value]) -> ObjectMeta {
    serde_json::from_value(json!({"managedFields": entries})).unwrap()
}

fn live(entries: &[Value]) -> Value {
    json!({"metadata": {"managedFields": entries}})
}

/// What comes of a Deployment like the worker's.
fn ours() -> Value {
    json!({
        "f:metadata": {
            "f:annotations": {"f:events.livingtwin.io/applied": {}},
            "f:ownerReferences": {"k:{\"uid\":\"u\"}": {}},
            "f:finalizers": {"v:\"ours\"": {}},
        },
        "f:spec": {
            "f:selector": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"worker\"}": {
                ".": {}, "f:name": {}, "f:image": {},
                "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}},
                "f:ports": {"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                "f:resources": {"f:requests": {"f:cpu": {}}},
            }}}},
        },
    })
}

fn wanted() -> Value {
    json!({
        "metadata": {
            "name": "event-worker", "namespace": "acme", "labels": {},
            "annotations": {"events.livingtwin.io/applied": "h"},
            "ownerReferences": [{"uid": "u", "name": "acme", "controller": true}],
            "finalizers": ["ours"],
        },
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [{
                "name": "worker", "image": "worker:1", "env": [{"name": "A", "value": "1"}], "volumeMounts": [],
                "ports": [{"containerPort": 8080}], "resources": {"requests": {"cpu": "10m"}}, "securityContext": null,
            }]}},
        },
    })
}

fn is_lost(fields: &Value) -> Option<String> {
    lost(&live(&[entry(label::OPERATOR, "Apply", fields)]), &wanted()).map(|field| field.to_string())
}

fn without(pointer: &str) -> Value {
    let mut fields = ours();
    let (above, last) = pointer.rsplit_once('/').unwrap();
    let removed = fields
        .pointer_mut(above)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(last);
    assert!(removed.is_some(), "{pointer}");
    fields
}

#[test]
fn a_wish_is_met_when_each_of_its_leaves_is_ours_whatever_their_values_are() {
    assert_eq!(is_lost(&ours()), None);
    // The caches keep it as text.
    assert_eq!(is_lost(&Value::from(ours().to_string())), None);
}

#[test]
fn a_leaf_that_somebody_else_took_is_named() {
    let container = "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"worker\"}";
    for (pointer, expected) in [
        ("/f:metadata/f:annotations", "metadata.annotations"),
        ("/f:metadata/f:ownerReferences", "metadata.ownerReferences"),
        ("/f:metadata/f:finalizers", "metadata.finalizers"),
        ("/f:spec/f:selector", "spec.selector"),
        ("/f:spec/f:template", "spec.template"),
        (
            &format!("{container}/f:image"),
            "spec.template.spec.containers[worker].image",
        ),
        (
            &format!("{container}/f:resources"),
            "spec.template.spec.containers[worker].resources",
        ),
        (
            &format!("{container}/f:env/k:{{\"name\":\"A\"}}/f:value"),
            "spec.template.spec.containers[worker].env[A].value",
        ),
        ("/f:spec", "spec"),
    ] {
        let found = is_lost(&without(pointer));
        assert!(
            found.as_deref().is_some_and(|found| found.starts_with(expected)),
            "{pointer}: {found:?}"
        );
    }
}

#[test]
fn what_another_manager_or_another_operation_of_ours_has_is_not_what_we_applied() {
    let is_lost = |one: Value| lost(&live(&[one]), &wanted()).is_some();
    assert!(!is_lost(entry(label::OPERATOR, "Apply", &ours())));
    assert!(is_lost(entry(label::OPERATOR, "Update", &ours())));
    assert!(is_lost(entry("kubectl", "Apply", &ours())));
    let mut status = entry(label::OPERATOR, "Apply", &ours());
    status["subresource"] = json!("status");
    assert!(is_lost(status));
    assert!(lost(&json!({}), &wanted()).is_some());
}

#[test]
fn the_new_owner_of_a_field_is_found() {
    let took = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"worker\"}": {"f:image": {}}}}}}});
    let image = "/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"worker\"}/f:image";
    let live = live(&[
        entry("somebody", "Update", &json!({"f:spec": {"f:paused": {}}})),
        entry("kyverno", "Update", &took),
        entry(label::OPERATOR, "Apply", &without(image)),
    ]);
    let wanted = wanted();
    let field = lost(&live, &wanted).unwrap();
    assert_eq!(field.to_string(), "spec.template.spec.containers[worker].image");
    assert_eq!(owner_of(&live, &field).as_deref(), Some("kyverno"));
}

fn applied(spec: &Value) -> Value {
    entry(label::OPERATOR, "Apply", &json!({"f:spec": spec}))
}

fn edited(spec: &Value) -> Value {
    entry("kubectl-edit", "Update", &json!({"f:spec": spec}))
}

#[test]
fn what_others_put_into_a_spec_is_found_and_what_they_share_with_us_is_not() {
    let ours = applied(&json!({"f:topic": {}, "f:deadLetter": {"f:retention": {}}}));
    for (theirs, expected) in [
        (json!({"f:topic": {}}), None),
        (json!({"f:deadLetter": {".": {}, "f:retention": {}}}), None),
        (json!({"f:retention": {}}), Some(json!({"f:retention": {}}))),
        (
            json!({"f:topic": {}, "f:deadLetter": {"f:retention": {}, "f:enabled": {}}}),
            Some(json!({"f:deadLetter": {"f:enabled": {}}})),
        ),
    ] {
        let mut metadata = metadata(&[ours.clone(), edited(&theirs)]);
        assert_eq!(foreign_spec(&metadata), expected);
        keep_others_specs(&mut metadata);
        assert_eq!(foreign_spec(&metadata), expected, "once it was made small");
    }
    let by_hand = metadata(&[edited(&json!({"f:topic": {}}))]);
    assert_eq!(foreign_spec(&by_hand), None, "the operator applied nothing");
}

#[test]
fn what_is_not_wanted_is_taken_away_and_what_is_wanted_is_left_to_the_apply() {
    let theirs = edited(&json!({
        "f:retention": {}, "f:topic": {}, "f:retryPolicy": {".": {}, "f:minimumBackoff": {}}, "f:deadLetter": {"f:enabled": {}},
    }));
    let live = live(&[applied(&json!({"f:tenantRef": {"f:name": {}}})), theirs]);
    let wanted = json!({"spec": {"topic": "events", "deadLetter": {"retention": "1h"}, "tenantRef": {"name": "acme"}}});
    assert_eq!(
        without_foreign_spec(&live, &wanted),
        Some(json!({"spec": {"retention": null, "retryPolicy": null, "deadLetter": {"enabled": null}}}))
    );
    let nothing = json!({"metadata": {"managedFields": [applied(&json!({"f:topic": {}}))]}});
    assert_eq!(without_foreign_spec(&nothing, &wanted), None);
}

#[test]
fn of_all_entries_only_our_own_is_kept() {
    let mut kept = metadata(&[
        entry(label::OPERATOR, "Apply", &ours()),
        entry(
            label::OPERATOR,
            "Update",
            &json!({"f:metadata": {"f:finalizers": {}}}),
        ),
        entry("kubectl", "Update", &json!({"f:spec": {"f:replicas": {}}})),
    ]);
    keep_ours(&mut kept);
    let expected = json!([{"manager": label::OPERATOR, "operation": "Apply", "fieldsV1": ours()}]);
    assert_eq!(json!(kept.managed_fields), expected);
    let mut nothing = metadata(&[edited(&json!({"f:topic": {}}))]);
    keep_ours(&mut nothing);
    assert_eq!(nothing, ObjectMeta::default());
}
