//! What the worker counts. The README has the same table with units.

use std::{collections::HashMap, sync::Arc};

use events::EventType;
use google_cloud_gax::error::rpc::Code;
use parking_lot::RwLock;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::own_process::OwnProcess;

/// Event types that get a label of their own; publishers choose types, and must not choose the number of series.
const MOST_EVENT_TYPES: usize = 100;
const REST: &str = "other";

/// From a cache lookup to the longest event there may be.
const HANDLER_BUCKETS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0,
];
/// From a map in memory to a store that is as good as away.
const STORE_BUCKETS: [f64; 10] = [
    0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 3.0,
];
/// From a message that found the worker waiting to one that waited out a weekend.
const LAG_BUCKETS: [f64; 14] = [
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0, 21_600.0, 172_800.0,
];

/// What is counted with every event of a type, found once.
#[derive(Debug)]
pub struct OfType {
    /// The type's label.
    pub label: String,
    /// Time in the handler.
    pub handler_seconds: Histogram,
    /// Events that were handled.
    pub successes: IntCounter,
}

/// What a stream ends with where Pub/Sub says nothing.
pub const NO_CODE: &str = "TRANSPORT";

/// What Pub/Sub ends streams with (<https://cloud.google.com/pubsub/docs/reference/error-codes>).
const STREAM_ENDS: [Code; 16] = [
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];

/// The worker's metrics, in a registry of their own so that two workers fit in one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    process: Registry,
    event_types: RwLock<HashMap<EventType, Arc<OfType>>>,
    /// Messages pulled.
    pub received: IntCounter,
    /// Verdicts by event type and outcome.
    pub processed: IntCounterVec,
    /// Time in the handler by event type.
    pub handler_seconds: HistogramVec,
    /// From publishing to the end of handling.
    pub lag_seconds: Histogram,
    /// Deliveries whose effect had happened.
    pub duplicates: IntCounter,
    /// Messages that were not this tenant's.
    pub tenant_mismatch: IntCounter,
    /// Events that a handler said can never work.
    pub permanent: IntCounter,
    /// Events whose idempotency key another event had, with another payload.
    pub conflicts: IntCounter,
    /// Events given back because too many wait for their handler.
    pub displaced: IntCounter,
    /// Events that wait for their handler or for an earlier event of their key, without a slot.
    pub waiting: IntGauge,
    /// Long tasks that ended without being asked to, and were started again, by the task.
    pub task_restarts: IntCounterVec,
    /// Ends that the idempotency store forgot before their time.
    pub store_forgotten: IntCounter,
    /// Messages that are not events.
    pub undecodable: IntCounter,
    /// Messages given back because the worker stopped.
    pub released: IntCounter,
    /// Handlers running.
    pub in_flight: IntGauge,
    /// Subscriptions pulled.
    pub subscriptions: IntGauge,
    /// Streams that ended with an error, by its code.
    pub stream_errors: IntCounterVec,
    /// Acknowledgements that Pub/Sub did not confirm, where it confirms.
    pub ack_failures: IntCounter,
    /// Calls to the idempotency store that failed.
    pub store_errors: IntCounter,
    /// Times that the idempotency store was found emptied.
    pub store_losses: IntCounter,
    /// Time for an answer of the idempotency store.
    pub store_seconds: Histogram,
    /// 0 closed, 1 probing, 2 open.
    pub circuit_state: IntGauge,
    /// How long a circuit has been open.
    pub circuit_open_seconds: IntGauge,
    /// Events tried again here because their handler was not there.
    pub handler_unavailable: IntCounter,
    /// What a stream may have outstanding, by subscription.
    pub outstanding_limit: IntGaugeVec,
}

impl Metrics {
    /// All metrics at zero.
    ///
    /// # Errors
    /// None in practice: the names are fixed and well-formed.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("event_worker".to_owned()), None)?;
        let process = Registry::new();
        process.register(Box::new(OwnProcess::new()?))?;
        let r = &registry;
        Ok(Self {
            received: counter(r, "received_total", "Messages pulled.")?,
            processed: counters(r, "processed_total", "Verdicts.", &["event_type", "outcome"])?,
            handler_seconds: {
                let options = HistogramOpts::new("handler_seconds", "Time in the handler, in seconds.")
                    .buckets(HANDLER_BUCKETS.to_vec());
                registered(r, HistogramVec::new(options, &["event_type"])?)?
            },
            lag_seconds: {
                let help = "From publishing to the end of successful handling, in seconds.";
                let options = HistogramOpts::new("lag_seconds", help).buckets(LAG_BUCKETS.to_vec());
                registered(r, Histogram::with_opts(options)?)?
            },
            duplicates: counter(r, "duplicates_total", "Deliveries whose effect had happened.")?,
            tenant_mismatch: counter(
                r,
                "tenant_mismatch_total",
                "Messages not of this tenant, refused.",
            )?,
            permanent: counter(r, "permanent_verdicts_total", "Events that can never work.")?,
            conflicts: counter(
                r,
                "conflicts_total",
                "Events whose idempotency key another event had, with another payload.",
            )?,
            displaced: counter(
                r,
                "displaced_total",
                "Events given back because too many wait for their handler.",
            )?,
            waiting: gauge(
                r,
                "waiting",
                "Events that wait for their handler or for an earlier event of their key.",
            )?,
            task_restarts: counters(
                r,
                "task_restarts_total",
                "Long tasks that ended without being asked to, and were started again.",
                &["task"],
            )?,
            store_forgotten: counter(
                r,
                "store_forgotten_total",
                "Ends that the idempotency store forgot before their time.",
            )?,
            undecodable: counter(r, "undecodable_total", "Messages that are not events.")?,
            released: counter(r, "released_total", "Messages given back at a stop.")?,
            in_flight: gauge(r, "in_flight", "Handlers running.")?,
            subscriptions: gauge(r, "subscriptions", "Subscriptions pulled.")?,
            stream_errors: {
                let help = "Streams that ended with an error.";
                let errors = counters(r, "stream_errors_total", help, &["code"])?;
                // From zero, so that the first is seen.
                for code in STREAM_ENDS {
                    errors.with_label_values(&[code.to_string().as_str()]);
                }
                errors.with_label_values(&[NO_CODE]);
                errors
            },
            ack_failures: counter(r, "ack_failures_total", "Acknowledgements not confirmed.")?,
            store_errors: counter(r, "store_errors_total", "Failed calls to the idempotency store.")?,
            store_losses: counter(
                r,
                "store_losses_total",
                "Times the idempotency store was emptied.",
            )?,
            store_seconds: {
                let help = "Time for an answer of the idempotency store, in seconds.";
                let options = HistogramOpts::new("store_seconds", help).buckets(STORE_BUCKETS.to_vec());
                registered(r, Histogram::with_opts(options)?)?
            },
            circuit_state: gauge(r, "circuit_state", "0 closed, 1 probing, 2 open.")?,
            circuit_open_seconds: gauge(
                r,
                "circuit_open_seconds",
                "How long events have waited for a handler that is not there, in seconds; 0 while it is.",
            )?,
            handler_unavailable: counter(r, "handler_unavailable_total", "Calls that found no handler.")?,
            outstanding_limit: {
                let options = Opts::new("outstanding_limit", "Messages a stream may have outstanding.");
                registered(r, IntGaugeVec::new(options, &["subscription"])?)?
            },
            event_types: RwLock::default(),
            registry,
            process,
        })
    }

    /// What is counted with events of a type; the rest share one once there are too many.
    #[must_use]
    pub fn of(&self, event_type: &EventType) -> Arc<OfType> {
        if let Some(of_type) = self.event_types.read().get(event_type) {
            return Arc::clone(of_type);
        }
        let mut known = self.event_types.write();
        if known.len() < MOST_EVENT_TYPES || known.contains_key(event_type) {
            let new = || Arc::new(self.labelled(event_type.as_str()));
            Arc::clone(known.entry(event_type.clone()).or_insert_with(new))
        } else {
            Arc::new(self.labelled(REST))
        }
    }

    fn labelled(&self, label: &str) -> OfType {
        OfType {
            label: label.to_owned(),
            handler_seconds: self.handler_seconds.with_label_values(&[label]),
            successes: self.processed.with_label_values(&[label, "success"]),
        }
    }

    /// Everything, in Prometheus' text form.
    ///
    /// # Errors
    /// None in practice.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut families = self.registry.gather();
        families.extend(self.process.gather());
        TextEncoder::new().encode_to_string(&families)
    }
}

fn registered<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    registered(registry, IntCounter::new(name, help)?)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    registered(registry, IntGauge::new(name, help)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_cannot_make_endless_series() {
        let metrics = Metrics::new().unwrap();
        for i in 0..MOST_EVENT_TYPES {
            let event_type = EventType::parse(&format!("kind.n{i}")).unwrap();
            assert_eq!(metrics.of(&event_type).label, event_type.as_str());
        }
        let [known, late] = ["kind.n0", "kind.late"].map(|text| EventType::parse(text).unwrap());
        assert_eq!(metrics.of(&late).label, REST);
        assert_eq!(metrics.of(&known).label, "kind.n0");
    }

    #[test]
    fn names_carry_the_prefix() {
        let metrics = Metrics::new().unwrap();
        metrics.received.inc();
        let text = metrics.text().unwrap();
        assert!(text.contains("event_worker_received_total 1"));
        for code in ["PERMISSION_DENIED", NO_CODE] {
            let series = format!("event_worker_stream_errors_total{{code=\"{code}\"}} 0\n");
            assert!(text.contains(&series), "{series}");
        }
        assert!(text.contains("\nprocess_cpu_seconds_total "));
    }
}
