//! Is the handling of an event part of a trace, and who gets to know?
//!
//! With an OTLP endpoint each delivery is a span, child of its publisher's, and the handler is given that span to go on
//! from. Without one nothing is recorded, and the handler is given the publisher's.

mod context;

use std::time::Duration;

use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
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

/// One delivery, as a span, and the context to go on from where nothing is recorded: the publisher's.
#[derive(Debug)]
pub(crate) struct Delivered {
    span: Option<Span>,
    publishers: Option<SpanContext>,
}

impl Traces {
    /// Exports spans to a collector over OTLP/gRPC, whatever endpoint a variable names. The other `OTEL_…` variables
    /// (headers, timeout, sampler, batches, resource attributes) are read by the exporter as the specification has them
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
        let publishers = context::of(message);
        let Some((_, tracer)) = &self.0 else {
            let span = None;
            return Delivered { span, publishers };
        };
        let parent = publishers.clone().map_or_else(Context::new, |parent| {
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
        let span = Some(span);
        Delivered { span, publishers }
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
    /// The context for what is called: this span's, or the publisher's where nothing is recorded.
    fn context(&self) -> Option<&SpanContext> {
        let own = self.span.as_ref().map(Span::span_context);
        own.or(self.publishers.as_ref())
    }

    /// That context as the header `traceparent`.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.context().map(context::traceparent)
    }

    /// That context as the header `tracestate`.
    pub(crate) fn tracestate(&self) -> Option<String> {
        self.context().and_then(context::tracestate)
    }

    /// Ends the span with what came of the delivery.
    pub(crate) fn end(&mut self, event: Option<&crate::handle::Event>, verdict: &Verdict) {
        let Some(span) = &mut self.span else { return };
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

/// The ids in a `traceparent`: of the trace, and of the span.
pub(crate) fn ids(traceparent: Option<&str>) -> Option<(&str, &str)> {
    let mut parts = traceparent?.split('-').skip(1);
    Some((parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_traceparent_apart() {
        assert_eq!(
            ids(Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
            Some(("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"))
        );
    }
}
