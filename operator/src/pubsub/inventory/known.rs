//! Objects of one kind as they were listed, corrected by what this process wrote since.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

/// Objects of one kind, and when this process last wrote each.
pub(super) struct Known<K, V> {
    pub(super) objects: HashMap<K, V>,
    written: HashMap<K, Instant>,
    /// Those that have to be read before anything is said about them.
    pub(super) in_doubt: HashSet<K>,
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            written: HashMap::new(),
            in_doubt: HashSet::new(),
        }
    }
}

impl<K: Eq + Hash + Clone, V> Known<K, V> {
    pub(super) fn write(&mut self, key: &K, value: Option<V>) {
        self.written.insert(key.clone(), Instant::now());
        self.in_doubt.remove(key);
        match value {
            Some(value) => self.objects.insert(key.clone(), value),
            None => self.objects.remove(key),
        };
    }

    /// Takes over a list that was begun at `begun`, but keeps what was written too shortly before to be in it.
    pub(super) fn replace(&mut self, listed: HashMap<K, V>, begun: Instant, visibility_lag: Duration) {
        self.written.retain(|_, at| *at + visibility_lag > begun);
        let mut old = std::mem::replace(&mut self.objects, listed);
        for key in self.written.keys() {
            match old.remove(key) {
                Some(value) => self.objects.insert(key.clone(), value),
                None => self.objects.remove(key),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: Duration = Duration::from_secs(120);

    #[tokio::test(start_paused = true)]
    async fn a_list_that_lags_does_not_hide_what_was_just_made() {
        let mut known = Known::default();
        known.write(&"fresh", Some(1));
        known.write(&"deleted", None);
        known.replace(HashMap::from([("deleted", 2), ("other", 3)]), Instant::now(), LAG);
        assert_eq!(known.objects, HashMap::from([("fresh", 1), ("other", 3)]));
        tokio::time::advance(LAG).await;
        known.replace(HashMap::from([("other", 3)]), Instant::now(), LAG);
        assert_eq!(
            known.objects,
            HashMap::from([("other", 3)]),
            "after the lag the list is believed"
        );
    }
}
