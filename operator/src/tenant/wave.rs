//! In memory: the turns that were given and that the caches do not show yet, so that a thousand reconciles at once do not all
//! take the same turn.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::rollout::{Member, Tally, Turn, tally, turn};

/// How long a count of the fleet is used for.
const FRESH: Duration = Duration::from_secs(1);

/// How long a turn counts though no cache shows it: its write may have failed.
const GIVEN: Duration = Duration::from_secs(60);

/// Who may change now.
#[derive(Default)]
pub struct Wave(Mutex<State>);

#[derive(Default)]
struct State {
    counted: Option<(Instant, String, Tally)>,
    given: HashMap<String, Instant>,
}

impl Wave {
    /// Whether this worker may change to this version now; if so, it counts as changing from now on.
    pub fn turn(
        &self,
        namespace: &str,
        version: &str,
        max_concurrent: usize,
        fleet: impl FnOnce() -> Vec<Member>,
    ) -> Turn {
        let mut state = self.0.lock();
        let State { counted, given } = &mut *state;
        let now = Instant::now();
        let fresh = counted
            .as_ref()
            .is_some_and(|(at, of, _)| of == version && now.duration_since(*at) < FRESH);
        if !fresh {
            *counted = Some((now, version.to_owned(), tally(fleet(), version)));
        }
        let Some((_, _, tally)) = counted else {
            return Turn::Wait(0);
        };
        given.retain(|one, at| now.duration_since(*at) < GIVEN && !tally.has(one));
        let mut expected = tally.clone();
        expected.rolling.extend(given.keys().cloned());
        let turn = turn(&expected, max_concurrent);
        if turn == Turn::Go {
            given.insert(namespace.to_owned(), now);
        }
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rollout::State as Doing, *};

    fn member(namespace: &str, version: &str, state: Doing) -> Member {
        Member {
            namespace: namespace.to_owned(),
            version: Some(version.to_owned()),
            was_ready: true,
            state,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_counts_before_the_cache_shows_it_and_is_not_counted_twice() {
        let wave = Wave::default();
        let old = || {
            ["a", "b", "c"]
                .map(|one| member(one, "old", Doing::Settled))
                .to_vec()
        };
        assert_eq!(wave.turn("a", "new", 2, old), Turn::Go);
        assert_eq!(wave.turn("b", "new", 2, old), Turn::Go);
        assert_eq!(wave.turn("c", "new", 2, old), Turn::Wait(2));
        tokio::time::advance(FRESH).await;
        let seen = || {
            vec![
                member("a", "new", Doing::Settled),
                member("b", "new", Doing::Rolling),
                member("c", "old", Doing::Settled),
            ]
        };
        assert_eq!(
            wave.turn("c", "new", 2, seen),
            Turn::Go,
            "a is done and b is counted once"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_came_to_nothing_is_given_again() {
        let wave = Wave::default();
        let old = || ["a", "b"].map(|one| member(one, "old", Doing::Settled)).to_vec();
        assert_eq!(wave.turn("a", "new", 1, old), Turn::Go);
        assert_eq!(wave.turn("b", "new", 1, old), Turn::Wait(1));
        tokio::time::advance(GIVEN).await;
        assert_eq!(wave.turn("b", "new", 1, old), Turn::Go);
    }
}
