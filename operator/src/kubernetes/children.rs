//! What the operator made in Kubernetes, watched: looking at it costs no call.

use std::collections::BTreeMap;

use crds::label;
use futures::{Stream, StreamExt as _};
use kube::{
    Api, Client,
    api::DynamicObject,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher,
    },
};
use serde_json::Value;

use super::manifest::{Key, Kind};

/// A cache for each kind.
#[derive(Clone)]
pub struct Children {
    stores: BTreeMap<Kind, Store<DynamicObject>>,
}

/// The changes of one kind, to be polled by a controller.
pub type Changes = futures::stream::BoxStream<'static, Result<DynamicObject, watcher::Error>>;

impl Children {
    /// Begins to watch; the caches fill as the streams are polled.
    ///
    /// Everything the operator made carries the Tenant's label, and so does a namespace that was there before.
    #[must_use]
    pub fn watch(client: &Client) -> (Self, Vec<(Kind, Changes)>) {
        let mut stores = BTreeMap::new();
        let mut streams = Vec::new();
        for kind in Kind::CHILDREN {
            let resource = kind.api_resource();
            let writer = Writer::new(resource.clone());
            stores.insert(kind, writer.as_reader());
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let config = watcher::Config::default().labels(label::TENANT);
            let changes = reflector::reflector(writer, watcher(api, config))
                .default_backoff()
                .touched_objects();
            streams.push((kind, changes.boxed()));
        }
        (Self { stores }, streams)
    }

    /// Waits until every cache has been filled once.
    ///
    /// # Errors
    /// When a watch ended before.
    pub async fn wait_until_ready(&self) -> Result<(), reflector::store::WriterDropped> {
        for store in self.stores.values() {
            store.wait_until_ready().await?;
        }
        Ok(())
    }

    /// One object as JSON.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Value> {
        serde_json::to_value(&*self.object(key)?).ok()
    }

    /// The uid of an object.
    #[must_use]
    pub fn uid(&self, key: &Key) -> Option<String> {
        self.object(key)?.metadata.uid.clone()
    }

    /// The Tenant that a namespace belongs to, by its label.
    #[must_use]
    pub fn tenant_of_namespace(&self, name: &str) -> Option<String> {
        let key = Key {
            kind: Kind::Namespace,
            namespace: None,
            name: name.to_owned(),
        };
        self.object(&key)?
            .metadata
            .labels
            .as_ref()?
            .get(label::TENANT)
            .cloned()
    }

    fn object(&self, key: &Key) -> Option<std::sync::Arc<DynamicObject>> {
        let mut reference = ObjectRef::new_with(&key.name, key.kind.api_resource());
        if let Some(namespace) = &key.namespace {
            reference = reference.within(namespace);
        }
        self.stores.get(&key.kind)?.get(&reference)
    }
}

/// Does nothing with a stream but poll it, so that its cache stays filled.
pub async fn drain(changes: impl Stream<Item = Result<DynamicObject, watcher::Error>>) {
    changes.for_each(|_| std::future::ready(())).await;
}
