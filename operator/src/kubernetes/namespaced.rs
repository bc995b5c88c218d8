//! A cache that knows what is in a namespace without looking through the whole cluster: each look at a tenant asks for what is
//! in its own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use futures::{Stream, TryStreamExt as _};
use kube::{
    Resource,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::{self, Event},
    },
};
use parking_lot::RwLock;

/// Names by namespace. Whatever is in the cache is in it; what is gone may be in it for a moment more.
type Names = Arc<RwLock<HashMap<String, BTreeSet<String>>>>;

/// The objects of a kind.
pub struct Namespaced<K: Resource<DynamicType = ()> + 'static> {
    all: Store<K>,
    names: Names,
}

impl<K: Resource<DynamicType = ()>> Clone for Namespaced<K> {
    fn clone(&self) -> Self {
        Self {
            all: self.all.clone(),
            names: Arc::clone(&self.names),
        }
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Namespaced<K> {
    /// An empty cache, and what fills it.
    #[must_use]
    pub fn new() -> (Self, Filler<K>) {
        let (all, writer) = reflector::store();
        let names = Names::default();
        let filler = Filler {
            writer,
            names: Arc::clone(&names),
        };
        (Self { all, names }, filler)
    }

    /// All of the cluster.
    #[must_use]
    pub const fn all(&self) -> &Store<K> {
        &self.all
    }

    /// Those of one namespace, by name.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Vec<Arc<K>> {
        let names = self.names.read();
        let named = |name: &String| self.all.get(&ObjectRef::new(name).within(namespace));
        names
            .get(namespace)
            .map_or_else(Vec::new, |names| names.iter().filter_map(named).collect())
    }
}

/// Fills a [`Namespaced`] cache.
pub struct Filler<K: Resource<DynamicType = ()> + Clone + 'static> {
    writer: Writer<K>,
    names: Names,
}

impl<K: Resource<DynamicType = ()> + Clone> Filler<K> {
    /// Takes what a watch sees into the cache, and passes it on.
    pub fn fill<W>(self, seen: W) -> impl Stream<Item = Result<Event<K>, watcher::Error>>
    where
        W: Stream<Item = Result<Event<K>, watcher::Error>>,
    {
        let (all, names, before) = (self.writer.as_reader(), Arc::clone(&self.names), self.names);
        // A name comes before its object, and goes after it.
        seen.inspect_ok(move |event| {
            if let Event::Apply(object) | Event::InitApply(object) = event {
                let (namespace, name) = place(object);
                before.write().entry(namespace).or_default().insert(name);
            }
        })
        .reflect(self.writer)
        .inspect_ok(move |event| match event {
            Event::Delete(object) => {
                let (namespace, name) = place(object);
                let mut names = names.write();
                if let Some(left) = names.get_mut(&namespace) {
                    left.remove(&name);
                    if left.is_empty() {
                        names.remove(&namespace);
                    }
                }
            }
            // The list took the place of all that was there.
            Event::InitDone => names.write().retain(|namespace, names| {
                names.retain(|name| all.get(&ObjectRef::new(name).within(namespace)).is_some());
                !names.is_empty()
            }),
            Event::Apply(_) | Event::InitApply(_) | Event::Init => {}
        })
    }
}

fn place(object: &impl Resource) -> (String, String) {
    let meta = object.meta();
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, StreamExt as _, stream};
    use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
    use kube::ResourceExt as _;

    use super::*;

    fn one(namespace: &str, name: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                namespace: Some(namespace.to_owned()),
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    #[test]
    fn it_has_what_the_cache_has() {
        let (cache, filler) = Namespaced::new();
        let steps = [
            (Event::Init, ""),
            (Event::InitApply(one("a", "1")), ""),
            (Event::InitApply(one("b", "2")), ""),
            (Event::InitDone, "a/1 b/2"),
            (Event::Apply(one("a", "3")), "a/1 a/3 b/2"),
            (Event::Delete(one("a", "1")), "a/3 b/2"),
            (Event::Delete(one("b", "2")), "a/3"),
            (Event::Apply(one("b", "4")), "a/3 b/4"),
            (Event::Init, "a/3 b/4"),
            (Event::InitApply(one("b", "5")), "a/3 b/4"),
            (Event::InitDone, "b/5"),
        ];
        let (events, expected): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        let filled = filler.fill(stream::iter(events).map(Ok)).map(|_| {
            let there = ["a", "b"].into_iter().flat_map(|namespace| cache.of(namespace));
            let names = there.map(|one| format!("{}/{}", one.namespace().unwrap(), one.name_any()));
            names.collect::<Vec<_>>().join(" ")
        });
        let filled: Vec<_> = filled.collect().now_or_never().unwrap();
        assert_eq!(filled, expected);
        assert_eq!(cache.names.read().keys().collect::<Vec<_>>(), ["b"]);
    }
}
