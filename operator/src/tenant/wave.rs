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
    /// When each was given its turn, and whether it runs.
    given: HashMap<String, (Instant, bool)>,
}

impl Wave {
    /// Whether this worker may change to this version now; if so, it counts as changing from now on.
    pub fn turn(
        &self,
        namespace: &str,
        awake: bool,
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
        given.retain(|one, (at, _)| now.duration_since(*at) < GIVEN && !tally.has(one));
        let mut expected = tally.clone();
        for (one, (_, awake)) in given.iter() {
            match awake {
                true => expected.rolling.push(one.clone()),
                false => expected.asleep.push(one.clone()),
            }
        }
        let turn = turn(&expected, awake, max_concurrent);
        if turn == Turn::Go {
            given.insert(namespace.to_owned(), (now, awake));
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
            awake: true,
            held: false,
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
        assert_eq!(wave.turn("a", true, "new", 2, old), Turn::Go);
        assert_eq!(wave.turn("b", true, "new", 2, old), Turn::Go);
        assert_eq!(wave.turn("c", true, "new", 2, old), Turn::Wait(2));
        tokio::time::advance(FRESH).await;
        let seen = || {
            vec![
                member("a", "new", Doing::Settled),
                member("b", "new", Doing::Rolling),
                member("c", "old", Doing::Settled),
            ]
        };
        assert_eq!(
            wave.turn("c", true, "new", 2, seen),
            Turn::Go,
            "a is done and b is counted once"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_zero_waits_for_a_turn_that_was_given_to_one_that_runs() {
        let wave = Wave::default();
        let asleep = Member {
            awake: false,
            ..member("z", "old", Doing::Settled)
        };
        let before = || vec![member("a", "old", Doing::Settled), asleep.clone()];
        assert_eq!(wave.turn("z", false, "new", 5, before), Turn::Wait(1));
        assert_eq!(wave.turn("a", true, "new", 5, before), Turn::Go);
        tokio::time::advance(FRESH).await;
        let after = || vec![member("a", "new", Doing::Settled), asleep.clone()];
        assert_eq!(wave.turn("z", false, "new", 5, after), Turn::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_came_to_nothing_is_given_again() {
        let wave = Wave::default();
        let old = || ["a", "b"].map(|one| member(one, "old", Doing::Settled)).to_vec();
        assert_eq!(wave.turn("a", true, "new", 1, old), Turn::Go);
        assert_eq!(wave.turn("b", true, "new", 1, old), Turn::Wait(1));
        tokio::time::advance(GIVEN).await;
        assert_eq!(wave.turn("b", true, "new", 1, old), Turn::Go);
    }
}
