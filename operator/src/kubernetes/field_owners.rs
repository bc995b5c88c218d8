//! Pure: who wrote which field, made small. The whole takes more memory than the object itself, and of each kind only one thing
//! is ever asked.

use crds::label;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use serde_json::json;

/// Whether anybody but the operator wrote a spec.
#[must_use]
pub fn others_wrote_a_spec(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.iter().flatten().any(is_others_spec)
}

/// Of one of our own kinds: what [`others_wrote_a_spec`] asks.
pub fn keep_others_specs(metadata: &mut ObjectMeta) {
    keep(metadata, |entry| {
        is_others_spec(entry).then(|| FieldsV1(json!({"f:spec": {}})))
    });
}

/// Of what the operator made: whether it is the operator that says how many there are.
pub fn keep_our_replicas(metadata: &mut ObjectMeta) {
    keep(metadata, |entry| {
        let said = is_ours(entry) && has(entry, "/f:spec/f:replicas");
        said.then(|| FieldsV1(json!({"f:spec": {"f:replicas": {}}})))
    });
}

fn keep(metadata: &mut ObjectMeta, wanted: impl Fn(&ManagedFieldsEntry) -> Option<FieldsV1>) {
    if let Some(entries) = &mut metadata.managed_fields {
        entries.retain_mut(|entry| {
            entry.fields_v1 = wanted(entry);
            entry.fields_v1.is_some()
        });
        if entries.is_empty() {
            metadata.managed_fields = None;
        } else {
            entries.shrink_to_fit();
        }
    }
}

fn is_others_spec(entry: &ManagedFieldsEntry) -> bool {
    !is_ours(entry) && has(entry, "/f:spec")
}

fn is_ours(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(label::OPERATOR)
}

fn has(entry: &ManagedFieldsEntry, pointer: &str) -> bool {
    let fields = entry.fields_v1.as_ref();
    fields.is_some_and(|fields| fields.0.pointer(pointer).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn kept(keep: fn(&mut ObjectMeta)) -> Value {
        let entry = |manager: &str, fields: Value| json!({"manager": manager, "fieldsV1": fields});
        let mut metadata: ObjectMeta = serde_json::from_value(json!({"managedFields": [
            entry(label::OPERATOR, json!({"f:spec": {"f:replicas": {}, "f:template": {}}})),
            entry(label::OPERATOR, json!({"f:status": {"f:conditions": {}}})),
            entry("kubectl", json!({"f:spec": {"f:replicas": {}}, "f:metadata": {}})),
            entry("kubectl", json!({"f:metadata": {"f:labels": {}}})),
        ]}))
        .unwrap();
        keep(&mut metadata);
        json!(metadata.managed_fields)
    }

    #[test]
    fn what_others_wrote_into_a_spec_is_kept_and_what_we_did_is_not() {
        let expected = json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}]);
        assert_eq!(kept(keep_others_specs), expected);
    }

    #[test]
    fn our_say_about_replicas_is_kept_and_others_is_not() {
        let expected = json!([{"manager": label::OPERATOR, "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
        assert_eq!(kept(keep_our_replicas), expected);
    }

    #[test]
    fn where_nothing_is_kept_nothing_is_left() {
        let mut metadata = ObjectMeta {
            managed_fields: Some(vec![ManagedFieldsEntry::default()]),
            ..ObjectMeta::default()
        };
        keep_our_replicas(&mut metadata);
        assert_eq!(metadata, ObjectMeta::default());
    }
}
