//! Is the handling of an event part of a trace, and who gets to know?
//!
//! With an OTLP endpoint each delivery is a span, child of its publisher's, and the handler is given that span to go on
//! from. Without one nothing is recorded, and the handler is given the publisher's.

use std::time::Duration;

use events::event::attribute;
use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt, TraceState, Tracer, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider, Span},
};

use crate::{
    disposition::{Disposition, Verdict},
    message::Message,
};

/// A stop waits so long for the last spans.
const FLUSH: Duration = Duration::from_secs(2);

/// Records spans, if anybody wants them.
#[derive(Debug, Default)]
pub struct Traces(Option<(SdkTracerProvider, SdkTracer)>);

/// One delivery, as a span.
#[derive(Debug)]
pub(crate) struct Delivered(Option<Span>);

impl Traces {
    /// Exports spans to a collector over OTLP/gRPC. The other `OTEL_…` variables (headers, sampler, batches,
    /// resource attributes) are read by the exporter as the specification has them
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).
    ///
    /// # Errors
    /// When the endpoint is unusable.
    pub fn to(endpoint: &str, tenant: &str) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(|error| error.to_string())?;
        let resource = Resource::builder()
            .with_attribute(KeyValue::new("tenant.id", tenant.to_owned()))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
        let resource = if named {
            resource
        } else {
            resource.with_service_name("event-worker")
        };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer("event-worker");
        Ok(Self(Some((provider, tracer))))
    }

    /// Begins the span of a delivery.
    pub(crate) fn begin(&self, message: &Message) -> Delivered {
        let Some((_, tracer)) = &self.0 else {
            return Delivered(None);
        };
        let parent = remote(message.attribute(attribute::TRACEPARENT));
        let parent = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(parent)
        });
        let subscription = message.subscription.id().to_owned();
        let mut attributes = vec![
            KeyValue::new("messaging.system", "gcp_pubsub"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.message.id", message.message_id.clone()),
            KeyValue::new("messaging.destination.subscription.name", subscription),
            KeyValue::new(
                "messaging.message.body.size",
                i64::try_from(message.data.len()).unwrap_or(i64::MAX),
            ),
        ];
        if let Some(attempt) = message.delivery_attempt {
            let attempt = i64::from(attempt);
            attributes.push(KeyValue::new(
                "messaging.gcp_pubsub.message.delivery_attempt",
                attempt,
            ));
        }
        let span = tracer
            .span_builder("process event")
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes)
            .start_with_context(tracer, &parent);
        Delivered(Some(span))
    }

    /// Sends what is left. Called when nothing is handled any more.
    pub(crate) async fn flush(&self) {
        let Some((provider, _)) = &self.0 else { return };
        let provider = provider.clone();
        // It blocks until the collector has answered.
        let sent = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH)).await;
        if let Ok(Err(error)) = sent {
            tracing::warn!(%error, "The last spans were not exported.");
        }
    }
}

impl Delivered {
    /// The context for whoever is called: this span's, or the publisher's where nothing is recorded.
    pub(crate) fn traceparent(&self, message: &Message) -> Option<String> {
        let Some(span) = &self.0 else {
            let publishers = message.attribute(attribute::TRACEPARENT);
            return is_traceparent(publishers).then(|| publishers.to_owned());
        };
        let context = span.span_context();
        Some(format!(
            "00-{}-{}-{:02x}",
            context.trace_id(),
            context.span_id(),
            context.trace_flags()
        ))
    }

    /// Ends the span with what came of the delivery.
    pub(crate) fn end(&mut self, event: Option<&crate::handle::Event>, verdict: &Verdict) {
        let Some(span) = &mut self.0 else { return };
        if let Some(event) = event {
            span.update_name(format!("process {}", event.event_type));
            span.set_attribute(KeyValue::new("event.id", event.event_id.to_string()));
            span.set_attribute(KeyValue::new("event.type", event.event_type.to_string()));
            let correlation = event.correlation_id().to_string();
            span.set_attribute(KeyValue::new("event.correlation_id", correlation));
        }
        span.set_attribute(KeyValue::new("event.outcome", verdict.name()));
        if verdict.disposition() != Disposition::Ack {
            span.set_status(Status::error(verdict.name()));
        }
        span.end();
    }
}

/// Whether it is the header's form in version 00. Anything else could smuggle bytes into a handler's headers.
pub(crate) fn is_traceparent(text: &str) -> bool {
    text.len() == 55 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') && text.starts_with("00-")
}

/// The ids in a `traceparent`: of the trace, and of the span.
pub(crate) fn ids(traceparent: Option<&str>) -> Option<(&str, &str)> {
    let mut parts = traceparent?.split('-').skip(1);
    Some((parts.next()?, parts.next()?))
}

fn remote(traceparent: &str) -> Option<SpanContext> {
    if !is_traceparent(traceparent) {
        return None;
    }
    let (trace, span) = ids(Some(traceparent))?;
    let flags = u8::from_str_radix(traceparent.rsplit('-').next()?, 16).ok()?;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn takes_a_traceparent_apart() {
        let context = remote(PARENT).unwrap();
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(
            ids(Some(PARENT)),
            Some(("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"))
        );
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "0\n-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(remote(wrong).is_none(), "{wrong}");
        }
    }
}
