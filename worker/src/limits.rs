//! How much at a time: handlers by a semaphore, messages waiting for them by the handlers' measured pace, and events that
//! wait for something else (a handler that is down, an earlier event of their key) by a window of their own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::window::Window;

/// What a stream fetches ahead, in time of handling: more than a round trip, less than anybody would notice at a
/// restart. Fetched messages keep their lease, so they cost no delivery attempt while they wait.
const AHEAD: Duration = Duration::from_millis(1_500);

/// What the fastest handlers fetch ahead. The client flushes acknowledgements every 100 ms or at a thousand, so this many
/// outstanding let 100,000 messages a second pass at least; their bytes are limited apart.
pub(crate) const MOST_OUTSTANDING: usize = 10_000;

/// Bytes that one stream may hold: three messages of the largest size.
pub(crate) const MOST_OUTSTANDING_BYTES: i64 = 32 * 1024 * 1024;

/// How fast a new measurement moves the mean: by an eighth of the difference.
const WEIGHT: u64 = 8;

/// A handler that answers faster is called where its message was pulled, without a task of its own, which would cost
/// more than the call.
const AT_ONCE: Duration = Duration::from_micros(20);

/// The limits that all subscriptions of a worker share.
#[derive(Debug)]
pub struct Limits {
    handlers: usize,
    slots: Arc<Semaphore>,
    /// Events that wait without a slot.
    pub(crate) window: Arc<Window>,
    /// In nanoseconds, and one more: zero while nothing is measured. Two that measure at a time may lose one.
    mean: AtomicU64,
}

/// Permission to run a handler, given back when it is dropped.
#[derive(Debug)]
pub struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Limits {
    /// Limits for at most this many handlers at a time.
    #[must_use]
    pub fn new(handlers: usize) -> Self {
        Self {
            handlers,
            slots: Arc::new(Semaphore::new(handlers)),
            window: Arc::default(),
            mean: AtomicU64::new(0),
        }
    }

    /// Waits for a slot. The semaphore is first come, first served, and each subscription has one message waiting in it at
    /// a time, so a flooded subscription cannot starve a quiet one.
    pub async fn slot(&self) -> Slot {
        loop {
            // The semaphore is never closed.
            if let Ok(permit) = Arc::clone(&self.slots).acquire_owned().await {
                return Slot { _permit: permit };
            }
        }
    }

    /// Takes in how long a handler took.
    pub fn measured(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX / WEIGHT) + 1;
        let mean = self.mean.load(Ordering::Relaxed);
        let new = match mean {
            0 => took,
            _ if took >= mean => mean + (took - mean) / WEIGHT,
            _ => mean - (mean - took).div_ceil(WEIGHT),
        };
        self.mean.store(new.max(1), Ordering::Relaxed);
    }

    /// How long a handler takes, as far as is known.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.mean.load(Ordering::Relaxed);
        mean.checked_sub(1).map(Duration::from_nanos)
    }

    /// Whether handlers are so fast that a task for each would be a waste.
    pub(crate) fn answers_at_once(&self) -> bool {
        self.mean().is_some_and(|mean| mean < AT_ONCE)
    }

    /// How many messages a stream should have outstanding, beside those that wait for something else.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        outstanding(self.handlers, self.mean())
    }
}

/// The handlers' own messages, and what they get through in [`AHEAD`]; as many again while nothing is measured.
fn outstanding(handlers: usize, mean: Option<Duration>) -> usize {
    let rounds = mean.map_or(1, |mean| {
        let rounds = AHEAD.as_micros() / mean.as_micros().max(1);
        usize::try_from(rounds).unwrap_or(usize::MAX)
    });
    let ahead = handlers.saturating_mul(rounds.max(1));
    handlers
        .saturating_add(ahead)
        .min(MOST_OUTSTANDING.max(2 * handlers))
}

/// Whether a stream is so far from what the pace asks for that it is worth opening another.
pub(crate) fn wants_resize(limit: usize, wanted: usize) -> bool {
    wanted >= limit.saturating_mul(2) || wanted.saturating_mul(4) <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_handler_fetches_little_and_a_fast_one_much() {
        let of = |millis| outstanding(5, Some(Duration::from_millis(millis)));
        assert_eq!(outstanding(5, None), 10);
        assert_eq!(of(60_000), 10);
        assert_eq!(of(150), 55);
        assert_eq!(of(0), MOST_OUTSTANDING);
        assert_eq!(outstanding(6_000, None), 12_000);
    }

    #[test]
    fn a_stream_is_not_replaced_for_a_trifle() {
        for (limit, wanted, resize) in [(10, 19, false), (10, 20, true), (100, 26, false), (100, 25, true)] {
            assert_eq!(wants_resize(limit, wanted), resize, "{limit} {wanted}");
        }
    }

    #[test]
    fn the_mean_follows_the_measurements() {
        let limits = Limits::new(5);
        assert_eq!(limits.mean(), None);
        limits.measured(Duration::from_secs(1));
        assert_eq!(limits.mean(), Some(Duration::from_secs(1)));
        for _ in 0..100 {
            limits.measured(Duration::from_millis(10));
        }
        assert!(limits.mean().unwrap() < Duration::from_millis(20));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_handlers_than_slots() {
        let limits = Limits::new(2);
        let [first, _second] = [limits.slot().await, limits.slot().await];
        let wait = Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, limits.slot()).await.is_err());
        drop(first);
        assert!(tokio::time::timeout(wait, limits.slot()).await.is_ok());
    }
}
