//! Pure: is a failure the event's, or the handler's? Decided by how failures and successes are distributed over events, not
//! by a single answer.
//!
//! A failure is *pending* until one of these holds:
//! - the event failed, another event succeeded, and the event failed again: it fails by itself;
//! - other events succeed after it, and failing is only a reason to try again later: the same;
//! - enough distinct events fail with no success between them: the handler is not there, and the circuit opens;
//! - it failed for [`DECIDED_AFTER`], and nothing else happened: it is taken for the event's own.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

/// Distinct events that fail with no success between them open the circuit.
pub(super) const OPENS_AFTER: usize = 3;
/// The same, when the handler was seen at work in the last [`RECENT`]: then a run of bad events is likelier than an outage.
pub(super) const OPENS_AFTER_RECENT: usize = 10;
/// Calls in a row that did not reach the handler open the circuit, whichever event they were for.
const UNREACHABLE_IN_A_ROW: u32 = 3;
/// A failure that nothing else decides is decided by time.
pub(crate) const DECIDED_AFTER: Duration = Duration::from_mins(1);
const RECENT: Duration = Duration::from_mins(1);
/// A success so long ago says nothing of an event that fails now.
const SUCCESS_COUNTS_FOR: Duration = Duration::from_mins(1);
/// An event that was found to fail by itself is known for so long, and so many are known: its next deliveries fail by
/// themselves too, when no other event is left that could succeed.
const KNOWN_FOR: Duration = Duration::from_hours(1);
const MOST_KNOWN: usize = 10_000;

/// What a failure that is decided to be the event's own means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Alone {
    /// The event failed and may work later.
    #[default]
    Retryable,
    /// The event can never work.
    Permanent,
    /// It is never the event's own: the handler was not reached.
    Never,
}

/// One failed call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    /// Failures of one kind are alike: `404`, `timeout`.
    pub(crate) kind: &'static str,
    pub(crate) alone: Alone,
    /// Events that were handed over together fail together, which is one failure.
    pub(crate) batch: Option<u64>,
}

/// What an event's failures so far say about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// Tells distinct events: a hash of the message's id.
    pub(crate) event: u64,
    /// When it failed last, on the evidence's own clock, and when first.
    pub(super) failed: Option<(u64, Instant)>,
}

impl Record {
    pub(crate) fn new(event: u64) -> Self {
        Self { event, failed: None }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }
}

/// What a failure is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The event's own.
    Own,
    /// Not decided.
    Pending,
    /// The handler's: the circuit opens.
    Outage,
}

/// Failures and successes of one handler.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Counts what happens; orders calls, failures and successes without a clock's resolution.
    ticks: u64,
    /// When the last call that succeeded began.
    success: u64,
    success_at: Option<Instant>,
    /// When the circuit was last seen to be open: failures up to then are the handler's.
    outage: u64,
    /// Events that failed since the last success, and the call in which they did.
    failing: HashMap<u64, u64>,
    unreachable: u32,
    known: HashMap<u64, (&'static str, Instant)>,
    known_by_age: VecDeque<(u64, Instant)>,
}

impl Evidence {
    /// A call begins.
    pub(super) fn begin(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }

    /// When the last call that succeeded began.
    pub(super) fn success(&self) -> u64 {
        self.success
    }

    /// Whether a failure of that time was the handler's.
    pub(super) fn was_outage(&self, failed: u64) -> bool {
        failed <= self.outage
    }

    /// A call that began then has succeeded.
    pub(super) fn succeeded(&mut self, began: u64, now: Instant) {
        self.success = self.success.max(began);
        self.success_at = Some(now);
        self.answered();
    }

    /// The handler is there: it gave a verdict.
    pub(super) fn answered(&mut self) {
        self.failing.clear();
        self.unreachable = 0;
    }

    /// The handler was seen at work then, before anything failed.
    pub(super) fn worked_at(&mut self, at: Option<Instant>) {
        self.success_at = self.success_at.max(at);
    }

    /// Whether no event fails.
    pub(super) fn is_calm(&self) -> bool {
        self.failing.is_empty() && self.unreachable == 0
    }

    /// A call has failed. `is_open`: the circuit is, and this was a probe; then nothing is held against the event.
    pub(super) fn failed(
        &mut self,
        record: &mut Record,
        failure: Failure,
        is_open: bool,
        now: Instant,
    ) -> Judgement {
        let tick = self.begin();
        let before = record.failed;
        record.failed = Some((tick, before.map_or(now, |(_, first)| first)));
        self.failing.insert(record.event, failure.batch.unwrap_or(tick));
        if is_open {
            self.outage = tick;
            return Judgement::Pending;
        }
        if failure.alone == Alone::Never {
            self.unreachable += 1;
            return self.pending(self.unreachable >= UNREACHABLE_IN_A_ROW);
        }
        let since_success = self.success_at.map(|at| now.saturating_duration_since(at));
        let others_succeed = before.is_some_and(|(tick, _)| self.success > tick)
            && since_success.is_some_and(|since| since < SUCCESS_COUNTS_FOR);
        if others_succeed || self.is_known(record.event, failure.kind, now) {
            self.failing.remove(&record.event);
            self.remember(record.event, failure.kind, now);
            return Judgement::Own;
        }
        let recent = since_success.is_some_and(|since| since < RECENT);
        let opens_after = if recent { OPENS_AFTER_RECENT } else { OPENS_AFTER };
        if self.distinct() >= opens_after {
            return self.pending(true);
        }
        if before.is_some_and(|(_, first)| now.saturating_duration_since(first) >= DECIDED_AFTER) {
            self.failing.remove(&record.event);
            if since_success.is_some_and(|since| since < KNOWN_FOR) {
                self.remember(record.event, failure.kind, now);
            }
            return Judgement::Own;
        }
        Judgement::Pending
    }

    /// The failure turned out to be the event's own while it waited: others succeeded.
    pub(super) fn is_own(&mut self, event: u64, kind: &'static str, now: Instant) {
        self.failing.remove(&event);
        self.remember(event, kind, now);
    }

    fn pending(&mut self, outage: bool) -> Judgement {
        match outage {
            true => {
                self.outage = self.ticks;
                self.answered();
                Judgement::Outage
            }
            false => Judgement::Pending,
        }
    }

    /// Distinct events that failed in distinct calls.
    fn distinct(&self) -> usize {
        let mut calls: Vec<u64> = self.failing.values().copied().collect();
        calls.sort_unstable();
        calls.dedup();
        calls.len()
    }

    fn is_known(&self, event: u64, kind: &'static str, now: Instant) -> bool {
        self.known
            .get(&event)
            .is_some_and(|(known, at)| *known == kind && now.saturating_duration_since(*at) < KNOWN_FOR)
    }

    fn remember(&mut self, event: u64, kind: &'static str, now: Instant) {
        self.known.insert(event, (kind, now));
        self.known_by_age.push_back((event, now));
        while let Some(&(oldest, at)) = self.known_by_age.front() {
            let stale = now.saturating_duration_since(at) >= KNOWN_FOR;
            if !stale && self.known_by_age.len() <= MOST_KNOWN {
                break;
            }
            self.known_by_age.pop_front();
            if self.known.get(&oldest).is_some_and(|(_, current)| *current == at) {
                self.known.remove(&oldest);
            }
        }
    }
}
