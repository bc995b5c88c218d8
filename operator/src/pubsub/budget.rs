//! One token bucket for all admin calls of this process, so that a fleet cannot use up a project's quota.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Calls are spread evenly: a burst of this many seconds' worth is allowed, no more, so that a restart is no storm.
const BURST: Duration = Duration::from_secs(5);

/// The bucket.
#[derive(Debug)]
pub struct Budget {
    interval: Duration,
    /// When the next call may go, were the bucket just empty; lies in the past by at most [`BURST`].
    next: Mutex<Instant>,
}

impl Budget {
    /// So many calls in a minute.
    #[must_use]
    pub fn per_minute(calls: u32) -> Self {
        let interval = Duration::from_secs(60) / calls.max(1);
        Self {
            interval,
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits until a call may go, and takes it from the budget. Callers go in the order they came.
    pub async fn take(&self) {
        let at = {
            let mut next = self.next.lock();
            let now = Instant::now();
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            *next = (*next).max(earliest) + self.interval;
            *next
        };
        tokio::time::sleep_until(at).await;
    }

    /// Pub/Sub said that the quota is used up: nobody calls for a while.
    pub fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut next = self.next.lock();
        *next = (*next).max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_has_its_calls_and_no_more() {
        let budget = Budget::per_minute(600);
        let start = Instant::now();
        for _ in 0..650 {
            budget.take().await;
        }
        let elapsed = start.elapsed();
        assert!(
            elapsed >= Duration::from_secs(60),
            "650 calls at 600 a minute with a burst of 50 took {elapsed:?}"
        );
        assert!(elapsed <= Duration::from_secs(66), "650 calls took {elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_stops_everybody() {
        let budget = Budget::per_minute(6000);
        budget.pause(Duration::from_secs(30));
        let start = Instant::now();
        budget.take().await;
        assert!(start.elapsed() >= Duration::from_secs(30));
    }
}
