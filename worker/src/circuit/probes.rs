//! The task that tries an open circuit: a few events a round, with growing waits between rounds.

use std::sync::{Arc, Weak};

use tokio::{
    sync::{Notify, oneshot::Sender},
    time::{Instant, sleep_until},
};

use super::{Circuit, Pass};

/// Events of one round, while the circuit opened a short time ago: if one in a few works, a round finds it.
const AT_A_TIME: usize = 3;
/// After so many rounds one event at a time is enough load on a handler that is down.
const ROUNDS_OF_SEVERAL: u32 = 4;

enum Step {
    Closed,
    /// Nothing to do before something changes, or before that time.
    Wait(Option<Instant>),
    Probe(Vec<Sender<Pass>>),
}

/// Sends probes until the circuit is closed, or nobody uses it any more.
pub(super) async fn send(circuit: Weak<Circuit>, wake: Arc<Notify>) {
    loop {
        let until = match circuit.upgrade() {
            None => return,
            Some(circuit) => match step(&circuit) {
                Step::Closed => return,
                Step::Wait(until) => until,
                Step::Probe(chosen) => {
                    circuit.publish();
                    for event in chosen {
                        // A pass that is not taken is dropped, and gives its place in the round back.
                        let _ = event.send(circuit.pass(true));
                    }
                    continue;
                }
            },
        };
        let sleep = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wake.notified() => {}
            () = sleep => {}
        }
    }
}

fn step(circuit: &Circuit) -> Step {
    let mut state = circuit.state.lock();
    let state = &mut *state;
    let Some(open) = &mut state.open else {
        return Step::Closed;
    };
    if open.probing > 0 {
        return Step::Wait(None);
    }
    if Instant::now() < open.until {
        return Step::Wait(Some(open.until));
    }
    let count = if open.rounds < ROUNDS_OF_SEVERAL {
        AT_A_TIME
    } else {
        1
    };
    let chosen = state.room.choose(count);
    if chosen.is_empty() {
        return Step::Wait(None);
    }
    open.probing = chosen.len();
    Step::Probe(chosen)
}
