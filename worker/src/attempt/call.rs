//! Calling the handler, while its claim is kept up.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, timeout};

use super::Delivered;
use crate::{
    failure::Unavailable,
    handle::Outcome,
    note::answered,
    once::{Identity, Noted, Token},
};

/// A claim is kept up this many times in its life, so that it survives a store that is away for most of it.
const RENEWALS: u32 = 3;
/// A handler whose claim was lost may still stop its work in this time.
const CANCEL_GRACE: Duration = Duration::from_secs(5);
const TIMED_OUT: &str = "the handler took longer than WORKER_TIMEOUT";

/// What came of a call.
pub(super) enum Called {
    Answered(Outcome),
    /// The worker's grace ended first.
    Cut,
    /// The claim went to another delivery.
    Lost,
}

impl Delivered<'_> {
    /// Calls the handler.
    pub(super) async fn call(
        &self,
        identity: &Identity<'_>,
        token: Token,
        last: &mut Option<Duration>,
    ) -> Called {
        let (pipeline, event) = (self.pipeline, self.event);
        pipeline.metrics.in_flight.inc();
        let start = Instant::now();
        let limit = self
            .handler
            .timeout
            .map_or(pipeline.timeout, |own| own.min(pipeline.timeout));
        event.set_deadline(start + limit);
        // A handler that panicked may leave its own state broken, but nothing of ours: it gets the event by reference.
        let call = AssertUnwindSafe(timeout(limit, self.handler.handler.handle(event))).catch_unwind();
        let kept = self.keeping_the_claim(identity, token, call);
        let answer = pipeline.drain.cut.run_until_cancelled(kept).await;
        let took = start.elapsed();
        *last = Some(took);
        pipeline.metrics.in_flight.dec();
        let outcome = match answer {
            None => return Called::Cut,
            Some(None) => return Called::Lost,
            Some(Some(Ok(Ok(outcome)))) => outcome,
            Some(Some(Ok(Err(_elapsed)))) => {
                Outcome::Unavailable(Unavailable::new(TIMED_OUT).kind("timeout"))
            }
            Some(Some(Err(_panic))) => Outcome::retryable("the handler panicked"),
        };
        pipeline.limits.measured(took);
        let of_type = pipeline.metrics.of(&event.event_type);
        of_type.handler_seconds.observe(took.as_secs_f64());
        Called::Answered(outcome)
    }

    /// Keeps the claim up while the handler runs. None when the claim went to another delivery (this process stood still, or
    /// the store was away, for longer than it lives): the handler is told to stop, since the other runs beside it.
    async fn keeping_the_claim<T>(
        &self,
        identity: &Identity<'_>,
        token: Token,
        call: impl Future<Output = T>,
    ) -> Option<T> {
        let pipeline = self.pipeline;
        tokio::pin!(call);
        loop {
            // The handler first: most have ended before a timer needs to be set.
            tokio::select! {
                biased;
                answer = &mut call => return Some(answer),
                () = tokio::time::sleep(pipeline.lease / RENEWALS) => {}
            }
            let kept = answered(pipeline, pipeline.store.extend(identity, token, pipeline.lease));
            let kept = tokio::select! {
                biased;
                answer = &mut call => return Some(answer),
                kept = kept => kept,
            };
            if matches!(kept, Ok(Noted::TooLate)) {
                self.event.cancel();
                let _ = timeout(CANCEL_GRACE, call).await;
                return None;
            }
        }
    }
}
