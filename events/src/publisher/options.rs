//! What is chosen for a publisher, and for one event.

use std::time::Duration;

use crate::TraceContext;

/// What to send along with the event itself.
#[derive(Debug, Clone, Default)]
pub struct PublishOptions {
    /// Events of one key reach an ordered subscription in the order of their publishing; at most 1,024 bytes.
    pub ordering_key: Option<String>,
    /// The publisher's trace context, so that a worker's spans join its trace.
    pub traceparent: Option<String>,
    /// What its tracing system keeps beside it.
    pub tracestate: Option<String>,
}

impl PublishOptions {
    /// Options with an ordering key.
    #[must_use]
    pub fn ordered(key: impl Into<String>) -> Self {
        Self {
            ordering_key: Some(key.into()),
            ..Self::default()
        }
    }

    /// The same with a trace context.
    #[must_use]
    pub fn traced(self, trace: &TraceContext) -> Self {
        Self {
            traceparent: Some(trace.traceparent().to_owned()),
            tracestate: trace.tracestate().map(ToOwned::to_owned),
            ..self
        }
    }

    /// The trace context, where it is of the form that the specification asks for.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        let traceparent = self.traceparent.as_deref()?;
        TraceContext::parse(traceparent, self.tracestate.as_deref()).ok()
    }
}

/// When messages that wait to be sent together are sent: as soon as any of the three is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// So many messages; 100 by default, at most 1,000 (Pub/Sub's limit).
    pub max_messages: u32,
    /// So many bytes; 1,000,000 by default. At most 9,000,000: a request has 10,000,000 with what the protocol adds to
    /// each message.
    pub max_bytes: u32,
    /// After so long; 10 ms by default, at most a day.
    pub max_delay: Duration,
}

impl Default for Batching {
    /// Those of the official client.
    fn default() -> Self {
        Self {
            max_messages: 100,
            max_bytes: 1_000_000,
            max_delay: Duration::from_millis(10),
        }
    }
}

impl Batching {
    /// The largest [`Batching::max_bytes`].
    pub const LARGEST: u32 = 9_000_000;
}
