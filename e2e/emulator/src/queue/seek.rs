//! Replacing what is acknowledged and what is not: seek, detach.

use super::Queue;
use crate::message::Message;
use std::{collections::VecDeque, sync::Arc};
use tokio::time::Instant;

impl Queue {
    /// Forgets every message and every lease. Pullers stay attached.
    pub(crate) fn clear(&mut self) {
        for slot in self.slots.occupied() {
            self.release(slot);
            self.slots.remove(slot);
        }
        self.ready.clear();
        self.ready_count = 0;
        self.lanes.clear();
        self.timers.clear();
        self.kept.clear();
        self.retention_check = None;
    }

    /// Every message that the subscription itself still has, acknowledged ones included.
    pub(crate) fn retained(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.unacked().chain(&self.kept)
    }

    /// Makes exactly `backlog` unacknowledged, and `acked` the messages a later seek can bring back.
    pub(crate) fn replace(&mut self, backlog: Vec<Arc<Message>>, acked: Vec<Arc<Message>>, now: Instant) {
        self.clear();
        for message in backlog {
            self.push(message, now);
        }
        if self.rules.retain_acked {
            self.kept = VecDeque::from(acked);
        }
        self.retention_check = Some(now);
        self.wake();
    }
}
