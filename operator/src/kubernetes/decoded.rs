//! Watches of our own kinds that go on when one object makes no sense: written under another version of its CRD, or past it.
//! Such an object is as good as not there, and that is said; nothing is deleted for it.

use futures::{Stream, TryStreamExt as _, future};
use kube::{
    Api, Client, Resource,
    core::DeserializeGuard,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use super::{field_owners::keep_others_specs, watch::PAGE};

/// All objects of a kind in the cluster.
pub fn watch<K>(client: &Client) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let api = Api::<DeserializeGuard<K>>::all(client.clone());
    watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .try_filter_map(|event| future::ready(Ok(understood(event))))
}

fn understood<K: Resource<DynamicType = ()>>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>> {
    Some(match event {
        Event::Apply(one) => Event::Apply(decoded(one)?),
        Event::Delete(one) => Event::Delete(decoded(one)?),
        Event::InitApply(one) => Event::InitApply(decoded(one)?),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    })
}

fn decoded<K: Resource<DynamicType = ()>>(one: DeserializeGuard<K>) -> Option<K> {
    one.0
        .map(|mut object| {
            keep_others_specs(object.meta_mut());
            object
        })
        .inspect_err(|invalid| {
            let (name, namespace) = (&invalid.metadata.name, &invalid.metadata.namespace);
            // The error may quote a value of the spec, which holds no secret.
            tracing::error!(kind = %K::kind(&()), name, namespace, error = invalid.error, "An object makes no sense, and is left alone. Correct it, or apply the CRDs of this operator's version.");
        })
        .ok()
}
