//! What is logged and counted about a message: one line for each verdict, never a payload.

use events::event::attribute;
use jiff::Timestamp;
use tracing::{debug, error, info, warn};

use crate::{disposition::Verdict, guard::Refusal, handle::Event, message::Message, process::Pipeline};

/// The longest text of a publisher's or handler's that is logged.
const MOST_CHARACTERS: usize = 200;

/// Logs and counts what came of a delivery.
pub(crate) fn verdict(pipeline: &Pipeline, message: &Message, event: Option<&Event>, verdict: &Verdict) {
    count(pipeline, message, event, verdict);
    match (event, verdict) {
        (_, Verdict::Refused(refusal)) => refused(pipeline, message, refusal),
        (Some(event), verdict) => handled(pipeline, event, verdict),
        // Only a refused message is no event.
        (None, _) => {}
    }
}

fn count(pipeline: &Pipeline, message: &Message, event: Option<&Event>, verdict: &Verdict) {
    let metrics = &pipeline.metrics;
    let label = event.map_or("unknown", |event| metrics.label(&event.event_type));
    metrics
        .processed
        .with_label_values(&[label, verdict.name()])
        .inc();
    match verdict {
        Verdict::Success => {
            if let Some(published) = message.published_at {
                // Clocks differ a little: an event is never handled before it was published.
                let lag = Timestamp::now().duration_since(published).as_secs_f64();
                metrics.lag_seconds.observe(lag.max(0.0));
            }
        }
        Verdict::Duplicate => metrics.duplicates.inc(),
        Verdict::Permanent { .. } => metrics.permanent.inc(),
        Verdict::Refused(Refusal::OtherTenant(_)) => metrics.tenant_mismatch.inc(),
        Verdict::Refused(Refusal::TooLarge(_) | Refusal::Undecodable(_) | Refusal::OtherType) => {
            metrics.undecodable.inc();
        }
        Verdict::Released => metrics.released.inc(),
        Verdict::UnknownVersion
        | Verdict::Retryable { .. }
        | Verdict::PermanentBefore
        | Verdict::Overtaken => {}
    }
}

/// One line with everything that finds an event again. A macro, because the level stands in the call.
macro_rules! line {
    ($level:ident, $event:expr, $verdict:expr, $tenant:expr, $($rest:tt)+) => {
        $level!(
            tenant = %$tenant,
            subscription = %$event.subscription(),
            event_id = %$event.event_id,
            event_type = %$event.event_type,
            correlation_id = %$event.correlation_id(),
            idempotency_key = $event.idempotency_key(),
            delivery_attempt = $event.delivery_attempt(),
            trace = $event.traceparent(),
            outcome = $verdict.name(),
            $($rest)+
        )
    };
}

fn handled(pipeline: &Pipeline, event: &Event, verdict: &Verdict) {
    let tenant = &pipeline.tenant;
    match verdict {
        Verdict::Success => line!(info, event, verdict, tenant, "Event processed."),
        Verdict::Duplicate => line!(info, event, verdict, tenant, "Event was processed before."),
        Verdict::UnknownVersion => line!(
            warn,
            event,
            verdict,
            tenant,
            version = short(event.data.version()),
            "No handler takes this version of the event; it is let go."
        ),
        Verdict::Retryable { reason, .. } => line!(
            warn,
            event,
            verdict,
            tenant,
            reason = short(reason),
            "Event failed; it will be delivered again."
        ),
        Verdict::Permanent { reason } => line!(
            error,
            event,
            verdict,
            tenant,
            reason = short(reason),
            "Event can never work; it goes to the dead letters where the subscription has them."
        ),
        Verdict::PermanentBefore => line!(
            info,
            event,
            verdict,
            tenant,
            "Event is known never to work; it is given back unhandled."
        ),
        Verdict::Overtaken => line!(
            warn,
            event,
            verdict,
            tenant,
            "Event took longer than its claim, and another delivery of it has been taken since."
        ),
        Verdict::Released => line!(
            info,
            event,
            verdict,
            tenant,
            "Event is given back: the worker stops."
        ),
        Verdict::Refused(_) => {}
    }
}

fn refused(pipeline: &Pipeline, message: &Message, refusal: &Refusal) {
    let (tenant, subscription) = (&pipeline.tenant, &message.subscription);
    let event_id = short(message.attribute(attribute::EVENT_ID));
    match refusal {
        Refusal::OtherTenant(_) => warn!(
            %tenant, %subscription, event_id, outcome = "tenant_mismatch", audit = true, reason = %refusal,
            "Refused a message of another tenant."
        ),
        Refusal::TooLarge(_) | Refusal::Undecodable(_) | Refusal::OtherType => warn!(
            %tenant, %subscription, event_id, outcome = "undecodable", reason = %refusal,
            "Refused a message that is not an event."
        ),
    }
}

/// An event waits here for another turn.
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
