//! I/O, writes only: objects, finalizers and status in Kubernetes.

use std::fmt::Debug;

use crds::label;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
    core::{NamespaceResourceScope, PartialObjectMeta, Request},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    decoded,
    manifest::{Key, Manifest},
};

fn api(client: &Client, key: &Key) -> Api<DynamicObject> {
    let resource = key.kind.api_resource();
    match &key.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Server-side apply as the operator. Forced, because these objects are the operator's own: a field that somebody else
/// took is drift.
///
/// Gives the object as it is then.
///
/// # Errors
/// What the API server says.
pub async fn apply(client: &Client, manifest: &Manifest) -> kube::Result<Value> {
    apply_at(client, manifest, None).await
}

/// The same, to this version of the object.
///
/// # Errors
/// What the API server says; 409 when the object is of another version.
pub(super) async fn apply_at(
    client: &Client,
    manifest: &Manifest,
    version: Option<&str>,
) -> kube::Result<Value> {
    let params = PatchParams::apply(label::OPERATOR).force();
    let mut body = manifest.body.clone();
    let resource = manifest.key.kind.api_resource();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("apiVersion".to_owned(), json!(resource.api_version));
        fields.insert("kind".to_owned(), json!(resource.kind));
    }
    name_version(&mut body, version);
    let written = api(client, &manifest.key)
        .patch(&manifest.key.name, &params, &Patch::Apply(body))
        .await?;
    serde_json::to_value(&written).map_err(kube::Error::SerdeError)
}

/// Takes something away that server-side apply cannot, since it is somebody else's; gives the object as it is then.
///
/// # Errors
/// What the API server says; 409 when the object is not the one that was looked at.
pub async fn take_away(
    client: &Client,
    key: &Key,
    patch: &Value,
    version: Option<&str>,
) -> kube::Result<Value> {
    let mut patch = patch.clone();
    name_version(&mut patch, version);
    let written = api(client, key)
        .patch(&key.name, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    serde_json::to_value(&written).map_err(kube::Error::SerdeError)
}

/// Lets a body be for this version of its object only.
fn name_version(body: &mut Value, version: Option<&str>) {
    if let (Some(version), Some(fields)) = (version, body.as_object_mut()) {
        let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("resourceVersion".to_owned(), json!(version));
        }
    }
}

/// Who has the number of workers between the operator and KEDA.
const HANDOVER: &str = "event-operator-handover";

/// Takes the number of workers over as it is, in another name: when the operator says nothing of it any more, the API server
/// would otherwise set it to one
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership>). The first who changes it has
/// it from then on.
///
/// # Errors
/// What the API server says; 409 when somebody changed the number meanwhile.
pub async fn hand_over(client: &Client, key: &Key, replicas: i64) -> kube::Result<Value> {
    let resource = key.kind.api_resource();
    let body = json!({
        "apiVersion": resource.api_version, "kind": resource.kind,
        "metadata": {"name": key.name},
        "spec": {"replicas": replicas},
    });
    let written = api(client, key)
        .patch(&key.name, &PatchParams::apply(HANDOVER), &Patch::Apply(body))
        .await?;
    serde_json::to_value(&written).map_err(kube::Error::SerdeError)
}

/// Deletes an object, if it is still the one with this uid; one that is gone is gone.
///
/// # Errors
/// What the API server says.
pub async fn delete(client: &Client, key: &Key, uid: Option<&str>) -> kube::Result<()> {
    delete_at(client, key, uid, None).await
}

/// The same, of this version of the object.
///
/// # Errors
/// What the API server says; 409 when the object is of another version.
pub(super) async fn delete_at(
    client: &Client,
    key: &Key,
    uid: Option<&str>,
    version: Option<&str>,
) -> kube::Result<()> {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: uid.map(str::to_owned),
            resource_version: version.map(str::to_owned),
        }),
        ..DeleteParams::foreground()
    };
    match api(client, key).delete(&key.name, &params).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The finalizer on; gives the object as it is then. The resourceVersion goes along, so that nobody's change is undone.
///
/// # Errors
/// What the API server says; 409 when somebody was faster, and then the next reconcile tries again.
pub async fn set_finalizer<K>(api: &Api<K>, object: &K) -> kube::Result<K>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let patch = Patch::Merge(finalizers(object, true));
    api.patch(&object.name_any(), &PatchParams::default(), &patch)
        .await
}

/// The finalizer off; an object that is gone holds nothing any more. The answer is read in metadata only, so that an object
/// that does not decode can go too. Of such an object the API server may refuse every change, because it cannot run a rule over a
/// field of another type; then the fields that nobody can read go with the finalizer, and the object with them.
///
/// # Errors
/// As for [`set_finalizer`].
pub async fn remove_finalizer<K>(api: &Api<K>, object: &K) -> kube::Result<()>
where
    K: Resource + Clone,
{
    let mut patch = finalizers(object, false);
    let unread = decoded::unread(object);
    match patched(api, object, &patch).await {
        Err(kube::Error::Api(status)) if status.code == 422 && !unread.is_empty() => {
            let unread = unread.into_iter().map(|field| (field.to_owned(), Value::Null));
            if let Some(fields) = patch.as_object_mut() {
                fields.insert("spec".to_owned(), Value::Object(unread.collect()));
            }
            patched(api, object, &patch).await
        }
        other => other,
    }
}

async fn patched<K>(api: &Api<K>, object: &K, patch: &serde_json::Value) -> kube::Result<()>
where
    K: Resource + Clone,
{
    let request = Request::new(api.resource_url())
        .patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(patch))
        .map_err(kube::Error::BuildRequest)?;
    let answer = api
        .clone()
        .into_client()
        .request::<PartialObjectMeta>(request)
        .await;
    match answer {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(|_| ()),
    }
}

fn finalizers(object: &impl Resource, present: bool) -> serde_json::Value {
    let mut finalizers = object.finalizers().to_vec();
    finalizers.retain(|one| one != label::FINALIZER);
    if present {
        finalizers.push(label::FINALIZER.to_owned());
    }
    json!({"metadata": {"finalizers": finalizers, "resourceVersion": object.resource_version()}})
}

/// Sets an annotation; gives the object as it is then. The resourceVersion goes along, so that it is decided on what is there.
///
/// # Errors
/// What the API server says; 409 when somebody was faster, and then the next reconcile tries again.
pub async fn annotate<K>(api: &Api<K>, object: &K, key: &str, value: &str) -> kube::Result<K>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let patch =
        json!({"metadata": {"annotations": {key: value}, "resourceVersion": object.resource_version()}});
    api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(patch))
        .await
}

/// Writes the status of this very object, unless it is what is there. Where another object has its name by now, nothing is
/// written, since nothing is known of that one: it is looked at for its own sake. The answer is read in metadata only, so that an object
/// that does not decode can say so.
///
/// # Errors
/// What the API server says.
pub async fn set_status<K, S>(api: &Api<K>, object: &K, before: Option<&S>, status: &S) -> kube::Result<bool>
where
    K: Resource + Clone,
    S: Serialize + PartialEq,
{
    if before == Some(status) {
        return Ok(false);
    }
    let steps =
        status_steps(object.meta().uid.as_deref(), before, status).map_err(kube::Error::SerdeError)?;
    let patch = Patch::Json::<()>(serde_json::from_value(steps).map_err(kube::Error::SerdeError)?);
    let request = Request::new(api.resource_url())
        .patch_subresource("status", &object.name_any(), &PatchParams::default(), &patch)
        .map_err(kube::Error::BuildRequest)?;
    let written = api
        .clone()
        .into_client()
        .request::<PartialObjectMeta>(request)
        .await;
    match written {
        Err(kube::Error::Api(refused)) if refused.code == 422 && refused.message.contains(STEP_FAILED) => {
            Ok(false)
        }
        Err(kube::Error::Api(gone)) if gone.code == 404 => Ok(false),
        other => other.map(|_| true),
    }
}

/// How the API server says that a step of a JSON patch failed; a status that is not valid it calls so. Of the steps here only
/// the first can fail.
const STEP_FAILED: &str = "the server rejected our request due to an error in our request";

/// The steps of a JSON patch (<https://www.rfc-editor.org/rfc/rfc6902>), which is the only kind that can ask for the uid: of a
/// merge patch the API server takes nothing but the status, and looks at no uid in it. Fields that this version does not know
/// are left alone, and those that went are taken away, whether they are still there or not.
fn status_steps<S: Serialize>(uid: Option<&str>, before: Option<&S>, after: &S) -> serde_json::Result<Value> {
    let fields = |status: &S| -> serde_json::Result<serde_json::Map<String, Value>> {
        serde_json::from_value(serde_json::to_value(status)?)
    };
    let after = fields(after)?;
    let mut steps = vec![json!({"op": "test", "path": "/metadata/uid", "value": uid})];
    match before {
        None => steps.push(json!({"op": "add", "path": "/status", "value": {}})),
        Some(before) => {
            for gone in fields(before)?.keys().filter(|field| !after.contains_key(*field)) {
                let path = format!("/status/{gone}");
                steps.push(json!({"op": "add", "path": path, "value": null}));
                steps.push(json!({"op": "remove", "path": path}));
            }
        }
    }
    for (field, value) in after {
        steps.push(json!({"op": "add", "path": format!("/status/{field}"), "value": value}));
    }
    Ok(Value::Array(steps))
}

/// The API of a namespaced kind for the namespace an object is in.
pub fn api_of<K>(client: &Client, object: &K) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match object.namespace() {
        Some(namespace) => Api::namespaced(client.clone(), &namespace),
        None => Api::default_namespaced(client.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_field_by_field_to_the_one_object_that_was_looked_at() {
        let before = json!({"a": 1, "gone": 2});
        assert_eq!(
            status_steps(Some("u"), Some(&before), &json!({"a": 3})).unwrap(),
            json!([
                {"op": "test", "path": "/metadata/uid", "value": "u"},
                {"op": "add", "path": "/status/gone", "value": null},
                {"op": "remove", "path": "/status/gone"},
                {"op": "add", "path": "/status/a", "value": 3},
            ])
        );
        assert_eq!(
            status_steps(Some("u"), None, &json!({"a": 3})).unwrap()[1],
            json!({"op": "add", "path": "/status", "value": {}})
        );
    }
}
