//! In memory: what was applied lately, so that somebody who writes the same fields again and again is answered once per resync
//! and not at full speed.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Manifest;

/// How an object that drifted stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is put right at once.
    Calm,
    /// It was put right not long ago, and is again.
    Again,
    /// It was put right just now: it waits.
    Held,
}

/// What was applied, and how often.
#[derive(Default)]
pub struct Repairs {
    // A fleet has thousands of objects: hashes of their names and of what was asked for say enough.
    applied: Mutex<HashMap<u64, Applied>>,
    hasher: RandomState,
}

#[derive(Clone, Copy)]
struct Applied {
    wish: u64,
    repairs: u32,
    last: Instant,
}

impl Repairs {
    /// How an object that is there and not as wanted stands, where a repair counts for so long.
    #[must_use]
    pub fn standing(&self, manifest: &Manifest, window: Duration) -> Standing {
        let wish = self.hasher.hash_one(manifest.hash());
        match self.applied.lock().get(&self.hasher.hash_one(&manifest.key)) {
            Some(found) if found.wish == wish && found.repairs > 0 => match found.last.elapsed() {
                since if since < window => Standing::Held,
                since if since < 3 * window => Standing::Again,
                _ => Standing::Calm,
            },
            Some(_) | None => Standing::Calm,
        }
    }

    /// It was applied now. `asked` is whether an object was there on which this very wish had been applied before.
    pub fn note(&self, manifest: &Manifest, there: bool, asked: bool, window: Duration) {
        let wish = self.hasher.hash_one(manifest.hash());
        let key = self.hasher.hash_one(&manifest.key);
        let last = Instant::now();
        let mut applied = self.applied.lock();
        let before = applied.get(&key).filter(|found| found.wish == wish).copied();
        let repairs = match before {
            // What is made anew begins a new life.
            _ if !there => 0,
            Some(found) if found.last.elapsed() < 3 * window => found.repairs + 1,
            Some(_) => 1,
            None => u32::from(asked),
        };
        applied.insert(key, Applied { wish, repairs, last });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::Kind;

    const WINDOW: Duration = Duration::from_secs(8);

    fn wish(text: &str) -> Manifest {
        let body = json!({"metadata": {"name": "one"}, "data": {"k": text}});
        Manifest::new(Kind::ConfigMap, Some("acme"), "one", &body).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_repair_is_made_at_once_and_the_next_when_its_time_has_come() {
        let (repairs, one) = (Repairs::default(), wish("a"));
        assert_eq!(repairs.standing(&one, WINDOW), Standing::Calm);
        repairs.note(&one, false, false, WINDOW);
        assert_eq!(repairs.standing(&one, WINDOW), Standing::Calm, "it was made");
        repairs.note(&one, true, true, WINDOW);
        assert_eq!(repairs.standing(&one, WINDOW), Standing::Held);
        tokio::time::advance(WINDOW).await;
        assert_eq!(repairs.standing(&one, WINDOW), Standing::Again);
        repairs.note(&one, true, true, WINDOW);
        assert_eq!(repairs.standing(&one, WINDOW), Standing::Held);
        tokio::time::advance(3 * WINDOW).await;
        assert_eq!(
            repairs.standing(&one, WINDOW),
            Standing::Calm,
            "that was long ago"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn another_wish_and_another_life_begin_anew() {
        let (repairs, one) = (Repairs::default(), wish("a"));
        repairs.note(&one, true, true, WINDOW);
        assert_eq!(repairs.standing(&wish("b"), WINDOW), Standing::Calm);
        assert_eq!(repairs.standing(&one, WINDOW), Standing::Held);
        repairs.note(&one, false, false, WINDOW);
        assert_eq!(repairs.standing(&one, WINDOW), Standing::Calm);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_that_never_stays_is_known_by_memory_alone() {
        let (repairs, one) = (Repairs::default(), wish("a"));
        // Nothing on the object says that it was applied before.
        repairs.note(&one, true, false, WINDOW);
        assert_eq!(repairs.standing(&one, WINDOW), Standing::Calm);
        repairs.note(&one, true, false, WINDOW);
        assert_eq!(repairs.standing(&one, WINDOW), Standing::Held);
    }
}
