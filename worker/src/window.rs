//! How many events may wait without a slot: for a handler that is down, or for an earlier event of their key. They do not
//! count towards what is fetched, or a few of them would hold up all others; they are bounded here instead.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Events that may wait.
pub(crate) const MOST_EVENTS: usize = 10_000;
/// Bytes of data that they may hold.
pub(crate) const MOST_BYTES: usize = 32 * 1024 * 1024;
/// The fewest attempts after which Pub/Sub dead-letters
/// (<https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#deadletterpolicy>).
pub(crate) const FEWEST_ATTEMPTS: u32 = 5;

/// All events of a worker that wait without a slot.
#[derive(Debug, Default)]
pub(crate) struct Window {
    state: Mutex<State>,
    events: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    serial: u64,
    /// Those that may be given back, by age.
    may_go: BTreeMap<u64, oneshot::Sender<()>>,
}

/// One event that waits, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    window: Arc<Window>,
    serial: u64,
    bytes: usize,
    asked: Option<oneshot::Receiver<()>>,
}

impl Window {
    /// An event begins to wait. When there are too many, the oldest that may be given back is asked to go.
    pub(crate) fn wait(self: &Arc<Self>, bytes: usize, may_go: bool) -> Waiting {
        let mut state = self.state.lock();
        state.serial += 1;
        state.bytes += bytes;
        let serial = state.serial;
        let events = self.events.fetch_add(1, Ordering::Relaxed) + 1;
        let asked = may_go.then(|| {
            let (ask, asked) = oneshot::channel();
            state.may_go.insert(serial, ask);
            asked
        });
        if events > MOST_EVENTS || state.bytes > MOST_BYTES {
            // What is asked leaves at once, and counts until it has left.
            if let Some((_, ask)) = state.may_go.pop_first() {
                let _ = ask.send(());
            }
        }
        Waiting {
            window: Arc::clone(self),
            serial,
            bytes,
            asked,
        }
    }

    /// Events that wait.
    pub(crate) fn events(&self) -> usize {
        self.events.load(Ordering::Relaxed)
    }

    /// Whether no more may wait.
    pub(crate) fn is_full(&self) -> bool {
        self.events() >= MOST_EVENTS || self.state.lock().bytes >= MOST_BYTES
    }
}

impl Waiting {
    /// Returns when the event has to be given back.
    pub(crate) async fn asked_to_go(&mut self) {
        if let Some(asked) = &mut self.asked
            && asked.await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.window.state.lock();
        state.bytes -= self.bytes;
        state.may_go.remove(&self.serial);
        self.window.events.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether giving a delivery back can lead to its dead-lettering: then it is held, whatever it costs.
pub(crate) fn may_be_given_back(attempt: Option<u32>, most: Option<u32>) -> bool {
    attempt.is_none_or(|attempt| attempt + 1 < most.unwrap_or(FEWEST_ATTEMPTS).max(FEWEST_ATTEMPTS))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn goes(waiting: &mut Waiting) -> bool {
        tokio::time::timeout(Duration::from_secs(1), waiting.asked_to_go())
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_window_the_oldest_that_may_goes() {
        let window = Arc::new(Window::default());
        let mut held = window.wait(1, false);
        let mut oldest = window.wait(1, true);
        let mut second = window.wait(1, true);
        let rest: Vec<_> = (3..MOST_EVENTS).map(|_| window.wait(1, true)).collect();
        assert!(window.is_full() && !goes(&mut oldest).await);
        let _more = window.wait(1, true);
        assert!(goes(&mut oldest).await && !goes(&mut second).await && !goes(&mut held).await);
        drop((oldest, rest));
        assert_eq!((window.events(), window.is_full()), (3, false));
        let _large = window.wait(MOST_BYTES, true);
        assert!(window.is_full() && goes(&mut second).await);
    }

    #[test]
    fn the_last_attempts_are_the_handlers() {
        for (attempt, most, may) in [
            (None, None, true),
            (Some(1), None, true),
            (Some(3), None, true),
            (Some(4), None, false),
            (Some(4), Some(10), true),
            (Some(9), Some(10), false),
            (Some(4), Some(1), false),
        ] {
            assert_eq!(may_be_given_back(attempt, most), may, "{attempt:?} of {most:?}");
        }
    }
}
