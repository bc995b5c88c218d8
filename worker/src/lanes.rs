//! In order where order was asked for: the messages of one key go one after the other, and none overtakes one that was
//! given back.
//!
//! Order is kept by holding, not by giving back: while the head of a key is tried again those that follow keep their
//! leases. After the head was given back its lane stays until it comes again, or, when Pub/Sub had no attempt left for
//! it, until it would have. Pub/Sub then delivers those that follow again too, in order
//! (<https://cloud.google.com/pubsub/docs/ordering>): a new delivery takes the place of the old one.

mod lane;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, hash_map::Entry},
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Duration,
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::{
    disposition::Disposition,
    limits::Slot,
    message::{Delivery, Message},
    process::{Pipeline, process},
    subscriptions::Subscription,
    window::{FEWEST_ATTEMPTS, Window, may_be_given_back},
};
use lane::{Head, Lane, Queued};

/// The longest backoff that Pub/Sub has
/// (<https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#retrypolicy>).
const LONGEST_BACKOFF: Duration = Duration::from_mins(10);
/// How much later than after its backoff a message may come.
const MARGIN: Duration = Duration::from_secs(5);
/// Messages of one key that are held: one key must not take the place of all others.
const MOST_OF_A_KEY: usize = 1_000;

/// The lanes of one subscription.
#[derive(Clone)]
pub(crate) struct Lanes {
    state: Arc<Mutex<State>>,
    window: Arc<Window>,
    longest_backoff: Duration,
}

#[derive(Default)]
struct State {
    lanes: HashMap<String, Lane>,
    /// Whether nothing is handled here any more.
    closed: bool,
}

impl Lanes {
    pub(crate) fn new(pipeline: &Pipeline, subscription: &Subscription) -> Self {
        Self {
            state: Arc::default(),
            window: Arc::clone(&pipeline.limits.window),
            longest_backoff: subscription
                .maximum_backoff_seconds
                .map_or(LONGEST_BACKOFF, Duration::from_secs)
                .min(LONGEST_BACKOFF),
        }
    }

    /// Queues a delivery behind an earlier one of its key; returns it when it may go now.
    pub(crate) fn queue(&self, delivery: Delivery) -> Option<Delivery> {
        if let Entry::Vacant(free) = self
            .state
            .lock()
            .lanes
            .entry(delivery.message.ordering_key.clone())
        {
            free.insert(Lane::of(&delivery.message));
            return Some(delivery);
        }
        self.join(delivery, true)
    }

    /// Queues a delivery if there is a lane for it; returns it when there is none.
    pub(crate) fn queue_behind(&self, delivery: Delivery) -> Option<Delivery> {
        let known = self
            .state
            .lock()
            .lanes
            .contains_key(&delivery.message.ordering_key);
        if !delivery.message.in_order || !known {
            return Some(delivery);
        }
        self.join(delivery, false)
    }

    /// Adds to a lane. `may_go`: the head that comes again goes at once.
    fn join(&self, delivery: Delivery, may_go: bool) -> Option<Delivery> {
        let mut state = self.state.lock();
        let lane = state.lanes.get_mut(&delivery.message.ordering_key)?;
        if lane.comes_again(&delivery.message) {
            if may_go {
                lane.run(&delivery.message);
            }
            return Some(delivery);
        }
        let delivery = lane.replace(delivery)?;
        let Message {
            delivery_attempt,
            max_delivery_attempts,
            ..
        } = delivery.message;
        let crowded = lane.queue.len() >= MOST_OF_A_KEY || self.window.is_full();
        if crowded && may_be_given_back(delivery_attempt, max_delivery_attempts) {
            drop(state);
            delivery.lease.nack();
            return None;
        }
        let waiting = self.window.wait(delivery.message.data.len(), false);
        lane.push(Queued::new(delivery, waiting));
        None
    }

    /// Takes a delivery, and those that queue behind it, through the pipeline one after the other.
    pub(crate) async fn run(self, pipeline: Arc<Pipeline>, mut delivery: Delivery, mut slot: Slot) {
        loop {
            let head = Ended {
                key: delivery.message.ordering_key.clone(),
                attempt: delivery.message.delivery_attempt,
                most: delivery.message.max_delivery_attempts,
            };
            // A panic of ours must not leave those that queue behind it waiting for ever.
            let done = AssertUnwindSafe(process(&pipeline, delivery, slot)).catch_unwind();
            let disposition = done.await.unwrap_or(Disposition::Nack);
            let Some(next) = self.ended(&pipeline, &head, disposition) else {
                return;
            };
            let Some(next_slot) = pipeline.drain.unless_stopping(pipeline.limits.slot()).await else {
                next.lease.nack();
                self.give_back(&head.key);
                return;
            };
            (delivery, slot) = (next, next_slot);
        }
    }

    /// The head of a key has ended; returns the next of the key that may go.
    fn ended(&self, pipeline: &Arc<Pipeline>, head: &Ended, disposition: Disposition) -> Option<Delivery> {
        let mut state = self.state.lock();
        if disposition == Disposition::Ack {
            return state.next(&head.key);
        }
        if state.closed || pipeline.drain.stopping.is_cancelled() {
            drop(state);
            self.give_back(&head.key);
            return None;
        }
        let lane = state.lanes.get_mut(&head.key)?;
        let backoff = lane.given_back(Instant::now(), self.longest_backoff);
        let until = Instant::now() + backoff + MARGIN;
        let last = head
            .attempt
            .is_some_and(|attempt| attempt >= head.most.unwrap_or(FEWEST_ATTEMPTS).max(FEWEST_ATTEMPTS));
        let serial = lane.serial;
        drop(state);
        let expiry = Expiry {
            lanes: self.clone(),
            pipeline: Arc::downgrade(pipeline),
            key: head.key.clone(),
            serial,
            until,
            last,
        };
        tokio::spawn(expiry.run());
        None
    }

    /// Gives all that queue in a lane back, in order, and forgets the lane.
    fn give_back(&self, key: &str) {
        let lane = self.state.lock().lanes.remove(key);
        for queued in lane.into_iter().flat_map(|lane| lane.queue) {
            queued.delivery.lease.nack();
        }
    }

    /// Nothing is handled here any more. Lanes whose head was given back are given back too; those of running heads are
    /// when these have ended.
    pub(crate) fn close(&self) {
        let waiting: Vec<String> = {
            let mut state = self.state.lock();
            state.closed = true;
            let lanes = state.lanes.iter();
            lanes
                .filter(|(_, lane)| !matches!(lane.head, Head::Running))
                .map(|(key, _)| key.clone())
                .collect()
        };
        for key in waiting {
            self.give_back(&key);
        }
    }
}

impl State {
    fn next(&mut self, key: &str) -> Option<Delivery> {
        let next = self.lanes.get_mut(key)?.pop();
        if next.is_none() {
            self.lanes.remove(key);
        }
        next
    }
}

/// What is known of a head that has ended.
struct Ended {
    key: String,
    attempt: Option<u32>,
    most: Option<u32>,
}

/// Waits for a head that was given back, which may never come.
struct Expiry {
    lanes: Lanes,
    pipeline: Weak<Pipeline>,
    key: String,
    serial: u64,
    until: Instant,
    /// Pub/Sub had no attempt left for it: it is in the dead letters, if it does not come again.
    last: bool,
}

impl Expiry {
    async fn run(mut self) {
        loop {
            let Some(stopping) = self
                .pipeline
                .upgrade()
                .map(|pipeline| pipeline.drain.stopping.clone())
            else {
                return;
            };
            if stopping
                .run_until_cancelled(sleep_until(self.until))
                .await
                .is_none()
            {
                return;
            }
            let Some(pipeline) = self.pipeline.upgrade() else {
                return;
            };
            match self.expired() {
                Expired::Over => return,
                Expired::Held => self.until = Instant::now() + self.lanes.longest_backoff + MARGIN,
                Expired::Next(next) => {
                    let Some(slot) = pipeline.drain.unless_stopping(pipeline.limits.slot()).await else {
                        next.lease.nack();
                        self.lanes.give_back(&self.key);
                        return;
                    };
                    let tasks = pipeline.drain.deliveries.clone();
                    tasks.spawn(self.lanes.clone().run(pipeline, *next, slot));
                    return;
                }
            }
        }
    }

    fn expired(&self) -> Expired {
        let mut state = self.lanes.state.lock();
        let Some(lane) = state
            .lanes
            .get_mut(&self.key)
            .filter(|lane| lane.serial == self.serial)
        else {
            return Expired::Over;
        };
        if self.last {
            return match state.next(&self.key) {
                Some(next) => Expired::Next(Box::new(next)),
                None => Expired::Over,
            };
        }
        // Another worker has it, and then those that follow it too: these deliveries are old ones.
        let given_back = lane.take_those_that_may_go();
        let held = !lane.queue.is_empty();
        if !held {
            state.lanes.remove(&self.key);
        }
        drop(state);
        for queued in given_back {
            queued.delivery.lease.nack();
        }
        if held { Expired::Held } else { Expired::Over }
    }
}

enum Expired {
    /// The head came again, or nothing waits for it.
    Over,
    /// What waits cannot be given back.
    Held,
    /// The next of the key may go.
    Next(Box<Delivery>),
}
