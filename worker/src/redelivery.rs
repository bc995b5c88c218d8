//! Which messages were given back a moment ago? Pub/Sub does not say that a subscription has no retry policy; its messages
//! then come back at once, and giving them back again at once would be a loop that spends their attempts in milliseconds.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// A message that is back sooner had no backoff: the client keeps a nack for up to 100 ms, and a retry policy worth its name
/// waits longer than this.
const AT_ONCE: Duration = Duration::from_millis(500);
const FIRST_HOLD: Duration = Duration::from_millis(250);
const LONGEST_HOLD: Duration = Duration::from_mins(1);
/// Messages that are remembered, for an hour at most.
const MOST: usize = 10_000;
const REMEMBERED_FOR: Duration = Duration::from_hours(1);

/// Messages that were given back.
#[derive(Debug, Default)]
pub struct Redeliveries {
    /// Whether there is any: nearly never.
    any: AtomicBool,
    secret: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    given_back: HashMap<u64, (Instant, u32)>,
    by_age: VecDeque<(u64, Instant)>,
}

/// What is known of a message that was given back before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before {
    /// How long to hold it before it is given back again.
    pub(crate) hold: Option<Duration>,
}

impl Redeliveries {
    /// What is known of a message that comes now; none when it was not given back lately.
    pub(crate) fn before(&self, message_id: &str) -> Option<Before> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let id = self.secret.hash_one(message_id);
        let (at, at_once) = self.state.lock().given_back.get(&id).copied()?;
        let hold = (at.elapsed() < AT_ONCE)
            .then(|| (FIRST_HOLD * 2u32.saturating_pow(at_once.min(8))).min(LONGEST_HOLD));
        Some(Before { hold })
    }

    /// A message is given back now, after it was held for so long.
    pub(crate) fn given_back(&self, message_id: &str, held: Option<Duration>) {
        self.any.store(true, Ordering::Release);
        let (id, now) = (self.secret.hash_one(message_id), Instant::now());
        let mut state = self.state.lock();
        let times = state.given_back.get(&id).map_or(0, |(_, times)| *times);
        let times = if held.is_some() { times + 1 } else { times };
        state.given_back.insert(id, (now, times));
        state.by_age.push_back((id, now));
        while let Some(&(oldest, at)) = state.by_age.front() {
            if at.elapsed() < REMEMBERED_FOR && state.by_age.len() <= MOST {
                break;
            }
            state.by_age.pop_front();
            if state.given_back.get(&oldest).is_some_and(|(last, _)| *last == at) {
                state.given_back.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_back_at_once_is_held_longer_and_longer() {
        let redeliveries = Redeliveries::default();
        assert_eq!(redeliveries.before("1"), None);
        redeliveries.given_back("1", None);
        let mut holds = Vec::new();
        for _ in 0..10 {
            let hold = redeliveries.before("1").unwrap().hold;
            holds.push(hold.unwrap().as_millis());
            redeliveries.given_back("1", hold);
        }
        assert_eq!(
            holds,
            [
                250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000
            ]
        );
        assert_eq!(redeliveries.before("2"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_back_after_a_backoff_is_not_held() {
        let redeliveries = Redeliveries::default();
        for _ in 0..5 {
            redeliveries.given_back("1", None);
            tokio::time::advance(AT_ONCE).await;
            assert_eq!(redeliveries.before("1"), Some(Before { hold: None }));
        }
        for id in 0..MOST {
            redeliveries.given_back(&format!("other-{id}"), None);
        }
        assert_eq!(redeliveries.before("1"), None, "the oldest are forgotten");
    }
}
