//! I/O, writes only: objects, finalizers and status in Kubernetes.

use std::fmt::Debug;

use crds::label;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
    core::{NamespaceResourceScope, PartialObjectMeta, Request},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

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
/// # Errors
/// What the API server says.
pub async fn apply(client: &Client, manifest: &Manifest) -> kube::Result<()> {
    let params = PatchParams::apply(label::OPERATOR).force();
    let mut body = manifest.body.clone();
    let resource = manifest.key.kind.api_resource();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("apiVersion".to_owned(), json!(resource.api_version));
        fields.insert("kind".to_owned(), json!(resource.kind));
    }
    api(client, &manifest.key)
        .patch(&manifest.key.name, &params, &Patch::Apply(body))
        .await?;
    Ok(())
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
pub async fn hand_over(client: &Client, key: &Key, replicas: i64) -> kube::Result<()> {
    let resource = key.kind.api_resource();
    let body = json!({
        "apiVersion": resource.api_version, "kind": resource.kind,
        "metadata": {"name": key.name},
        "spec": {"replicas": replicas},
    });
    api(client, key)
        .patch(&key.name, &PatchParams::apply(HANDOVER), &Patch::Apply(body))
        .await?;
    Ok(())
}

/// Deletes an object, if it is still the one with this uid; one that is gone is gone.
///
/// # Errors
/// What the API server says.
pub async fn delete(client: &Client, key: &Key, uid: Option<&str>) -> kube::Result<()> {
    let preconditions = uid.map(|uid| Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    });
    let params = DeleteParams {
        preconditions,
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
            for field in unread {
                patch["spec"][field] = serde_json::Value::Null;
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

/// Writes a status, unless it is what is there. The answer is read in metadata only, so that an object that does not decode
/// can say so.
///
/// # Errors
/// What the API server says.
pub async fn set_status<K, S>(api: &Api<K>, name: &str, before: Option<&S>, status: &S) -> kube::Result<bool>
where
    K: Resource + Clone,
    S: Serialize + PartialEq,
{
    if before == Some(status) {
        return Ok(false);
    }
    // A merge patch leaves alone what it does not name; fields that went have to be named.
    let mut patch = serde_json::to_value(status).map_err(kube::Error::SerdeError)?;
    if let (Some(before), Some(after)) = (
        before.and_then(|before| serde_json::to_value(before).ok()),
        patch.as_object_mut(),
    ) {
        for gone in before.as_object().into_iter().flat_map(serde_json::Map::keys) {
            after.entry(gone).or_insert(serde_json::Value::Null);
        }
    }
    let patch = Patch::Merge(json!({"status": patch}));
    let request = Request::new(api.resource_url())
        .patch_subresource("status", name, &PatchParams::default(), &patch)
        .map_err(kube::Error::BuildRequest)?;
    api.clone()
        .into_client()
        .request::<PartialObjectMeta>(request)
        .await?;
    Ok(true)
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
