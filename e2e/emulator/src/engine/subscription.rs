//! One subscription: its configuration, its queue, and whom to wake.

use super::metrics::Samples;
use crate::{filter::Filter, iam::PolicyCell, names::Name, pb, queue::Queue, status::Code};
use parking_lot::{Mutex, RwLock};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

pub(crate) struct Subscription {
    pub(crate) name: Name,
    pub(super) created: Instant,
    pub(super) incarnation: u32,
    /// Immutable for the life of a subscription, so it needs no lock.
    pub(super) filter: Option<Filter>,
    pub(super) config: RwLock<pb::Subscription>,
    pub(super) policy: Mutex<PolicyCell>,
    queue: Mutex<Queue>,
    /// Until when the keeper sleeps; `None` while it is awake or has nothing to wait for.
    armed: Mutex<Option<Instant>>,
    pub(super) rearm: Notify,
    /// Last time a client used the subscription, for its expiration.
    pub(super) used: Mutex<Instant>,
    /// What Cloud Monitoring has seen of it.
    pub(super) samples: Mutex<Samples>,
    /// Cancelled when the subscription is deleted or detached: streams end.
    pub(crate) gone: CancellationToken,
    /// Changes when the open streams are to end, with the code to end with.
    pub(crate) breaks: tokio::sync::watch::Sender<Option<Code>>,
}

impl Subscription {
    pub(super) fn new(
        name: Name,
        config: pb::Subscription,
        filter: Option<Filter>,
        queue: Queue,
        at: (Instant, u32),
    ) -> Self {
        Self {
            name,
            created: at.0,
            incarnation: at.1,
            filter,
            config: RwLock::new(config),
            policy: Mutex::default(),
            queue: Mutex::new(queue),
            armed: Mutex::default(),
            rearm: Notify::new(),
            used: Mutex::new(at.0),
            samples: Mutex::default(),
            gone: CancellationToken::new(),
            breaks: tokio::sync::watch::Sender::new(None),
        }
    }

    /// Runs an operation on the queue, and has the keeper look again if something is due earlier.
    pub(crate) fn queue<R>(&self, operation: impl FnOnce(&mut Queue) -> R) -> R {
        let (result, due) = {
            let mut queue = self.queue.lock();
            let result = operation(&mut queue);
            (result, queue.due())
        };
        if let Some(due) = due {
            let mut armed = self.armed.lock();
            if armed.is_none_or(|at| due < at) {
                *armed = Some(due);
                self.rearm.notify_one();
            }
        }
        result
    }

    /// What the keeper waits for next.
    pub(super) fn arm(&self) -> Option<Instant> {
        let due = self.queue.lock().due();
        *self.armed.lock() = due;
        due
    }

    pub(super) fn touch(&self, now: Instant) {
        *self.used.lock() = now;
    }
}
