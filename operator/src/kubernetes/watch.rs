//! Watches that go on whatever happens, each by itself.

use std::{fmt, future::ready};

use futures::{Stream, StreamExt as _, stream};
use kube::runtime::watcher::{self, Event};

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
/// whoever is told before looks at what was, and is not told again.
pub fn once_cached<K>(
    seen: impl Stream<Item = Result<Event<K>, watcher::Error>>,
) -> impl Stream<Item = Result<Change<K>, watcher::Error>> {
    let told = seen.scan(Vec::new(), |listed, event| {
        let told = match event {
            Ok(Event::Init) => {
                listed.clear();
                vec![]
            }
            Ok(Event::InitApply(object)) => {
                listed.push(Ok(Change::There(object)));
                vec![]
            }
            Ok(Event::InitDone) => std::mem::take(listed),
            Ok(Event::Apply(object)) => vec![Ok(Change::There(object))],
            Ok(Event::Delete(object)) => vec![Ok(Change::Gone(object))],
            Err(error) => vec![Err(error)],
        };
        ready(Some(told))
    });
    told.flat_map(stream::iter)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;
    use kube::runtime::{utils::StreamBackoff, watcher::DefaultBackoff};
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
        let (there, gone) = (Change::There, Change::Gone);
        let events = [
            Event::Apply(1),
            Event::Init,
            Event::InitApply(2),
            Event::Init,
            Event::InitApply(3),
            Event::InitApply(4),
        ];
        let told = |more: &[Event<u8>]| -> Vec<_> {
            let seen = stream::iter(events.iter().chain(more).cloned().map(Ok));
            let told: Vec<_> = once_cached(seen).collect().now_or_never().unwrap();
            told.into_iter().map(|one| one.ok().unwrap()).collect()
        };
        assert_eq!(told(&[]), [there(1)]);
        assert_eq!(
            told(&[Event::InitDone, Event::Delete(3)]),
            [there(1), there(3), there(4), gone(3)]
        );
    }
}
