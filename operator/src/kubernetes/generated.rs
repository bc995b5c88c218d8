//! I/O, writes only: EventSubscriptions that a Tenant generates. A person takes such an object over by removing its label
//! `generated`, at any moment; so each write names the version that still had the label, and the API server refuses it after a
//! change (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>).

use crds::label;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, ListParams},
};
use serde_json::Value;

use super::{
    manifest::{Key, Manifest},
    write,
};

/// How often a write is tried against a newer version: status changes while an event plane is built, and each makes one.
const ATTEMPTS: usize = 5;

/// One write.
#[derive(Clone, Copy)]
enum Write<'a> {
    Apply(&'a Manifest),
    Delete(&'a Key, Option<&'a str>),
}

impl Write<'_> {
    const fn key(&self) -> &Key {
        match self {
            Self::Apply(manifest) => &manifest.key,
            Self::Delete(key, _) => key,
        }
    }

    /// To this version; gives the object as it is then.
    async fn at(self, client: &Client, version: &str) -> kube::Result<Option<Value>> {
        match self {
            Self::Apply(manifest) => write::apply_at(client, manifest, Some(version)).await.map(Some),
            Self::Delete(key, uid) => write::delete_at(client, key, uid, Some(version))
                .await
                .map(|()| None),
        }
    }
}

/// Applies it; one that is there has to be generated still. `version` is that of the cache. Gives the object as it is then.
///
/// # Errors
/// What the API server says; 409 when a person took the object over meanwhile.
pub async fn apply(
    client: &Client,
    manifest: &Manifest,
    version: Option<&str>,
) -> kube::Result<Option<Value>> {
    match version {
        Some(version) => while_generated(client, Write::Apply(manifest), version.to_owned()).await,
        None => write::apply(client, manifest).await.map(Some),
    }
}

/// Deletes it, if it is still the one with this uid and generated; one that is gone is gone.
///
/// # Errors
/// As for [`apply`].
pub async fn delete(client: &Client, key: &Key, uid: Option<&str>) -> kube::Result<()> {
    match live(client, key).await? {
        Some((version, true)) => {
            while_generated(client, Write::Delete(key, uid), version).await?;
            Ok(())
        }
        Some((_, false)) => Err(taken_over(key)),
        None => Ok(()),
    }
}

async fn while_generated(
    client: &Client,
    write: Write<'_>,
    mut version: String,
) -> kube::Result<Option<Value>> {
    let mut attempts = 1;
    loop {
        match write.at(client, &version).await {
            Err(kube::Error::Api(status)) if status.code == 409 && attempts < ATTEMPTS => {
                version = match live(client, write.key()).await? {
                    Some((version, true)) => version,
                    Some((_, false)) => return Err(taken_over(write.key())),
                    None => return Err(kube::Error::Api(status)),
                };
                attempts += 1;
            }
            other => return other,
        }
    }
}

/// Its version, and whether it is generated. By a list of one: the operator watches the kind, and so it has the right to list it and
/// needs none to get it.
async fn live(client: &Client, key: &Key) -> kube::Result<Option<(String, bool)>> {
    let api = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        key.namespace.as_deref().unwrap_or_default(),
        &key.kind.api_resource(),
    );
    let one = ListParams::default().fields(&format!("metadata.name={}", key.name));
    let found = api.list_metadata(&one).await?.items;
    Ok(found.first().map(|one| {
        let is_generated = one.labels().contains_key(label::GENERATED);
        (one.resource_version().unwrap_or_default(), is_generated)
    }))
}

fn taken_over(key: &Key) -> kube::Error {
    let message = format!(
        "{key} has no label {} any more: a person took it over just now",
        label::GENERATED
    );
    let conflict = kube::core::Status::failure(&message, "Conflict").with_code(409);
    kube::Error::Api(conflict.boxed())
}
