//! What is logged and counted about a delivery: one line for each decision, never a payload.
//!
//! The lines are the audit log. Their fields are a promise; see the README, "Audit log".

use events::event::attribute;
use jiff::Timestamp;
use tracing::{debug, error, info, warn};

use crate::{
    disposition::Verdict,
    guard::Refusal,
    handle::Event,
    message::Message,
    process::{Decision, Pipeline},
    trace,
};

/// Changes when a field goes, or means something else; new fields may come without.
const SCHEMA: u32 = 1;

/// The target of audit lines, for who filters by it.
pub const AUDIT: &str = "event_worker::audit";

/// The longest text of a publisher's or handler's that is logged.
const MOST_CHARACTERS: usize = 200;

/// Logs and counts what came of a delivery.
pub(crate) fn decision(pipeline: &Pipeline, message: &Message, decision: &Decision) {
    let Decision {
        event, verdict, took, ..
    } = decision;
    count(pipeline, message, decision);
    match (event, verdict) {
        (_, Verdict::Refused(refusal)) => refused(pipeline, message, verdict, refusal),
        (Some(event), verdict) => handled(pipeline, event, verdict, took.map(|took| took.as_secs_f64())),
        // Only a refused message is no event.
        (None, _) => {}
    }
}

fn count(pipeline: &Pipeline, message: &Message, decision: &Decision) {
    let (metrics, verdict) = (&pipeline.metrics, &decision.verdict);
    let of_type = decision.event.as_ref().map(|event| metrics.of(&event.event_type));
    match (&of_type, verdict) {
        (Some(of_type), Verdict::Success) => of_type.successes.inc(),
        (of_type, _) => {
            let label = of_type.as_ref().map_or("unknown", |of_type| &of_type.label);
            let counter = &metrics.processed;
            counter.with_label_values(&[label, verdict.name()]).inc();
        }
    }
    match verdict {
        Verdict::Success => {
            if let Some(published) = message.published_at {
                // Clocks differ a little: an event is never handled before it was published.
                let lag = Timestamp::now().duration_since(published).as_secs_f64();
                metrics.lag_seconds.observe(lag.max(0.0));
            }
        }
        Verdict::Duplicate => metrics.duplicates.inc(),
        // Where no handler was asked nothing is remembered, and each delivery comes to the same verdict.
        Verdict::Permanent { .. } if decision.took.is_none() && decision.redelivered => {}
        Verdict::Permanent { .. } => metrics.permanent.inc(),
        Verdict::Refused(Refusal::OtherTenant(_)) => metrics.tenant_mismatch.inc(),
        Verdict::Refused(Refusal::TooLarge(_) | Refusal::Undecodable(_) | Refusal::OtherType) => {
            metrics.undecodable.inc();
        }
        Verdict::Released => metrics.released.inc(),
        Verdict::UnknownVersion
        | Verdict::Superseded
        | Verdict::Retryable { .. }
        | Verdict::PermanentBefore
        | Verdict::Overtaken => {}
        Verdict::Conflict => metrics.conflicts.inc(),
        Verdict::Displaced => metrics.displaced.inc(),
    }
}

/// One line with everything that finds an event again. A macro, because the level stands in the call.
macro_rules! line {
    ($level:ident, $event:expr, $verdict:expr, $took:expr, $tenant:expr, $($rest:tt)+) => {{
        let (trace_id, span_id) = trace::ids($event.traceparent()).unzip();
        $level!(
            target: AUDIT,
            audit = SCHEMA,
            tenant = %$tenant,
            subscription = %$event.subscription(),
            message_id = $event.message_id(),
            event_id = %$event.event_id,
            event_type = %$event.event_type,
            version = short($event.data.version()),
            correlation_id = %$event.correlation_id(),
            idempotency_key = $event.idempotency_key(),
            delivery_attempt = $event.delivery_attempt(),
            trace_id,
            span_id,
            outcome = $verdict.name(),
            told = $verdict.disposition().name(),
            handler_seconds = $took,
            $($rest)+
        )
    }};
}

fn handled(pipeline: &Pipeline, event: &Event, verdict: &Verdict, took: Option<f64>) {
    let tenant = &pipeline.tenant;
    match verdict {
        Verdict::Success => line!(info, event, verdict, took, tenant, "Event processed."),
        Verdict::Duplicate => line!(info, event, verdict, took, tenant, "Event was processed before."),
        Verdict::UnknownVersion => line!(
            warn,
            event,
            verdict,
            took,
            tenant,
            "No handler takes this version of the event; it is let go."
        ),
        Verdict::Superseded => line!(
            info,
            event,
            verdict,
            took,
            tenant,
            "Event is left to the subscription that took this one's place."
        ),
        Verdict::Retryable { reason, .. } => line!(
            warn,
            event,
            verdict,
            took,
            tenant,
            reason = short(reason),
            "Event failed; it will be delivered again."
        ),
        Verdict::Permanent { reason } => line!(
            error,
            event,
            verdict,
            took,
            tenant,
            reason = short(reason),
            "Event can never work; it goes to the dead letters where the subscription has them."
        ),
        Verdict::PermanentBefore => line!(
            info,
            event,
            verdict,
            took,
            tenant,
            "Event is known never to work; it is given back unhandled."
        ),
        Verdict::Conflict => line!(
            error,
            event,
            verdict,
            took,
            tenant,
            "Another event with this idempotency key and another payload was processed; this one is given back unhandled."
        ),
        Verdict::Displaced => line!(
            warn,
            event,
            verdict,
            took,
            tenant,
            "Event is given back: too many wait for their handler."
        ),
        Verdict::Overtaken => line!(
            warn,
            event,
            verdict,
            took,
            tenant,
            "Event took longer than its claim, and another delivery of it has been taken since."
        ),
        Verdict::Released => line!(
            info,
            event,
            verdict,
            took,
            tenant,
            "Event is given back: the worker stops."
        ),
        Verdict::Refused(_) => {}
    }
}

/// A refused message's own words are not believed: only its ids are repeated, cut and escaped by the log's format.
fn refused(pipeline: &Pipeline, message: &Message, verdict: &Verdict, refusal: &Refusal) {
    let (tenant, subscription) = (&pipeline.tenant, &message.subscription);
    let (message_id, event_id) = (&message.message_id, short(message.attribute(attribute::EVENT_ID)));
    let (outcome, told) = (verdict.name(), verdict.disposition().name());
    let delivery_attempt = message.delivery_attempt;
    match refusal {
        Refusal::OtherTenant(_) => warn!(
            target: AUDIT,
            audit = SCHEMA, %tenant, %subscription, message_id, event_id, delivery_attempt, outcome, told,
            reason = %refusal, "Refused a message of another tenant."
        ),
        Refusal::TooLarge(_) | Refusal::Undecodable(_) | Refusal::OtherType => warn!(
            target: AUDIT,
            audit = SCHEMA, %tenant, %subscription, message_id, event_id, delivery_attempt, outcome, told,
            reason = %refusal, "Refused a message that is not an event."
        ),
    }
}

/// An event waits here for another attempt.
pub(crate) fn waiting(event: &Event, why: &str) {
    debug!(
        event_id = %event.event_id,
        event_type = %event.event_type,
        subscription = %event.subscription(),
        reason = short(why),
        "Event waits."
    );
}

/// The start of a text that somebody else wrote.
fn short(text: &str) -> &str {
    text.char_indices()
        .nth(MOST_CHARACTERS)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(short("short"), "short");
        assert_eq!(short(&"ü".repeat(500)).chars().count(), MOST_CHARACTERS);
    }
}
