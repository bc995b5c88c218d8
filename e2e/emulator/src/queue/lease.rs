//! Taking messages, and giving them back: lease, ack, nack, extend.

use super::{
    AckId, DeadLetter, Delivery, Queue, Ready, State,
    owner::{Limit, OwnerId},
};
use crate::limits::{MAX_DELIVERY_BYTES, MAX_DELIVERY_MESSAGES};
use std::{cmp::Reverse, sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};

impl Queue {
    /// A puller arrives; it is woken through the handle when there is work and it has room.
    /// `client`: what it calls itself, or nothing.
    pub(crate) fn attach(&mut self, limit: Limit, client: &str) -> (OwnerId, Arc<Notify>) {
        self.owners.attach(limit, client)
    }

    /// A puller goes. Its leases stay until their deadline, or with the next stream of its client: the
    /// service cannot know that it is gone for good.
    pub(crate) fn detach(&mut self, owner: OwnerId) {
        self.owners.detach(owner);
        self.wake();
    }

    pub(crate) fn pullers(&self) -> usize {
        self.owners.len()
    }

    /// Leases as many messages as fit, at most this puller's fair share of what is ready.
    pub(crate) fn lease(&mut self, now: Instant, owner: OwnerId, hold: Duration) -> Vec<Delivery> {
        let mut room = self.owners.room(owner);
        room.messages = room
            .messages
            .min(self.ready_count.div_ceil(self.owners.with_room().max(1)))
            .min(MAX_DELIVERY_MESSAGES);
        room.bytes = room.bytes.min(MAX_DELIVERY_BYTES);
        let mut out = Vec::with_capacity(room.messages);
        let mut elsewhere = Vec::new();
        while room.messages > 0 {
            match self.ready.pop_front() {
                None => break,
                Some(Ready::One { slot, generation }) => {
                    let ready = self
                        .slots
                        .current(slot, generation)
                        .is_some_and(|e| e.state == State::Ready);
                    if ready && !self.hand_out(slot, now + hold, owner, &mut room, &mut out) {
                        self.ready.push_front(Ready::One { slot, generation });
                        break;
                    }
                }
                Some(Ready::Lane(key)) => {
                    if !self.lease_lane(&key, now + hold, owner, &mut room, &mut out) {
                        elsewhere.push(Ready::Lane(key));
                    }
                }
            }
        }
        for lane in elsewhere.into_iter().rev() {
            self.ready.push_front(lane);
        }
        self.totals.delivered += out.len() as u64;
        if self.ready_count > 0 && !out.is_empty() {
            self.wake();
        }
        out
    }

    /// False if the lane must stay in the ready queue: it belongs to another puller now, or this
    /// one has no room for its next message.
    fn lease_lane(
        &mut self,
        key: &Arc<str>,
        until: Instant,
        owner: OwnerId,
        room: &mut Limit,
        out: &mut Vec<Delivery>,
    ) -> bool {
        loop {
            let Some(lane) = self.lanes.get_mut(key) else {
                return true;
            };
            if lane.owner.is_some_and(|holder| holder != owner) {
                return false;
            }
            let next = lane.order.get(lane.handed_out).copied();
            let Some(slot) =
                next.filter(|slot| self.slots.get(*slot).is_some_and(|e| e.state == State::Ready))
            else {
                lane.offered = false;
                return true;
            };
            if room.messages == 0 || !self.hand_out(slot, until, owner, room, out) {
                // Nothing more fits: the caller's loop ends too, as the room is used up.
                room.messages = 0;
                return false;
            }
            if let Some(lane) = self.lanes.get_mut(key) {
                lane.handed_out += 1;
                lane.owner = Some(owner);
            }
        }
    }

    /// False if the message does not fit; the first of a batch always does.
    fn hand_out(
        &mut self,
        slot: u32,
        until: Instant,
        owner: OwnerId,
        room: &mut Limit,
        out: &mut Vec<Delivery>,
    ) -> bool {
        let counts = self.rules.dead_letter.is_some();
        let Some(entry) = self.slots.get_mut(slot) else {
            return true;
        };
        let size = entry.message.size();
        if size > room.bytes && !out.is_empty() {
            return false;
        }
        entry.state = State::Leased { owner, until };
        let attempt = if counts { entry.attempts + 1 } else { 0 };
        let message = entry.message.clone();
        let generation = self.slots.renew(slot);
        self.timers.insert((until, slot));
        self.owners.take(owner, size);
        self.ready_count -= 1;
        self.leased_count += 1;
        room.messages -= 1;
        room.bytes = room.bytes.saturating_sub(size);
        out.push(Delivery {
            ack_id: AckId {
                incarnation: self.incarnation,
                slot,
                generation,
            },
            message,
            attempt,
        });
        true
    }

    /// Acknowledges; false if the id names no delivery that can still be acknowledged.
    ///
    /// After the deadline an id is good until the message is delivered again, as long as the
    /// subscription promises no more than at least once.
    pub(crate) fn ack(&mut self, id: AckId) -> bool {
        let Some(entry) = self.current(id) else {
            return false;
        };
        let lane = self.rules.lane_of(&entry.message);
        let was_ready = match entry.state {
            State::Done => return true,
            State::Ready => true,
            State::Leased { .. } | State::Waiting { .. } => false,
        };
        // A message of an ordered key that already waits again will come again with the rest.
        if lane.is_some() && !matches!(entry.state, State::Leased { .. }) {
            return false;
        }
        let message = entry.message.clone();
        self.release(id.slot);
        if was_ready {
            self.ready_count -= 1;
        }
        match lane {
            None => drop(self.slots.remove(id.slot)),
            Some(key) => {
                if let Some(entry) = self.slots.get_mut(id.slot) {
                    entry.state = State::Done;
                }
                self.settle_lane(&key);
            }
        }
        self.totals.acked += 1;
        if self.rules.retain_acked {
            self.kept.push_back(message);
        }
        true
    }

    /// Gives a message back at once; the backoff decides when it comes again.
    pub(crate) fn nack(&mut self, id: AckId, now: Instant, forwards: bool) -> (bool, Option<DeadLetter>) {
        if !self
            .current(id)
            .is_some_and(|entry| matches!(entry.state, State::Leased { .. }))
        {
            return (false, None);
        }
        self.totals.nacked += 1;
        (true, self.fail(id.slot, now, self.rules.redelivery, forwards))
    }

    /// The order in which the nacks of one request are done: of an ordering key the last message first. Each of them is
    /// a nack of its own; the other way round the first would take back the deliveries that the others name.
    pub(crate) fn sort_nacks<T>(&self, nacks: &mut [T], id: impl Fn(&T) -> AckId) {
        if self.rules.ordering {
            nacks.sort_by_key(|nack| Reverse(self.current(id(nack)).map(|entry| entry.message.id)));
        }
    }

    /// Frees what was leased and never left the server. For the messages it is as if nothing had happened: no attempt,
    /// no failure, no backoff, and they are the next to be leased.
    pub(crate) fn take_back(&mut self, unsent: &[AckId]) {
        self.totals.delivered = self.totals.delivered.saturating_sub(unsent.len() as u64);
        for id in unsent.iter().rev() {
            let Some(entry) = self.current(*id) else { continue };
            if !matches!(entry.state, State::Leased { .. }) {
                continue;
            }
            let lane = self.rules.lane_of(&entry.message);
            self.release(id.slot);
            let generation = self.slots.renew(id.slot);
            if let Some(entry) = self.slots.get_mut(id.slot) {
                entry.state = State::Ready;
            }
            self.ready_count += 1;
            if let Some(key) = lane {
                self.rewind_lane(&key, id.slot);
                self.offer_lane(&key);
            } else {
                let slot = id.slot;
                self.ready.push_front(Ready::One { slot, generation });
            }
        }
        self.wake();
    }

    /// Moves the deadline of a lease.
    pub(crate) fn extend(&mut self, id: AckId, until: Instant) -> bool {
        let Some(State::Leased { owner, until: before }) = self.current(id).map(|entry| entry.state) else {
            return false;
        };
        self.timers.remove(&(before, id.slot));
        self.timers.insert((until, id.slot));
        if let Some(entry) = self.slots.get_mut(id.slot) {
            entry.state = State::Leased { owner, until };
        }
        true
    }

    fn current(&self, id: AckId) -> Option<&super::Entry> {
        (id.incarnation == self.incarnation)
            .then(|| self.slots.current(id.slot, id.generation))
            .flatten()
    }

    /// Takes a slot out of the timers and of its puller's account.
    pub(super) fn release(&mut self, slot: u32) {
        let Some(entry) = self.slots.get(slot) else { return };
        let size = entry.message.size();
        match entry.state {
            State::Leased { owner, until } => {
                self.timers.remove(&(until, slot));
                self.owners.give(owner, size, self.ready_count > 0);
                self.leased_count -= 1;
            }
            State::Waiting { until } => {
                self.timers.remove(&(until, slot));
            }
            State::Ready | State::Done => {}
        }
    }
}
