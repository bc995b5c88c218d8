//! What one subscription knows of its messages: a state machine without I/O, timers or locks.
//!
//! A message is *ready*, *leased* to a puller until a deadline, *waiting* for its backoff, or, with
//! an ordering key, *done* before an earlier one of its key is. Time comes in as an argument and
//! [`Queue::due`] says when [`Queue::tick`] next has something to do.

mod ack_id;
mod lane;
mod lease;
mod owner;
mod rules;
mod seek;
mod slots;
#[cfg(test)]
mod tests;
mod tick;

pub(crate) use ack_id::{ACK_ID_LENGTH, AckId};
pub(crate) use owner::{Limit, OwnerId};
pub(crate) use rules::{DeadLetterRule, RetryRule, Rules};

use crate::{clock::Clock, message::Message, store::Store};
use lane::Lane;
use owner::Owners;
use slots::Slots;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::SystemTime,
};
use tokio::time::Instant;

/// One delivery of one message.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) ack_id: AckId,
    pub(crate) message: Arc<Message>,
    /// 0 without a dead-letter policy, as the service does.
    pub(crate) attempt: u32,
}

/// A message that used up its attempts and left the subscription.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) message: Arc<Message>,
    pub(crate) attempts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Leased {
        owner: OwnerId,
        until: Instant,
    },
    Waiting {
        until: Instant,
    },
    /// Acknowledged, but an earlier message of its ordering key is not.
    Done,
}

#[derive(Debug)]
struct Entry {
    message: Arc<Message>,
    state: State,
    /// Nacks and expired leases while a dead-letter policy was set. A delivery that was taken back because an
    /// earlier message of its ordering key failed, or that never was sent, is neither: `ReceivedMessage.delivery_attempt`
    /// is "1 + (number of NACKs) + (number of `ack_deadline` exceeds) for this message".
    attempts: u32,
    /// Nacks and expired leases, for the backoff.
    failures: u32,
}

/// Where a puller finds its next message.
#[derive(Debug)]
enum Ready {
    /// The generation tells whether the slot still holds what was meant.
    One {
        slot: u32,
        generation: u32,
    },
    Lane(Arc<str>),
}

/// Totals since the subscription was created.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Deliveries, redeliveries included.
    pub delivered: u64,
    /// Acknowledged messages.
    pub acked: u64,
    /// Deliveries that were nacked.
    pub nacked: u64,
    /// Leases that ran out.
    pub expired: u64,
    /// Messages forwarded to the dead-letter topic.
    pub dead_lettered: u64,
}

/// The messages of one subscription.
#[derive(Debug)]
pub(crate) struct Queue {
    rules: Rules,
    clock: Clock,
    /// Makes the ack ids of a deleted and recreated subscription strangers to the new one.
    incarnation: u32,
    slots: Slots,
    ready: VecDeque<Ready>,
    ready_count: usize,
    leased_count: usize,
    lanes: HashMap<Arc<str>, Lane>,
    timers: BTreeSet<(Instant, u32)>,
    owners: Owners,
    /// Acknowledged messages, while the subscription retains them.
    kept: VecDeque<Arc<Message>>,
    /// No message can be past its retention before this.
    retention_check: Option<Instant>,
    pub(crate) totals: Totals,
}

impl Queue {
    pub(crate) fn new(rules: Rules, clock: Clock, incarnation: u32) -> Self {
        Self {
            rules,
            clock,
            incarnation,
            slots: Slots::default(),
            ready: VecDeque::new(),
            ready_count: 0,
            leased_count: 0,
            lanes: HashMap::new(),
            timers: BTreeSet::new(),
            owners: Owners::default(),
            kept: VecDeque::new(),
            retention_check: None,
            totals: Totals::default(),
        }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// From now on the backlog is kept in the store as well.
    pub(crate) fn keep_in(&mut self, store: Option<Arc<Store>>) {
        self.slots.store = store.map(|store| (store, self.incarnation));
    }

    /// Has the next tick look for messages past their retention.
    pub(crate) fn check_retention(&mut self, now: Instant) {
        self.retention_check = Some(now);
    }

    /// New rules hold from the next delivery and the next failure on.
    pub(crate) fn set_rules(&mut self, rules: Rules, now: Instant) {
        if !rules.retain_acked {
            self.kept.clear();
        }
        self.rules = rules;
        self.retention_check = Some(now);
    }

    /// Adds a message; [`Queue::wake`] afterwards, once per batch.
    pub(crate) fn push(&mut self, message: Arc<Message>, now: Instant) {
        if self.retention_check.is_none() {
            self.retention_check = Some(now + self.rules.retention);
        }
        let key: Option<Arc<str>> = self.rules.lane_of(&message);
        let slot = self.slots.insert(Entry {
            message,
            state: State::Ready,
            attempts: 0,
            failures: 0,
        });
        self.ready_count += 1;
        match key {
            Some(key) => {
                self.lanes.entry(key.clone()).or_default().order.push_back(slot);
                self.offer_lane(&key);
            }
            None => self.offer(slot),
        }
    }

    fn offer(&mut self, slot: u32) {
        let generation = self.slots.generation(slot);
        self.ready.push_back(Ready::One { slot, generation });
    }

    /// Tells pullers with room that there is work.
    pub(crate) fn wake(&self) {
        if self.ready_count > 0 {
            self.owners.wake_those_with_room();
        }
    }

    /// Unacknowledged messages.
    pub(crate) fn backlog(&self) -> usize {
        self.slots
            .iter()
            .filter(|entry| entry.state != State::Done)
            .count()
    }

    /// Messages leased to pullers.
    pub(crate) fn outstanding(&self) -> usize {
        self.leased_count
    }

    /// Publish time of the oldest unacknowledged message.
    pub(crate) fn oldest(&self) -> Option<SystemTime> {
        self.unacked().map(|message| message.published).min()
    }

    pub(crate) fn unacked(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.slots
            .iter()
            .filter(|entry| entry.state != State::Done)
            .map(|entry| &entry.message)
    }
}
