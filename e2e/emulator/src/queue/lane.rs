//! Messages of one ordering key: delivered in order, to one puller at a time, and again from the
//! first that failed.

use super::{Queue, Ready, State, owner::OwnerId};
use std::{collections::VecDeque, sync::Arc};

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Slots in publish order. The first `handed_out` are leased or done.
    pub(super) order: VecDeque<u32>,
    pub(super) handed_out: usize,
    /// Who holds the leases; the rest of the key goes there too.
    pub(super) owner: Option<OwnerId>,
    /// Stands in the ready queue.
    pub(super) offered: bool,
}

impl Queue {
    /// Puts the lane where pullers look, if its next message can be delivered.
    pub(super) fn offer_lane(&mut self, key: &Arc<str>) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        let next = lane
            .order
            .get(lane.handed_out)
            .and_then(|slot| self.slots.get(*slot));
        if !lane.offered && next.is_some_and(|entry| entry.state == State::Ready) {
            lane.offered = true;
            self.ready.push_back(Ready::Lane(key.clone()));
        }
    }

    /// Drops what is finished at the front of the lane.
    pub(super) fn settle_lane(&mut self, key: &Arc<str>) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        while let Some(&slot) = lane.order.front() {
            if self
                .slots
                .get(slot)
                .is_some_and(|entry| entry.state != State::Done)
            {
                break;
            }
            lane.order.pop_front();
            lane.handed_out = lane.handed_out.saturating_sub(1);
            self.slots.remove(slot);
        }
        if lane.handed_out == 0 {
            lane.owner = None;
        }
        if lane.order.is_empty() {
            self.lanes.remove(key);
        } else {
            self.offer_lane(key);
        }
    }

    /// A message of the lane failed: everything after it will come again, acknowledged or not,
    /// because the service promises order on redelivery too.
    pub(super) fn rewind_lane(&mut self, key: &Arc<str>, failed: u32) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        let Some(position) = lane.order.iter().position(|slot| *slot == failed) else {
            return;
        };
        let later: Vec<u32> = lane
            .order
            .iter()
            .skip(position + 1)
            .take(lane.handed_out.saturating_sub(position + 1))
            .copied()
            .collect();
        lane.handed_out = lane.handed_out.min(position);
        if position == 0 {
            lane.owner = None;
        }
        for slot in later {
            self.release(slot);
            self.slots.renew(slot);
            if let Some(entry) = self.slots.get_mut(slot) {
                entry.state = State::Ready;
                self.ready_count += 1;
            }
        }
    }

    /// Takes a slot out of the middle of its lane (dead-lettered, out of retention).
    pub(super) fn leave_lane(&mut self, key: &Arc<str>, slot: u32) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        if let Some(position) = lane.order.iter().position(|s| *s == slot) {
            lane.order.remove(position);
            if position < lane.handed_out {
                lane.handed_out -= 1;
            }
        }
        self.settle_lane(key);
    }
}
