//! When the handler is down nothing is handled, and no delivery attempt is spent: events wait with their leases kept,
//! and one at a time of them is tried.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rand::Rng;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

/// Unavailable answers in a row that open the circuit.
const OPENS_AFTER: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A `Retry-After` is believed up to here.
const LONGEST_ASKED_WAIT: Duration = Duration::from_mins(5);

/// Whether the handler is believed to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// It is.
    Closed,
    /// It is not, and one event is being tried.
    Probing,
    /// It is not.
    Open,
}

#[derive(Debug)]
struct State {
    in_a_row: u32,
    /// Set while open: when the next probe may go, and how many have failed.
    open: Option<(Instant, u32)>,
    probing: bool,
}

/// The circuit that all events of a worker pass on their way to a handler.
#[derive(Debug)]
pub struct Circuit {
    state: Mutex<State>,
    /// Whether anything was unavailable since it was last all right: nearly never, and then nobody needs the lock.
    trouble: AtomicBool,
    belief: watch::Sender<Belief>,
    /// Probes go one at a time and in turn, so that one event the handler always turns away cannot keep the
    /// circuit open for the others.
    turn: Arc<Semaphore>,
}

/// Leave to call the handler, given back with what came of it. Dropped without a word, it changes nothing.
#[derive(Debug)]
pub struct Pass {
    circuit: Arc<Circuit>,
    probe: Option<OwnedSemaphorePermit>,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                in_a_row: 0,
                open: None,
                probing: false,
            }),
            trouble: AtomicBool::new(false),
            belief: watch::Sender::new(Belief::Closed),
            turn: Arc::new(Semaphore::new(1)),
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

    /// Waits until the handler is believed to be there, or until it is this caller's turn to find out.
    pub async fn enter(self: &Arc<Self>) -> Pass {
        if self.is_closed() {
            return self.pass(None);
        }
        // Never closed, so this is an error never; without a permit the pass is an ordinary one.
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok();
        loop {
            let open = self.state.lock().open;
            let Some((until, _)) = open else {
                return self.pass(None);
            };
            if until <= Instant::now() {
                break;
            }
            tokio::time::sleep_until(until).await;
        }
        self.state.lock().probing = true;
        self.tell();
        self.pass(turn)
    }

    fn pass(self: &Arc<Self>, probe: Option<OwnedSemaphorePermit>) -> Pass {
        Pass {
            circuit: Arc::clone(self),
            probe,
        }
    }

    /// Forgets the trouble, unless there was more of it meanwhile.
    fn calm(&self) {
        let state = self.state.lock();
        if state.open.is_none() && state.in_a_row == 0 {
            self.trouble.store(false, Ordering::Release);
        }
    }

    fn tell(&self) {
        let belief = {
            let state = self.state.lock();
            match (state.open, state.probing) {
                (None, _) => Belief::Closed,
                (Some(_), true) => Belief::Probing,
                (Some(_), false) => Belief::Open,
            }
        };
        self.belief
            .send_if_modified(|current| std::mem::replace(current, belief) != belief);
    }
}

impl Pass {
    /// Whether this is the one try of an open circuit.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// The handler answered; what it answered does not matter here.
    pub fn reached(self) {
        if !self.circuit.trouble.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.circuit.state.lock();
        // A call that began before the circuit opened says nothing about now, but a probe does.
        if state.open.is_none() || self.probe.is_some() {
            state.in_a_row = 0;
            state.open = None;
            drop(state);
            self.circuit.tell();
            self.circuit.calm();
        }
    }

    /// The handler was not there.
    pub fn unavailable(self, asked: Option<Duration>) {
        let mut state = self.circuit.state.lock();
        self.circuit.trouble.store(true, Ordering::Release);
        state.in_a_row = state.in_a_row.saturating_add(1);
        let failed = match state.open {
            Some((_, failed)) if self.probe.is_some() => failed + 1,
            None if state.in_a_row >= OPENS_AFTER => 0,
            Some(_) | None => return,
        };
        let wait = jittered(FIRST_WAIT * 2u32.saturating_pow(failed.min(5))).min(LONGEST_WAIT);
        let wait = asked.map_or(wait, |asked| wait.max(asked.min(LONGEST_ASKED_WAIT)));
        state.open = Some((Instant::now() + wait, failed));
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe.is_some() {
            self.circuit.state.lock().probing = false;
        }
        if self.circuit.trouble.load(Ordering::Acquire) {
            self.circuit.tell();
        }
    }
}

/// Between half and all of a wait, so that many workers do not come back at once.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(circuit: &Arc<Circuit>) {
        for _ in 0..OPENS_AFTER {
            circuit.enter().await.unavailable(None);
        }
        assert!(!circuit.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn only_failures_in_a_row_open_it() {
        let circuit = Arc::new(Circuit::default());
        for _ in 0..10 {
            circuit.enter().await.unavailable(None);
            circuit.enter().await.unavailable(None);
            circuit.enter().await.reached();
        }
        assert!(circuit.is_closed());
        open(&circuit).await;
        assert_eq!(*circuit.belief().borrow(), Belief::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_and_a_good_one_closes_it() {
        let circuit = Arc::new(Circuit::default());
        open(&circuit).await;
        let probe = circuit.enter().await;
        assert!(probe.is_probe());
        assert_eq!(*circuit.belief().borrow(), Belief::Probing);
        let second = circuit.enter();
        tokio::pin!(second);
        assert!(
            tokio::time::timeout(Duration::from_mins(10), &mut second)
                .await
                .is_err()
        );
        probe.reached();
        assert!(!second.await.is_probe());
        assert_eq!(*circuit.belief().borrow(), Belief::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn probes_back_off_and_honour_what_the_handler_asks() {
        let circuit = Arc::new(Circuit::default());
        open(&circuit).await;
        let start = Instant::now();
        for _ in 0..10 {
            circuit.enter().await.unavailable(None);
        }
        let spent = start.elapsed();
        assert!(
            spent > Duration::from_mins(1) && spent < Duration::from_mins(5),
            "{spent:?}"
        );
        circuit
            .enter()
            .await
            .unavailable(Some(Duration::from_secs(10_000)));
        let start = Instant::now();
        circuit.enter().await.reached();
        assert!(start.elapsed() >= LONGEST_ASKED_WAIT && start.elapsed() < LONGEST_ASKED_WAIT * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_lets_the_next_one_try() {
        let circuit = Arc::new(Circuit::default());
        open(&circuit).await;
        drop(circuit.enter().await);
        assert!(circuit.enter().await.is_probe());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_from_before_does_not_close_it() {
        let circuit = Arc::new(Circuit::default());
        let early = circuit.enter().await;
        open(&circuit).await;
        early.reached();
        assert!(!circuit.is_closed());
    }
}
