//! Stands for whatever the handlers need: a database, a search index, a client of some service.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use event_worker::{BatchHandler, Event, Outcome};

/// An index in memory. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Index(Arc<Mutex<BTreeMap<String, String>>>);

/// A connection to it.
pub(crate) struct Connection<'a>(&'a Index);

impl Index {
    /// A real one may refuse.
    #[allow(clippy::unused_async, reason = "a real one would wait for the network")]
    pub(crate) async fn connect(&self) -> io::Result<Connection<'_>> {
        Ok(Connection(self))
    }

    fn put(&self, key: &str, document: &str) {
        let mut documents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        documents.insert(key.to_owned(), document.to_owned());
    }

    /// What was added.
    #[cfg(test)]
    pub(crate) fn documents(&self) -> Vec<String> {
        self.0.lock().unwrap().values().cloned().collect()
    }
}

impl Connection<'_> {
    /// Adds a document, once for each key.
    #[allow(clippy::unused_async, reason = "a real one would wait for the network")]
    pub(crate) async fn add(&self, document: &str, key: &str) -> io::Result<()> {
        self.0.put(key, document);
        Ok(())
    }
}

/// Counts views, many at a time.
pub(crate) struct Views(pub(crate) Index);

#[async_trait]
impl BatchHandler for Views {
    async fn handle_batch(&self, events: &[Event]) -> Vec<Outcome> {
        // One statement for all of them, in a real one; each still has its own outcome.
        let view = |event: &Event| {
            self.0.put(event.idempotency_key(), "view");
            Outcome::Success
        };
        events.iter().map(view).collect()
    }
}
