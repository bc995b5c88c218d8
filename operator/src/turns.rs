//! One at a time for each key: whoever waits finds done what the one before did.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

/// One at a time for each key.
pub struct Turns<K> {
    locks: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            locks: Mutex::new(HashMap::new()),
        }
    }
}

impl<K: Eq + Hash + Clone> Turns<K> {
    /// Waits for its turn, which lasts until the guard is dropped.
    pub async fn take(&self, key: &K) -> OwnedMutexGuard<()> {
        let lock = Arc::clone(self.locks.lock().entry(key.clone()).or_default());
        lock.lock_owned().await
    }
}
