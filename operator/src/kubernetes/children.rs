//! What the operator made in Kubernetes, watched: looking at it costs no call.

use std::{collections::BTreeMap, sync::Arc};

use crds::label;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use kube::{
    Api, Client,
    api::DynamicObject,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use serde_json::Value;

use super::{
    keda::{Following, ScaledObjects},
    manifest::{Key, Kind},
    remembered::{Remembered, remembered},
    watch::{Change, PAGE, once_cached, tireless},
};

/// A cache for each kind.
#[derive(Clone)]
pub struct Children {
    stores: BTreeMap<Kind, Store<Remembered>>,
    scaled: ScaledObjects,
}

/// What changed of one kind, to be polled for as long as the operator runs.
pub type Changes = futures::stream::BoxStream<'static, Remembered>;

/// What fills the caches.
pub struct Filling {
    /// The changes of each kind that every cluster has.
    pub changes: Vec<(Kind, Changes)>,
    /// Those of ScaledObjects.
    pub scaled: Following,
}

/// What is watched of a kind: all that the operator made, and namespaces that were given to it.
pub(super) fn watched(
    client: &Client,
    kind: Kind,
) -> impl Stream<Item = Result<Event<Remembered>, watcher::Error>> + Send + 'static {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind.api_resource());
    let config = watcher::Config::default().labels(label::TENANT).page_size(PAGE);
    watcher(api, config).map_ok(remembered)
}

impl Children {
    /// Begins to watch; the caches fill as the streams are polled.
    ///
    /// Everything the operator made carries the Tenant's label, and so does a namespace that was there before.
    #[must_use]
    pub fn watch(client: &Client) -> (Self, Filling) {
        let mut stores = BTreeMap::new();
        let mut streams = Vec::new();
        for kind in Kind::CHILDREN {
            let writer = Writer::new(kind);
            let store = writer.as_reader();
            stores.insert(kind, store.clone());
            let seen = reflector::reflector(writer, watched(client, kind)).default_backoff();
            let changes = once_cached(seen, store).map_ok(Change::into_object);
            streams.push((kind, tireless(kind, changes).boxed()));
        }
        let (scaled, following) = ScaledObjects::watch(client);
        let filling = Filling {
            changes: streams,
            scaled: following,
        };
        (Self { stores, scaled }, filling)
    }

    /// Waits until every cache has been filled once.
    ///
    /// # Errors
    /// When a watch ended before.
    pub async fn wait_until_ready(&self) -> anyhow::Result<()> {
        for store in self.stores.values() {
            store.wait_until_ready().await?;
        }
        self.scaled.wait_until_ready().await?;
        Ok(())
    }

    /// Whether the cluster has KEDA's ScaledObjects.
    #[must_use]
    pub fn have_keda(&self) -> bool {
        self.scaled.exist()
    }

    /// One object as JSON.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Value> {
        self.object(key)?.value()
    }

    /// The uid of an object.
    #[must_use]
    pub fn uid(&self, key: &Key) -> Option<String> {
        self.object(key)?.uid().map(str::to_owned)
    }

    /// The Tenant that a namespace belongs to, by its label.
    #[must_use]
    pub fn tenant_of_namespace(&self, name: &str) -> Option<String> {
        let key = Key {
            kind: Kind::Namespace,
            namespace: None,
            name: name.to_owned(),
        };
        self.object(&key)?.tenant().map(str::to_owned)
    }

    fn object(&self, key: &Key) -> Option<Arc<Remembered>> {
        let mut reference = ObjectRef::new_with(&key.name, key.kind);
        if let Some(namespace) = &key.namespace {
            reference = reference.within(namespace);
        }
        if key.kind == Kind::ScaledObject {
            return self.scaled.store()?.get(&reference);
        }
        self.stores.get(&key.kind)?.get(&reference)
    }
}
