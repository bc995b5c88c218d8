//! When the handler is down nothing is handled, and no delivery attempt is spent: events wait with their leases kept,
//! and a few of them are tried. One circuit for each handler that was registered.
//!
//! Whether a failure is the handler's or the event's own is decided in [`evidence`].

mod evidence;
mod probes;
mod room;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

pub use evidence::Alone;
use evidence::Evidence;
pub(crate) use evidence::{DECIDED_AFTER, Failure, Judgement, Record};
use parking_lot::Mutex;
use rand::Rng;
use room::Room;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A `Retry-After` is believed up to here.
const LONGEST_ASKED_WAIT: Duration = Duration::from_mins(5);

/// Whether the handler is believed to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Belief {
    /// It is.
    Closed,
    /// It is not, and events are being tried.
    Probing,
    /// It is not.
    Open,
}

#[derive(Debug, Default)]
struct State {
    evidence: Evidence,
    open: Option<Open>,
    room: Room,
    /// Events whose failure waits to be decided while the circuit is closed.
    pending: usize,
}

#[derive(Debug)]
struct Open {
    /// Rounds of probes that failed.
    rounds: u32,
    /// Probes of this round that have not ended.
    probing: usize,
    /// When the next round may go.
    until: Instant,
    /// How long the handler asked to be left alone.
    asked: Option<Duration>,
}

/// The circuit that all events of one handler pass on their way to it.
#[derive(Debug)]
pub struct Circuit {
    state: Mutex<State>,
    /// Whether anything fails: nearly never, and then no call needs the lock.
    trouble: AtomicBool,
    belief: watch::Sender<Belief>,
    /// When the last call that succeeded began, for events whose failure waits to be decided.
    successes: watch::Sender<u64>,
    /// Wakes the task that sends probes.
    wake: Arc<Notify>,
    made: Instant,
    /// When a call succeeded last while nothing failed, in nanoseconds since `made`; 0 for never.
    worked: AtomicU64,
}

/// Permission to call the handler, given back with what came of the call. Dropped without a report, it changes nothing.
#[derive(Debug)]
pub struct Pass {
    circuit: Arc<Circuit>,
    probe: bool,
    began: u64,
}

/// What an event does whose failure was not decided at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It has its verdict: it fails by itself.
    Own,
    /// It tries again.
    Again,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            trouble: AtomicBool::new(false),
            belief: watch::Sender::new(Belief::Closed),
            successes: watch::Sender::new(0),
            wake: Arc::default(),
            made: Instant::now(),
            worked: AtomicU64::new(0),
        }
    }
}

impl Circuit {
    /// Whether the handler is believed to be there, now and as it changes.
    pub fn belief(&self) -> watch::Receiver<Belief> {
        self.belief.subscribe()
    }

    /// Whether events may pass.
    pub fn is_closed(&self) -> bool {
        !self.trouble.load(Ordering::Acquire) || self.state.lock().open.is_none()
    }

    /// Waits until the handler is believed to be there, or until this event is chosen to find out. Events that have not
    /// failed yet are chosen first.
    pub(crate) async fn enter(self: &Arc<Self>, record: &Record) -> Pass {
        if !self.trouble.load(Ordering::Acquire) {
            return self.pass(false);
        }
        let chosen = {
            let mut state = self.state.lock();
            if state.open.is_none() {
                return self.pass(false);
            }
            state.room.wait(record.has_failed())
        };
        self.wake.notify_one();
        // The sender goes with the circuit alone.
        chosen.await.unwrap_or_else(|_| self.pass(false))
    }

    /// Waits for what decides a failure: a success of another event, the circuit that opens, or time to try again.
    pub(crate) async fn decide(&self, record: &Record, failure: Failure, pause: Duration) -> Next {
        let Some((tick, _)) = record.failed else {
            return Next::Again;
        };
        let _pending = Pending::new(self);
        let (mut successes, mut belief) = (self.successes.subscribe(), self.belief.subscribe());
        let sleep = tokio::time::sleep(pause);
        tokio::pin!(sleep);
        loop {
            if *belief.borrow_and_update() != Belief::Closed {
                return Next::Again;
            }
            if *successes.borrow_and_update() > tick {
                let mut state = self.state.lock();
                if failure.alone != Alone::Retryable || state.evidence.was_outage(tick) {
                    return Next::Again;
                }
                state.evidence.is_own(record.event, failure.kind, Instant::now());
                return Next::Own;
            }
            tokio::select! {
                () = &mut sleep => return Next::Again,
                Ok(()) = successes.changed() => {}
                Ok(()) = belief.changed() => {}
            }
        }
    }

    fn pass(self: &Arc<Self>, probe: bool) -> Pass {
        Pass {
            circuit: Arc::clone(self),
            probe,
            began: 0,
        }
    }

    fn worked(&self) -> Option<Instant> {
        let since = self.worked.load(Ordering::Relaxed);
        (since != 0).then(|| self.made + Duration::from_nanos(since))
    }

    /// Forgets the trouble, unless there is still some.
    fn calm(&self) {
        let state = self.state.lock();
        if state.open.is_none() && state.evidence.is_calm() && state.pending == 0 {
            self.trouble.store(false, Ordering::Release);
        }
    }

    fn publish(&self) {
        let belief = match &self.state.lock().open {
            None => Belief::Closed,
            Some(open) if open.probing > 0 => Belief::Probing,
            Some(_) => Belief::Open,
        };
        self.belief
            .send_if_modified(|current| std::mem::replace(current, belief) != belief);
    }

    /// The handler is there: everything that waits may go, events that have not failed yet first.
    fn close(self: &Arc<Self>) {
        let (was_open, waiting) = {
            let mut state = self.state.lock();
            (state.open.take().is_some(), state.room.empty())
        };
        if was_open {
            self.publish();
            self.wake.notify_one();
        }
        for chosen in waiting {
            let _ = chosen.send(self.pass(false));
        }
    }
}

impl Pass {
    /// Whether this is a try of an open circuit.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// The call begins.
    pub(crate) fn begin(&mut self) {
        if self.circuit.trouble.load(Ordering::Acquire) {
            self.began = self.circuit.state.lock().evidence.begin();
        }
    }

    /// The event was handled.
    pub(crate) fn succeeded(self, now: Instant) {
        let circuit = &self.circuit;
        if !circuit.trouble.load(Ordering::Acquire) {
            let since = now.saturating_duration_since(circuit.made).as_nanos();
            circuit
                .worked
                .store(u64::try_from(since).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
            return;
        }
        let success = {
            let mut state = circuit.state.lock();
            // A call that began before the circuit opened says nothing about now, but a probe does.
            if state.open.is_some() && !self.probe {
                return;
            }
            state.evidence.succeeded(self.began, now);
            state.evidence.success()
        };
        circuit
            .successes
            .send_if_modified(|current| std::mem::replace(current, success) != success);
        circuit.close();
        circuit.calm();
    }

    /// The handler is there, and gave its verdict: the event was not handled.
    pub(crate) fn answered(self) {
        if !self.circuit.trouble.load(Ordering::Acquire) {
            return;
        }
        {
            let mut state = self.circuit.state.lock();
            if state.open.is_some() && !self.probe {
                return;
            }
            state.evidence.answered();
        }
        self.circuit.close();
        self.circuit.calm();
    }

    /// The call failed, and that may be the handler's fault or the event's.
    pub(crate) fn failed(self, record: &mut Record, failure: Failure, asked: Option<Duration>) -> Judgement {
        let (circuit, now) = (&self.circuit, Instant::now());
        let judgement = {
            let mut state = circuit.state.lock();
            circuit.trouble.store(true, Ordering::Release);
            state.evidence.worked_at(circuit.worked());
            let is_open = state.open.is_some();
            let judgement = state.evidence.failed(record, failure, is_open, now);
            match &mut state.open {
                Some(open) => open.asked = open.asked.max(asked),
                None if judgement == Judgement::Outage => {
                    state.open = Some(Open {
                        rounds: 0,
                        probing: 0,
                        until: now + wait(0, asked),
                        asked: None,
                    });
                    tokio::spawn(probes::send(Arc::downgrade(circuit), Arc::clone(&circuit.wake)));
                }
                None => {}
            }
            judgement
        };
        circuit.publish();
        if judgement == Judgement::Own {
            circuit.calm();
        }
        judgement
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.probe {
            return;
        }
        {
            let mut state = self.circuit.state.lock();
            if let Some(open) = &mut state.open {
                open.probing = open.probing.saturating_sub(1);
                if open.probing == 0 {
                    open.rounds += 1;
                    open.until = Instant::now() + wait(open.rounds - 1, open.asked.take());
                }
            }
        }
        self.circuit.publish();
        self.circuit.wake.notify_one();
    }
}

/// Counts an event whose failure waits to be decided.
struct Pending<'a>(&'a Circuit);

impl<'a> Pending<'a> {
    fn new(circuit: &'a Circuit) -> Self {
        let mut state = circuit.state.lock();
        state.pending += 1;
        circuit.trouble.store(true, Ordering::Release);
        Self(circuit)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.state.lock().pending -= 1;
        self.0.calm();
    }
}

/// How long an open circuit waits after so many rounds of probes.
fn wait(rounds: u32, asked: Option<Duration>) -> Duration {
    let wait = jittered(FIRST_WAIT * 2u32.saturating_pow(rounds.min(5))).min(LONGEST_WAIT);
    asked.map_or(wait, |asked| wait.max(asked.min(LONGEST_ASKED_WAIT)))
}

/// Between half and all of a wait, so that many workers do not come back at once.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.5..=1.0))
}
