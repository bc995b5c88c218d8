//! Where events wait while the circuit is open, and which of them is tried next.

use std::collections::VecDeque;

use rand::{Rng, seq::SliceRandom};
use tokio::sync::oneshot::{Receiver, Sender, channel};

use super::Pass;

/// Events that have not failed yet, and those that have.
#[derive(Debug, Default)]
pub(super) struct Room {
    fresh: Vec<Sender<Pass>>,
    failed: VecDeque<Sender<Pass>>,
}

impl Room {
    /// An event begins to wait; it is called through the receiver.
    pub(super) fn wait(&mut self, has_failed: bool) -> Receiver<Pass> {
        let (chosen, called) = channel();
        match has_failed {
            true => self.failed.push_back(chosen),
            false => self.fresh.push(chosen),
        }
        called
    }

    /// Takes out those to be tried next. An event that has not failed yet tells more than one that has; which of them is
    /// chance, so that a run of bad events does not stand before the good.
    pub(super) fn choose(&mut self, count: usize) -> Vec<Sender<Pass>> {
        let mut chosen = Vec::new();
        while chosen.len() < count && !self.fresh.is_empty() {
            let at = rand::rng().random_range(0..self.fresh.len());
            chosen.push(self.fresh.swap_remove(at));
            chosen.retain(|waits| !waits.is_closed());
        }
        // One known to fail is enough to see whether the handler is back.
        while chosen.is_empty() {
            let Some(waits) = self.failed.pop_front() else {
                break;
            };
            if !waits.is_closed() {
                chosen.push(waits);
            }
        }
        chosen
    }

    /// Takes out everything, in the order in which it may go on.
    pub(super) fn empty(&mut self) -> Vec<Sender<Pass>> {
        let mut all = std::mem::take(&mut self.fresh);
        all.shuffle(&mut rand::rng());
        all.extend(std::mem::take(&mut self.failed));
        all
    }
}
