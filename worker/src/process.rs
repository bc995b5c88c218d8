//! THE PIPELINE: guard (which decodes) → route → claim → handle → note the end → settle.
//!
//! Each stage is one line of [`process`] or of `turn`; what an outcome means for Pub/Sub is in [`crate::disposition`].

use std::{sync::Arc, time::Duration};

use events::TenantId;

use crate::{
    disposition::{Disposition, Verdict},
    drain::Drain,
    envelope::Envelope,
    guard,
    handle::{Context, Event},
    health::Health,
    limits::{Leave, Limits},
    message::{Delivery, Lease, Message},
    metrics::Metrics,
    once::IdempotencyStore,
    registry::{Registry, Route},
    report,
    trace::{Delivered, Traces},
    turn::handle_once,
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
    /// What was handled before.
    pub store: Arc<dyn IdempotencyStore>,
    /// How much at a time.
    pub limits: Limits,
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
    /// What to do with versions nobody handles.
    pub unknown_version: UnknownVersion,
}

/// What came of a delivery, for those who are told.
pub(crate) struct Decision {
    /// The event, unless the message was none of ours.
    pub(crate) event: Option<Event>,
    pub(crate) verdict: Verdict,
    /// How long the handler took, if it was called.
    pub(crate) took: Option<Duration>,
}

/// Takes one delivery through the pipeline. Returns whether it is done with for good, which is what an ordered
/// subscription waits for.
pub async fn process(pipeline: &Pipeline, delivery: Delivery, leave: Leave) -> bool {
    let Delivery { message, lease } = delivery;
    let mut span = pipeline.traces.begin(&message);
    let decision = decide(pipeline, &message, &span, leave).await;
    span.end(decision.event.as_ref(), &decision.verdict);
    report::decision(pipeline, &message, &decision);
    let disposition = decision.verdict.disposition();
    settle(pipeline, lease, disposition).await;
    disposition == Disposition::Ack
}

async fn decide(pipeline: &Pipeline, message: &Message, span: &Delivered, leave: Leave) -> Decision {
    let mut event = match guard::admit(&pipeline.tenant, pipeline.envelope, message) {
        Ok(event) => event,
        Err(refusal) => {
            return Decision {
                event: None,
                verdict: Verdict::Refused(refusal),
                took: None,
            };
        }
    };
    if message.superseded {
        return Decision {
            event: Some(Event::new(event, context(message, span))),
            verdict: Verdict::Superseded,
            took: None,
        };
    }
    let route = pipeline.registry.route(&mut event);
    let event = Event::new(event, context(message, span));
    let mut took = None;
    let verdict = match route {
        Route::To(handler) => {
            let handler = handler.as_ref();
            handle_once(pipeline, &event, handler, leave, message.in_order, &mut took).await
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
    Decision {
        event: Some(event),
        verdict,
        took,
    }
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
