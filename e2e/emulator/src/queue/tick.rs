//! What time does to messages: leases run out, backoffs end, retention passes.

use super::{DeadLetter, Queue, State};
use std::{cmp::Reverse, time::Duration};
use tokio::time::Instant;

impl Queue {
    /// When `tick` next has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.retention_check].into_iter().flatten().min()
    }

    /// Brings the queue to this instant. `forwards`: dead letters can be forwarded now; if not,
    /// messages beyond their attempts are redelivered, as the service silently does.
    pub(crate) fn tick(&mut self, now: Instant, forwards: bool) -> Vec<DeadLetter> {
        let mut dead = Vec::new();
        let before = self.ready_count;
        for (at, slot) in self.due_timers(now) {
            match self.slots.get(slot).map(|entry| entry.state) {
                Some(State::Leased { until, .. }) if until <= now => {
                    self.totals.expired += 1;
                    dead.extend(self.fail(slot, now, Duration::ZERO, forwards));
                }
                Some(State::Waiting { until }) if until <= now => {
                    self.release(slot);
                    self.make_ready(slot);
                }
                Some(State::Leased { .. } | State::Waiting { .. } | State::Ready | State::Done) | None => {}
            }
            self.timers.remove(&(at, slot));
        }
        if self.retention_check.is_some_and(|at| at <= now) {
            self.drop_old(now);
        }
        if self.ready_count > before {
            self.wake();
        }
        dead
    }

    /// Timers up to this instant; of an ordering key the last message first. Leases that run out together are each a
    /// failure of their own message, and the other way round the first would take the others back.
    fn due_timers(&self, now: Instant) -> Vec<(Instant, u32)> {
        let due = self.timers.iter().take_while(|(at, _)| *at <= now);
        let mut due: Vec<_> = due.copied().collect();
        if self.rules.ordering {
            due.sort_by_key(|(_, slot)| Reverse(self.slots.get(*slot).map(|entry| entry.message.id)));
        }
        due
    }

    /// A delivery ended without an ack: to the dead-letter topic, into backoff, or ready at once.
    /// `least`: how long it waits whatever the retry policy.
    pub(super) fn fail(
        &mut self,
        slot: u32,
        now: Instant,
        least: Duration,
        forwards: bool,
    ) -> Option<DeadLetter> {
        self.release(slot);
        let counts = self.rules.dead_letter.is_some();
        let entry = self.slots.get_mut(slot)?;
        entry.failures += 1;
        entry.attempts += u32::from(counts);
        let (failures, attempts, lane) = (entry.failures, entry.attempts, self.rules.lane_of(&entry.message));
        if forwards && self.rules.attempts_used_up(attempts) {
            let message = entry.message.clone();
            self.slots.remove(slot);
            if let Some(key) = lane {
                // The rest of its key stays leased. "When the Pub/Sub service redelivers a message with an ordering key,
                // the Pub/Sub service also redelivers every subsequent message" (Order messages): this one is not
                // redelivered, so nothing comes out of order without it. Chosen: of this case the documentation is silent.
                self.leave_lane(&key, slot);
            }
            self.totals.dead_lettered += 1;
            return Some(DeadLetter { message, attempts });
        }
        if self.rules.exactly_once {
            // The client must learn that its lease is gone, even before the next delivery.
            self.slots.renew(slot);
        }
        if let Some(key) = &lane {
            self.rewind_lane(key, slot);
        }
        let backoff = self.rules.backoff(failures).max(least);
        if backoff.is_zero() {
            self.make_ready(slot);
        } else if let Some(entry) = self.slots.get_mut(slot) {
            entry.state = State::Waiting { until: now + backoff };
            self.timers.insert((now + backoff, slot));
        }
        None
    }

    fn make_ready(&mut self, slot: u32) {
        let Some(entry) = self.slots.get_mut(slot) else {
            return;
        };
        entry.state = State::Ready;
        self.ready_count += 1;
        match self.rules.lane_of(&entry.message) {
            Some(key) => self.offer_lane(&key),
            None => self.offer(slot),
        }
    }

    /// Drops messages past their retention, and notes when the next one can be.
    fn drop_old(&mut self, now: Instant) {
        let wall = self.clock.wall(now);
        let retention = self.rules.retention;
        let age =
            |message: &crate::message::Message| wall.duration_since(message.published).unwrap_or_default();
        while self.kept.front().is_some_and(|message| age(message) >= retention) {
            self.kept.pop_front();
        }
        let mut oldest = self.kept.front().map_or(Duration::ZERO, |message| age(message));
        for slot in self.slots.occupied() {
            let Some(entry) = self.slots.get(slot) else {
                continue;
            };
            let (age, state) = (age(&entry.message), entry.state);
            if age < retention {
                oldest = oldest.max(age);
                continue;
            }
            let lane = self.rules.lane_of(&entry.message);
            self.release(slot);
            if state == State::Ready {
                self.ready_count -= 1;
            }
            self.slots.remove(slot);
            if let Some(key) = lane {
                self.leave_lane(&key, slot);
            }
        }
        let holds_any = !self.kept.is_empty() || self.slots.iter().next().is_some();
        // Not more often than each second: a pass looks at every message.
        self.retention_check =
            holds_any.then(|| now + retention.saturating_sub(oldest).max(Duration::from_secs(1)));
    }
}
