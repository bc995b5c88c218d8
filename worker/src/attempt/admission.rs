//! Waiting, with the lease kept and without a slot: for the circuit, for a slot, for what decides a failure.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};

use super::{Delivered, doubled};
use crate::{
    circuit::{DECIDED_AFTER, Failure, Next, Pass, Record, jittered},
    disposition::{LONGEST_HOLD, Verdict},
    failure::Unavailable,
    limits::Slot,
    process::Pipeline,
    window::{Waiting, may_be_given_back},
};

/// An event whose failure waits to be decided is tried again often enough to see a blip end: after this, and doubled waits.
const FIRST_PENDING_WAIT: Duration = Duration::from_secs(2);

/// Why an event that waits goes on without a verdict of its handler.
pub(super) struct GivenBack(pub(super) Verdict);

/// A slot of the worker's, and one of the handler's where it has its own.
pub(super) struct Slots {
    _worker: Slot,
    _handler: Option<OwnedSemaphorePermit>,
}

impl Delivered<'_> {
    /// Waits for the circuit and a slot. The slot that the delivery came with is given up while the circuit is open.
    pub(super) async fn admit(
        &self,
        record: &Record,
        slot: Option<Slot>,
    ) -> Result<(Pass, Slots), GivenBack> {
        let circuit = &self.handler.circuit;
        if let Some(worker) = slot
            && circuit.is_closed()
            && let Ok(handler) = self.try_own_slot()
        {
            let pass = circuit.enter(record).await;
            return Ok((
                pass,
                Slots {
                    _worker: worker,
                    _handler: handler,
                },
            ));
        }
        let admitted = async {
            loop {
                let pass = circuit.enter(record).await;
                let handler = self.own_slot().await;
                let worker = self.pipeline.limits.slot().await;
                // It may have opened while we waited for the slot.
                if pass.is_probe() || circuit.is_closed() {
                    return (
                        pass,
                        Slots {
                            _worker: worker,
                            _handler: handler,
                        },
                    );
                }
            }
        };
        self.pause(admitted).await
    }

    /// The handler's own slot, where it has slots of its own; an error when they are taken.
    fn try_own_slot(&self) -> Result<Option<OwnedSemaphorePermit>, TryAcquireError> {
        match &self.handler.slots {
            None => Ok(None),
            Some(slots) => Arc::clone(slots).try_acquire_owned().map(Some),
        }
    }

    async fn own_slot(&self) -> Option<OwnedSemaphorePermit> {
        match &self.handler.slots {
            None => None,
            Some(slots) => Arc::clone(slots).acquire_owned().await.ok(),
        }
    }

    /// Waits without a slot, with the lease kept, unless the worker stops or too many events wait.
    pub(super) async fn pause<T>(&self, until: impl Future<Output = T>) -> Result<T, GivenBack> {
        let (pipeline, message) = (self.pipeline, self.message);
        let may_go =
            !message.in_order && may_be_given_back(message.delivery_attempt, message.max_delivery_attempts);
        let mut waiting: Waiting = pipeline.limits.window.wait(self.event.bytes(), may_go);
        self.lease.waits(true);
        pipeline.metrics.waiting.set(count(pipeline));
        let ended = tokio::select! {
            biased;
            () = pipeline.drain.stopping.cancelled() => Err(GivenBack(Verdict::Released)),
            ended = until => Ok(ended),
            () = waiting.asked_to_go() => Err(GivenBack(Verdict::Displaced)),
        };
        self.lease.waits(false);
        drop(waiting);
        pipeline.metrics.waiting.set(count(pipeline));
        ended
    }

    /// Waits for what decides a failure, and no longer than until it would decide itself.
    pub(super) async fn decide(
        &self,
        record: &Record,
        unavailable: &Unavailable,
        undecided: u32,
    ) -> Result<Next, GivenBack> {
        let pause = jittered(doubled(FIRST_PENDING_WAIT, undecided - 1, DECIDED_AFTER / 2));
        let pause = pause.max(unavailable.retry_after.unwrap_or_default().min(LONGEST_HOLD));
        let failure: Failure = unavailable.failure();
        self.pause(self.handler.circuit.decide(record, failure, pause))
            .await
    }
}

fn count(pipeline: &Pipeline) -> i64 {
    i64::try_from(pipeline.limits.window.events()).unwrap_or(i64::MAX)
}
