//! THE PIPELINE: guard (which decodes) → route → claim → handle → note the end → settle.
//!
//! Each stage is one line of `turn` or [`process`]; what an outcome means for Pub/Sub is in [`crate::disposition`].

use std::{borrow::Cow, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use events::{TenantId, event::attribute};
use futures::FutureExt;
use tokio::time::{Instant, timeout};

use crate::{
    circuit::{Pass, jittered},
    disposition::{Disposition, LONGEST_HOLD, Verdict},
    drain::Drain,
    guard,
    handle::{Context, Event, Handler, Outcome},
    health::Health,
    limits::{Leave, Limits},
    message::{Delivery, Lease, Message},
    metrics::Metrics,
    note::{finish, release, told},
    once::{Claim, End, IdempotencyStore},
    registry::{Registry, Route},
    report,
};

/// A claim outlives the longest handler by this much, so that the handler's end can still be noted.
const CLAIM_MARGIN: Duration = Duration::from_mins(1);
/// Waits between two turns of one event start here and double.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Calls of one event that found no handler while others found it: then it is this event that the handler cannot
/// take, and the event is given back.
const ALONE_UNAVAILABLE: u32 = 5;

/// How often an event that failed is tried again here when it must not be overtaken.
const TRIES_IN_ORDER: u32 = 3;
const FIRST_WAIT_IN_ORDER: Duration = Duration::from_secs(1);

/// What to do with an event whose type is handled in other versions only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownVersion {
    /// Acknowledge it, with a warning: a consumer of an older version has nothing to do with it.
    #[default]
    Ack,
    /// Give it back until Pub/Sub dead-letters it.
    DeadLetter,
}

/// Everything that a message meets on its way.
#[derive(Debug)]
pub struct Pipeline {
    /// Whose worker this is.
    pub tenant: TenantId,
    /// Who handles what.
    pub registry: Registry,
    /// What was handled before.
    pub store: Arc<dyn IdempotencyStore>,
    /// How much at a time.
    pub limits: Limits,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the worker is fit to work.
    pub health: Health,
    /// Whether it is stopping.
    pub drain: Drain,
    /// The longest one event may take.
    pub timeout: Duration,
    /// What to do with versions nobody handles.
    pub unknown_version: UnknownVersion,
}

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

/// Takes one delivery through the pipeline. Returns whether it is done with for good, which is what an ordered
/// subscription waits for.
pub async fn process(pipeline: &Pipeline, delivery: Delivery, leave: Leave) -> bool {
    let Delivery { message, lease } = delivery;
    let (event, verdict) = decide(pipeline, &message, leave).await;
    report::verdict(pipeline, &message, event.as_ref(), &verdict);
    let disposition = verdict.disposition();
    settle(pipeline, lease, disposition).await;
    disposition == Disposition::Ack
}

async fn decide(pipeline: &Pipeline, message: &Message, leave: Leave) -> (Option<Event>, Verdict) {
    let event = match guard::admit(&pipeline.tenant, message) {
        Ok(event) => Event::new(event, context(message)),
        Err(refusal) => return (None, Verdict::Refused(refusal)),
    };
    let verdict = match pipeline.registry.route(&event) {
        Route::To(handler) => handle_once(pipeline, &event, handler.as_ref(), leave, message.in_order).await,
        Route::UnknownVersion if pipeline.unknown_version == UnknownVersion::Ack => Verdict::UnknownVersion,
        Route::UnknownVersion => Verdict::Permanent {
            reason: "no handler takes this version of the event".into(),
        },
        Route::Unhandled => Verdict::Permanent {
            reason: "no handler takes this type of event".into(),
        },
    };
    (Some(event), verdict)
}

/// Turn after turn, until there is a verdict or the worker stops.
async fn handle_once(
    pipeline: &Pipeline,
    event: &Event,
    handler: &dyn Handler,
    mut leave: Leave,
    in_order: bool,
) -> Verdict {
    let mut wait = FIRST_WAIT;
    let mut times_alone = 0;
    let mut failures = 0;
    loop {
        let (alone, at_least, why) = match turn(pipeline, event, handler, leave).await {
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
async fn turn(pipeline: &Pipeline, event: &Event, handler: &dyn Handler, leave: Leave) -> Turn {
    let key = event.idempotency_key();
    let again = |why| Turn::Again {
        alone: false,
        at_least: None,
        why,
    };
    let token = match told(
        pipeline,
        pipeline.store.claim(key, pipeline.timeout + CLAIM_MARGIN),
    )
    .await
    {
        Ok(Claim::Claimed(token)) => token,
        Ok(Claim::Done) => return Turn::Over(Verdict::Duplicate),
        Ok(Claim::PermanentlyFailed) => return Turn::Over(Verdict::PermanentBefore),
        Ok(Claim::InFlight) => return again("another delivery of the event is being handled".into()),
        Err(error) => return again(error.to_string().into()),
    };
    let outcome = call(pipeline, event, handler).await;
    let ended = |pass: Pass| match &outcome {
        Some(Outcome::Unavailable { retry_after, .. }) => pass.unavailable(*retry_after),
        Some(Outcome::Success | Outcome::Retryable { .. } | Outcome::Permanent { .. }) => pass.reached(),
        None => {}
    };
    leave.end(ended);
    match outcome {
        Some(Outcome::Success) => {
            Turn::Over(finish(pipeline, key, &token, End::Done, Verdict::Success).await)
        }
        Some(Outcome::Permanent { reason }) => {
            let verdict = Verdict::Permanent { reason };
            Turn::Over(finish(pipeline, key, &token, End::PermanentlyFailed, verdict).await)
        }
        Some(Outcome::Retryable { reason, retry_after }) => {
            release(pipeline, key, &token).await;
            Turn::Over(Verdict::Retryable { reason, retry_after })
        }
        Some(Outcome::Unavailable { reason, retry_after }) => {
            pipeline.metrics.handler_unavailable.inc();
            release(pipeline, key, &token).await;
            Turn::Again {
                alone: pipeline.limits.circuit().is_closed(),
                at_least: retry_after
                    .filter(|_| pipeline.limits.circuit().is_closed())
                    .map(|asked| asked.min(LONGEST_HOLD)),
                why: reason,
            }
        }
        None => {
            release(pipeline, key, &token).await;
            Turn::Over(Verdict::Released)
        }
    }
}

/// Calls the handler. None when the worker's grace ended first.
async fn call(pipeline: &Pipeline, event: &Event, handler: &dyn Handler) -> Option<Outcome> {
    pipeline.metrics.in_flight.inc();
    let start = Instant::now();
    // A handler that panicked may leave its own state broken, but nothing of ours: it gets the event by reference.
    let call = AssertUnwindSafe(timeout(pipeline.timeout, handler.handle(event))).catch_unwind();
    let answer = pipeline.drain.cut.run_until_cancelled(call).await;
    let took = start.elapsed();
    pipeline.metrics.in_flight.dec();
    let outcome = match answer? {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_elapsed)) => Outcome::retryable("the handler took longer than WORKER_TIMEOUT"),
        Err(_panic) => Outcome::retryable("the handler panicked"),
    };
    pipeline.limits.measured(took);
    let label = pipeline.metrics.label(&event.event_type);
    pipeline
        .metrics
        .handler_seconds
        .with_label_values(&[label])
        .observe(took.as_secs_f64());
    Some(outcome)
}

async fn settle(pipeline: &Pipeline, lease: Box<dyn Lease>, disposition: Disposition) {
    match disposition {
        Disposition::Ack => {
            if let Err(error) = lease.ack().await {
                tracing::warn!(%error, "The event may be delivered again; it is known as done.");
            }
        }
        Disposition::Nack => lease.nack(),
        Disposition::Hold(wait) => {
            let _ = pipeline.drain.unless_stopping(tokio::time::sleep(wait)).await;
            lease.nack();
        }
    }
}

fn context(message: &Message) -> Context {
    let traceparent = message.attribute(attribute::TRACEPARENT);
    Context {
        // 55 characters in version 00; anything else could smuggle bytes into a handler's headers.
        traceparent: (traceparent.len() == 55
            && traceparent.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
        .then(|| traceparent.to_owned()),
        delivery_attempt: message.delivery_attempt,
        published_at: message.published_at,
        subscription: message.subscription.clone(),
    }
}
