//! Watches that go on whatever happens, each by itself.

use std::{fmt, future::ready, hash::Hash};

use futures::{Stream, StreamExt as _, stream};
use kube::runtime::{
    reflector::{Lookup, Store},
    watcher::{self, Event},
};

/// How many objects a page of a list has. A page is decoded as a whole, and a dozen watches begin at the same time, so that
/// their pages are most of the memory of a start.
pub const PAGE: u32 = 100;

/// What a watch sees, without its errors, which are logged. It has to wait after an error by itself (`default_backoff`): whoever
/// listens hears everything else meanwhile.
pub fn tireless<K>(
    what: impl fmt::Debug,
    seen: impl Stream<Item = Result<K, watcher::Error>>,
) -> impl Stream<Item = K> {
    seen.filter_map(move |one| {
        let seen = one
            .inspect_err(|error| tracing::warn!(?what, %error, "A watch failed. It is begun anew."))
            .ok();
        ready(seen)
    })
}

/// What happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<K> {
    /// It is there, as it is now.
    There(K),
    /// It is gone.
    Gone(K),
}

impl<K> Change<K> {
    /// The object.
    pub fn object(&self) -> &K {
        let (Self::There(object) | Self::Gone(object)) = self;
        object
    }

    /// The object, taken out.
    pub fn into_object(self) -> K {
        let (Self::There(object) | Self::Gone(object)) = self;
        object
    }
}

/// What happened, told once it is in the cache that these events went through. What a list brings is there at its end only:
/// whoever is told before looks at what was, and is not told again. Until then only the cache holds it.
pub fn once_cached<K>(
    seen: impl Stream<Item = Result<Event<K>, watcher::Error>>,
    cache: Store<K>,
) -> impl Stream<Item = Result<Change<K>, watcher::Error>>
where
    K: Lookup<DynamicType: Eq + Hash + Clone> + Clone + 'static,
{
    seen.flat_map(move |event| {
        let (listed, one) = match event {
            Ok(Event::Init | Event::InitApply(_)) => (vec![], None),
            // The list takes the place of all that was there.
            Ok(Event::InitDone) => (cache.state(), None),
            Ok(Event::Apply(object)) => (vec![], Some(Ok(Change::There(object)))),
            Ok(Event::Delete(object)) => (vec![], Some(Ok(Change::Gone(object)))),
            Err(error) => (vec![], Some(Err(error))),
        };
        let listed = listed
            .into_iter()
            .map(|object| Ok(Change::There((*object).clone())));
        stream::iter(listed.chain(one))
    })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
    use kube::{
        ResourceExt as _,
        runtime::{WatchStreamExt as _, reflector},
    };

    use super::*;

    #[test]
    fn errors_of_a_watch_keep_nothing_back() {
        let errors = || stream::repeat_with(|| Err(watcher::Error::NoResourceVersion)).take(9);
        let seen = errors().chain(stream::iter([Ok(1)])).chain(errors());
        let heard: Vec<_> = tireless("Tenant", seen).collect().now_or_never().unwrap();
        assert_eq!(heard, [1]);
    }

    #[test]
    fn what_a_list_brings_is_told_at_its_end() {
        let one = |name: &str| ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        };
        let events = [
            Event::Apply(one("1")),
            Event::Init,
            Event::InitApply(one("2")),
            Event::Init,
            Event::InitApply(one("3")),
            Event::InitApply(one("4")),
        ];
        let told = |more: &[Event<ConfigMap>]| {
            let (cache, writer) = reflector::store();
            let seen = stream::iter(events.iter().chain(more).cloned().map(Ok));
            let told: Vec<_> = once_cached(seen.reflect(writer), cache)
                .collect()
                .now_or_never()
                .unwrap();
            let words = told.into_iter().map(|change| match change.unwrap() {
                Change::There(one) => format!("{} is there", one.name_any()),
                Change::Gone(one) => format!("{} is gone", one.name_any()),
            });
            let mut words: Vec<_> = words.collect();
            words.sort();
            words
        };
        assert_eq!(told(&[]), ["1 is there"]);
        assert_eq!(
            told(&[Event::InitDone, Event::Delete(one("3"))]),
            ["1 is there", "3 is gone", "3 is there", "4 is there"]
        );
    }
}
