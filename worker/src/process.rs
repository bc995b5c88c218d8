//! THE PIPELINE: guard (which decodes) → route → claim → handle → note the end → settle.
//!
//! Each stage is one line of [`process`] or of `attempt`; what an outcome means for Pub/Sub is in [`crate::disposition`].

use std::{sync::Arc, time::Duration};

use events::{Digest, TenantId};

use crate::{
    attempt::{Delivered as Attempted, handle_once},
    disposition::{Disposition, Verdict},
    drain::Drain,
    envelope::Envelope,
    guard,
    handle::{Context, Event},
    health::Health,
    limits::{Limits, Slot},
    message::{Delivery, Lease, Message},
    metrics::Metrics,
    once::IdempotencyStore,
    redelivery::Redeliveries,
    registry::{Registry, Route},
    report,
    trace::{Delivered, Traces},
};

/// What to do with an event whose type is handled in other versions only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownVersion {
    /// Acknowledge it, with a warning: a consumer of an older version has nothing to do with it.
    #[default]
    Ack,
    /// Give it back: a newer worker may take it, and else Pub/Sub dead-letters it.
    Retry,
}

/// Everything that a message meets on its way.
#[derive(Debug)]
pub struct Pipeline {
    /// Whose worker this is.
    pub tenant: TenantId,
    /// How events stand in messages.
    pub envelope: Envelope,
    /// Who handles what.
    pub registry: Registry,
    /// The version of handlers that have none of their own.
    pub handler_version: Arc<str>,
    /// What was handled before.
    pub store: Arc<dyn IdempotencyStore>,
    /// How much at a time.
    pub limits: Limits,
    /// What was given back lately.
    pub redeliveries: Redeliveries,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who gets to know of each delivery's place in its trace.
    pub traces: Traces,
    /// Whether the worker is fit to work.
    pub health: Health,
    /// Whether it is stopping.
    pub drain: Drain,
    /// The longest one event may take.
    pub timeout: Duration,
    /// How long a claim outlives a worker that died.
    pub lease: Duration,
    /// What to do with versions that no handler takes.
    pub unknown_version: UnknownVersion,
}

/// What came of a delivery, for log, metrics and trace.
pub(crate) struct Decision {
    /// The event, unless the message was none of ours.
    pub(crate) event: Option<Event>,
    pub(crate) verdict: Verdict,
    /// How long the handler took, if it was called.
    pub(crate) took: Option<Duration>,
    /// Whether this worker gave the message back before.
    pub(crate) redelivered: bool,
}

/// Takes one delivery through the pipeline. Returns what Pub/Sub was told, which is what an ordered subscription waits for.
pub async fn process(pipeline: &Pipeline, delivery: Delivery, slot: Slot) -> Disposition {
    settled(pipeline, delivery, slot).await.1
}

/// The same, with the verdict that led to it.
pub(crate) async fn settled(pipeline: &Pipeline, delivery: Delivery, slot: Slot) -> (Verdict, Disposition) {
    let Delivery { message, lease } = delivery;
    let mut span = pipeline.traces.begin(&message);
    let before = pipeline.redeliveries.before(&message.message_id);
    let (event, verdict, took) = decide(pipeline, &message, &*lease, &span, slot).await;
    let decision = Decision {
        event,
        verdict,
        took,
        redelivered: before.is_some() || message.delivery_attempt.is_some_and(|attempt| attempt > 1),
    };
    span.end(decision.event.as_ref(), &decision.verdict);
    report::decision(pipeline, &message, &decision);
    let mut disposition = decision.verdict.disposition();
    // A stop gives back at once, whatever comes of it.
    let hold = before.and_then(|before| before.hold);
    if disposition == Disposition::Nack
        && decision.verdict != Verdict::Released
        && let Some(hold) = hold
    {
        disposition = Disposition::Hold(hold);
    }
    if disposition != Disposition::Ack {
        lease.waits(true);
    }
    settle(pipeline, lease, disposition).await;
    if disposition != Disposition::Ack {
        pipeline.redeliveries.given_back(&message.message_id, hold);
    }
    (decision.verdict, disposition)
}

async fn decide(
    pipeline: &Pipeline,
    message: &Message,
    lease: &dyn Lease,
    span: &Delivered,
    slot: Slot,
) -> (Option<Event>, Verdict, Option<Duration>) {
    let mut event = match guard::admit(&pipeline.tenant, pipeline.envelope, message) {
        Ok(event) => event,
        Err(refusal) => return (None, Verdict::Refused(refusal), None),
    };
    if message.superseded {
        let event = Event::new(event, context(message, span));
        return (Some(event), Verdict::Superseded, None);
    }
    let digest = Digest::of_event(&event);
    let route = pipeline.registry.route(&mut event);
    let event = Event::published_as(digest, event, context(message, span));
    let mut took = None;
    let verdict = match route {
        Route::To(handler) => {
            let delivered = Attempted {
                pipeline,
                event: &event,
                message,
                lease,
                handler: &handler,
            };
            handle_once(&delivered, slot, &mut took).await
        }
        Route::UnknownVersion => match pipeline.unknown_version {
            UnknownVersion::Ack => Verdict::UnknownVersion,
            UnknownVersion::Retry => Verdict::Retryable {
                reason: "no handler takes this version of the event".into(),
                retry_after: None,
            },
        },
        Route::Unhandled => Verdict::Permanent {
            reason: "no handler takes this type of event".into(),
        },
        Route::NotLifted(reason) => Verdict::Permanent { reason },
    };
    (Some(event), verdict, took)
}

async fn settle(pipeline: &Pipeline, lease: Box<dyn Lease>, disposition: Disposition) {
    match disposition {
        Disposition::Ack => {
            if let Err(error) = lease.ack().await {
                pipeline.metrics.ack_failures.inc();
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

fn context(message: &Message, span: &Delivered) -> Context {
    Context {
        message_id: message.message_id.clone(),
        bytes: message.data.len(),
        traceparent: span.traceparent(),
        tracestate: span.tracestate(),
        delivery_attempt: message.delivery_attempt,
        published_at: message.published_at,
        subscription: message.subscription.clone(),
    }
}
