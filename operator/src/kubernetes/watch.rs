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

/// What a watch sees, without its errors. It has to wait after an error by itself (`default_backoff`).
///
/// A controller that is told of an error of one watch listens to none of its watches for a while, and after the next error for
/// longer: each of a dozen that fail at the same moment would cost up to half a minute, in which nothing else is heard of.
pub fn tireless<K>(
    what: impl fmt::Debug,
    seen: impl Stream<Item = Result<K, watcher::Error>>,
) -> impl Stream<Item = Result<K, watcher::Error>> {
    seen.filter_map(move |one| {
        let seen = match one {
            Ok(object) => Some(Ok(object)),
            Err(error) => {
                tracing::warn!(?what, %error, "A watch failed. It is begun anew.");
                None
            }
        };
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
    use std::time::Duration;

    use futures::FutureExt as _;
    use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
    use kube::{
        ResourceExt as _,
        runtime::{WatchStreamExt as _, reflector, utils::StreamBackoff, watcher::DefaultBackoff},
    };
    use tokio::time::Instant;

    use super::*;

    /// As a controller listens.
    async fn heard_after(seen: impl Stream<Item = Result<u8, watcher::Error>>) -> Duration {
        let started = Instant::now();
        let heard = StreamBackoff::new(seen.boxed_local(), DefaultBackoff::default());
        let heard: Vec<_> = heard.filter_map(|one| ready(one.ok())).collect().await;
        assert_eq!(heard, [1]);
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn errors_of_watches_make_nobody_deaf() {
        let failing = || {
            let errors = stream::repeat_with(|| Err(watcher::Error::NoResourceVersion)).take(9);
            errors.chain(stream::iter([Ok(1)]))
        };
        let deaf = heard_after(failing()).await;
        assert!(deaf > Duration::from_secs(60), "it would not matter: {deaf:?}");
        assert_eq!(heard_after(tireless("Tenant", failing())).await, Duration::ZERO);
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
