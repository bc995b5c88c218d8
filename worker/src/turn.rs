//! One event, until there is a verdict: claim → handle → note the end, and again where nothing was decided.

use std::{borrow::Cow, future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, timeout};

use crate::{
    circuit::{Pass, jittered},
    disposition::{LONGEST_HOLD, Verdict},
    handle::{Event, Handler, Outcome},
    limits::Leave,
    note::{finish, release, told},
    once::{Claim, End, Token},
    process::Pipeline,
    report,
};

/// A claim is kept up this many times in its life, so that it survives a store that is away for most of it.
const RENEWALS: u32 = 3;
/// Waits between two turns of one event start here and double.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Calls of one event that found no handler while others found it: then it is this event that the handler cannot
/// take, and the event is given back.
const ALONE_UNAVAILABLE: u32 = 5;

/// How often an event that failed is tried again here when it must not be overtaken.
const TRIES_IN_ORDER: u32 = 3;
const FIRST_WAIT_IN_ORDER: Duration = Duration::from_secs(1);

/// Whether an event needs another turn.
enum Turn {
    Over(Verdict),
    /// Nothing was decided: wait, with the lease kept and the slot given up.
    Again {
        /// The handler was not there, though the circuit is closed.
        alone: bool,
        at_least: Option<Duration>,
        why: Cow<'static, str>,
    },
}

/// Turn after turn, until there is a verdict or the worker stops. `took` becomes what the last call took.
pub(crate) async fn handle_once(
    pipeline: &Pipeline,
    event: &Event,
    handler: &dyn Handler,
    mut leave: Leave,
    in_order: bool,
    took: &mut Option<Duration>,
) -> Verdict {
    let token = Token::fresh();
    let mut wait = FIRST_WAIT;
    let mut times_alone = 0;
    let mut failures = 0;
    loop {
        let (alone, at_least, why) = match turn(pipeline, event, handler, leave, token, took).await {
            Turn::Over(Verdict::Retryable { reason, retry_after })
                if in_order && failures < TRIES_IN_ORDER =>
            {
                failures += 1;
                let least = FIRST_WAIT_IN_ORDER * failures;
                (
                    false,
                    Some(retry_after.unwrap_or_default().min(LONGEST_HOLD).max(least)),
                    reason,
                )
            }
            Turn::Over(verdict) => return verdict,
            Turn::Again { alone, at_least, why } => (alone, at_least, why),
        };
        times_alone += u32::from(alone);
        if times_alone >= ALONE_UNAVAILABLE {
            return Verdict::Retryable {
                reason: why,
                retry_after: at_least,
            };
        }
        report::waiting(event, &why);
        let pause = jittered(wait).max(at_least.unwrap_or_default());
        let again = async {
            tokio::time::sleep(pause).await;
            pipeline.limits.admit().await
        };
        leave = match pipeline.drain.unless_stopping(again).await {
            Some(leave) => leave,
            None => return Verdict::Released,
        };
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// One turn: claim → handle → note the end.
async fn turn(
    pipeline: &Pipeline,
    event: &Event,
    handler: &dyn Handler,
    leave: Leave,
    token: Token,
    took: &mut Option<Duration>,
) -> Turn {
    let key = event.idempotency_key();
    let again = |why| Turn::Again {
        alone: false,
        at_least: None,
        why,
    };
    match told(pipeline, pipeline.store.claim(key, token, pipeline.lease)).await {
        Ok(Claim::Claimed) => {}
        Ok(Claim::Done) => return Turn::Over(Verdict::Duplicate),
        Ok(Claim::PermanentlyFailed) => return Turn::Over(Verdict::PermanentBefore),
        Ok(Claim::InFlight) => return again("another delivery of the event is being handled".into()),
        Err(error) => return again(error.to_string().into()),
    }
    let outcome = call(pipeline, event, handler, token, took).await;
    let ended = |pass: Pass| match &outcome {
        Some(Outcome::Unavailable { retry_after, .. }) => pass.unavailable(*retry_after),
        Some(Outcome::Success | Outcome::Retryable { .. } | Outcome::Permanent { .. }) => pass.reached(),
        None => {}
    };
    leave.end(ended);
    match outcome {
        Some(Outcome::Success) => Turn::Over(finish(pipeline, key, token, End::Done, Verdict::Success).await),
        Some(Outcome::Permanent { reason }) => {
            let verdict = Verdict::Permanent { reason };
            Turn::Over(finish(pipeline, key, token, End::PermanentlyFailed, verdict).await)
        }
        Some(Outcome::Retryable { reason, retry_after }) => {
            release(pipeline, key, token).await;
            Turn::Over(Verdict::Retryable { reason, retry_after })
        }
        Some(Outcome::Unavailable { reason, retry_after }) => {
            pipeline.metrics.handler_unavailable.inc();
            release(pipeline, key, token).await;
            Turn::Again {
                alone: pipeline.limits.circuit().is_closed(),
                at_least: retry_after
                    .filter(|_| pipeline.limits.circuit().is_closed())
                    .map(|asked| asked.min(LONGEST_HOLD)),
                why: reason,
            }
        }
        None => {
            release(pipeline, key, token).await;
            Turn::Over(Verdict::Released)
        }
    }
}

/// Calls the handler. None when the worker's grace ended first.
async fn call(
    pipeline: &Pipeline,
    event: &Event,
    handler: &dyn Handler,
    token: Token,
    last: &mut Option<Duration>,
) -> Option<Outcome> {
    pipeline.metrics.in_flight.inc();
    let start = Instant::now();
    // A handler that panicked may leave its own state broken, but nothing of ours: it gets the event by reference.
    let call = AssertUnwindSafe(timeout(pipeline.timeout, handler.handle(event))).catch_unwind();
    let kept = keeping_the_claim(pipeline, event.idempotency_key(), token, call);
    let answer = pipeline.drain.cut.run_until_cancelled(kept).await;
    let took = start.elapsed();
    *last = Some(took);
    pipeline.metrics.in_flight.dec();
    let outcome = match answer? {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_elapsed)) => Outcome::retryable("the handler took longer than WORKER_TIMEOUT"),
        Err(_panic) => Outcome::retryable("the handler panicked"),
    };
    pipeline.limits.measured(took);
    let of_type = pipeline.metrics.of(&event.event_type);
    of_type.handler_seconds.observe(took.as_secs_f64());
    Some(outcome)
}

/// Keeps the claim up while the handler runs. One that got lost (the process stood still for longer than it lives)
/// is not noticed here: the end is noted with its token, and then it shows.
async fn keeping_the_claim<T>(
    pipeline: &Pipeline,
    key: &str,
    token: Token,
    call: impl Future<Output = T>,
) -> T {
    tokio::pin!(call);
    loop {
        // The handler first: most have ended before a timer needs to be set.
        tokio::select! {
            biased;
            answer = &mut call => return answer,
            () = tokio::time::sleep(pipeline.lease / RENEWALS) => {}
        }
        let kept = told(pipeline, pipeline.store.extend(key, token, pipeline.lease));
        tokio::select! {
            biased;
            answer = &mut call => return answer,
            _ = kept => {}
        }
    }
}
