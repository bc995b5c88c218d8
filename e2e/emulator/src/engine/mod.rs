//! The service without its transports: what exists, and what each operation does to it.
//!
//! Locks are taken in this order and never the other way round: registry, a topic's fan-out, a
//! subscription's configuration, its queue. Nothing is awaited under a lock.

mod dead_letter;
mod defaults;
mod fanout;
#[cfg(test)]
mod fields_tests;
mod inspect;
mod keeper;
mod labels;
mod mask;
mod metrics;
mod paging;
mod persist;
mod policies;
mod projects;
mod publish;
mod pull;
mod registry;
mod schemas;
mod snapshots;
mod subscription;
mod subscription_fields;
mod subscriptions;
#[cfg(test)]
mod tests;
mod topic;
mod topic_fields;
mod topics;
mod unsent;
mod unserved;

pub use inspect::SubscriptionStats;
pub(crate) use metrics::{Metric, Series};
pub(crate) use pull::{Feedback, Pulled, Puller, extension};
pub(crate) use unsent::Unsent;

use crate::{
    clock::Clock,
    settings::Settings,
    status::Result,
    store::{Loaded, Store},
};
use parking_lot::RwLock;
use registry::Registry;
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The whole state. One per emulator.
pub(crate) struct Engine {
    me: Weak<Engine>,
    pub(crate) clock: Clock,
    pub(crate) settings: RwLock<Settings>,
    registry: RwLock<Registry>,
    pub(crate) store: Option<Arc<Store>>,
    next_message: AtomicU64,
    next_incarnation: AtomicU32,
    /// Ends the keepers of subscriptions.
    pub(crate) stop: tokio_util::sync::CancellationToken,
}

impl Engine {
    pub(crate) fn new(seed: u64, settings: Settings, store: Option<Arc<Store>>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            clock: Clock::start(),
            settings: RwLock::new(settings),
            registry: RwLock::new(Registry::default()),
            store,
            // Ids are unique and opaque; the seed keeps two runs with it alike, and others apart.
            next_message: AtomicU64::new(10_000_000_000 + (seed % 1_000) * 1_000_000_000),
            next_incarnation: AtomicU32::new(1),
            stop: tokio_util::sync::CancellationToken::new(),
        })
    }

    /// An engine with what a store held.
    pub(crate) fn open(
        seed: u64,
        settings: Settings,
        kept: Option<(Arc<Store>, Loaded)>,
    ) -> Result<Arc<Self>> {
        match kept {
            None => Ok(Self::new(seed, settings, None)),
            Some((store, loaded)) => {
                let engine = Self::new(seed, settings, Some(store));
                engine.restore(loaded)?;
                Ok(engine)
            }
        }
    }

    /// Is an object of this age returned by GETs and lists yet?
    fn visible(&self, created: Instant) -> bool {
        let gap = self.settings.read().read_after_write_gap_ms;
        gap == 0 || created + Duration::from_millis(gap) <= Instant::now()
    }

    fn incarnation(&self) -> u32 {
        self.next_incarnation.fetch_add(1, Ordering::Relaxed)
    }
}
