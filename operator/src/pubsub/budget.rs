//! One token bucket for all admin calls of this process, so that a fleet cannot use up a project's quota; a smaller one for a
//! while after the quota was used up all the same, by whoever shares it.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Calls are spread evenly: a burst of this many seconds' worth is allowed, no more, so that a restart is no storm.
const BURST: Duration = Duration::from_secs(5);

/// How long nobody calls after the quota was used up: it is counted per minute
/// (<https://cloud.google.com/pubsub/quotas#quotas>).
const PAUSE: Duration = Duration::from_secs(10);

/// The least share of the budget that is left, however often the quota is used up.
const LEAST_SHARE: f64 = 1.0 / 16.0;

/// In how long the whole budget comes back, evenly, if the quota is not used up again.
const RECOVERY: Duration = Duration::from_secs(120);

/// The bucket.
#[derive(Debug)]
pub struct Budget {
    calls_per_minute: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next call may go, were the bucket just empty; lies in the past by at most [`BURST`].
    next: Instant,
    /// The share of the budget at the end of the last pause.
    share: f64,
    /// The end of the last pause.
    resumed: Instant,
}

impl State {
    fn share(&self, now: Instant) -> f64 {
        let recovered = now.saturating_duration_since(self.resumed).as_secs_f64() / RECOVERY.as_secs_f64();
        (self.share + recovered).min(1.0)
    }
}

/// How much there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Calls in a minute.
    pub calls_per_minute: u32,
    /// How long a call would wait.
    pub wait: Duration,
}

impl Budget {
    /// So many calls in a minute.
    #[must_use]
    pub fn per_minute(calls: u32) -> Self {
        let now = Instant::now();
        Self {
            calls_per_minute: calls.max(1),
            state: Mutex::new(State {
                next: now,
                share: 1.0,
                resumed: now,
            }),
        }
    }

    /// Waits until a call may go, and takes it from the budget. Callers go in the order they came.
    pub async fn take(&self) {
        let at = {
            let mut state = self.state.lock();
            let now = Instant::now();
            let interval =
                Duration::from_secs(60).div_f64(f64::from(self.calls_per_minute) * state.share(now));
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            state.next = state.next.max(earliest) + interval;
            state.next
        };
        tokio::time::sleep_until(at).await;
    }

    /// Pub/Sub said that the quota is used up: nobody calls for a while, and then half as often. Calls that were under way
    /// hear the same; that counts once.
    pub fn used_up(&self) {
        let mut state = self.state.lock();
        let now = Instant::now();
        if now < state.resumed {
            return;
        }
        state.share = (state.share(now) / 2.0).max(LEAST_SHARE);
        state.resumed = now + PAUSE;
        state.next = state.next.max(state.resumed);
    }

    /// How much there is now.
    #[must_use]
    pub fn now(&self) -> Now {
        let state = self.state.lock();
        let now = Instant::now();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of an u32, which is between 0 and 1"
        )]
        let calls_per_minute = (f64::from(self.calls_per_minute) * state.share(now)) as u32;
        Now {
            calls_per_minute,
            wait: state.next.saturating_duration_since(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn take(budget: &Budget, calls: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..calls {
            budget.take().await;
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_has_its_calls_and_no_more() {
        let budget = Budget::per_minute(600);
        let took = take(&budget, 650).await;
        assert!(
            (60..=66).contains(&took.as_secs()),
            "650 calls at 600 a minute with a burst of 50 took {took:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_stops_everybody_and_leaves_half_which_recovers() {
        let budget = Budget::per_minute(600);
        tokio::time::advance(RECOVERY).await;
        for _ in 0..16 {
            budget.used_up();
        }
        assert_eq!(
            budget.now(),
            Now {
                calls_per_minute: 300,
                wait: PAUSE
            },
            "sixteen calls under way count once"
        );
        let first = take(&budget, 1).await;
        assert!(first >= PAUSE, "{first:?}");
        let next = take(&budget, 50).await;
        assert!(
            (9..=10).contains(&next.as_secs()),
            "50 calls at 300 a minute, a little more by and by, took {next:?}"
        );
        tokio::time::advance(RECOVERY).await;
        assert_eq!(budget.now().calls_per_minute, 600);
    }

    #[tokio::test(start_paused = true)]
    async fn something_is_always_left() {
        let budget = Budget::per_minute(4800);
        for _ in 0..20 {
            budget.used_up();
            tokio::time::advance(PAUSE).await;
        }
        assert_eq!(budget.now().calls_per_minute, 300);
    }
}
