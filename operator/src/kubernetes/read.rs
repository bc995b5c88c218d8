//! I/O, reads only: what the caches do not keep.

use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
};
use serde_json::Value;

use super::manifest::Key;

/// An object with all of its `managedFields`. It is listed by its name, which needs no right that watching it does not need.
///
/// # Errors
/// What the API server says.
pub async fn whole(client: &Client, key: &Key) -> kube::Result<Option<Value>> {
    let resource = key.kind.api_resource();
    let api: Api<DynamicObject> = match &key.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let named = ListParams::default().fields(&format!("metadata.name={}", key.name));
    let found = api.list(&named).await?.items.into_iter().next();
    found
        .map(|object| serde_json::to_value(&object).map_err(kube::Error::SerdeError))
        .transpose()
}
