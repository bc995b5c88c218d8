//! Numbers about the operator itself, in Prometheus' words. README lists them with their units.

use std::time::Duration;

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// The operator's metrics.
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    reconcile_seconds: HistogramVec,
    pubsub_calls: IntCounterVec,
    writes: IntCounterVec,
    objects: IntGaugeVec,
}

impl Metrics {
    /// Registers them all.
    ///
    /// # Errors
    /// When two have one name, which would be a fault of this file.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntCounterVec> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let reconciles = counter(
            "event_operator_reconciles_total",
            "Reconciles by kind and outcome: ok, or the class of the failure.",
            &["kind", "outcome"],
        )?;
        let pubsub_calls = counter(
            "event_operator_pubsub_calls_total",
            "Admin calls to Pub/Sub by method and status code.",
            &["method", "code"],
        )?;
        let writes = counter(
            "event_operator_writes_total",
            "Writes made by kind of reconciled object and action.",
            &["kind", "action"],
        )?;
        let reconcile_seconds = HistogramVec::new(
            HistogramOpts::new(
                "event_operator_reconcile_seconds",
                "How long a reconcile takes, in seconds.",
            )
            .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0]),
            &["kind"],
        )?;
        registry.register(Box::new(reconcile_seconds.clone()))?;
        let objects = IntGaugeVec::new(
            Opts::new(
                "event_operator_objects",
                "Objects by kind and by the status of their Ready condition.",
            ),
            &["kind", "ready"],
        )?;
        registry.register(Box::new(objects.clone()))?;
        Ok(Self {
            registry,
            reconciles,
            reconcile_seconds,
            pubsub_calls,
            writes,
            objects,
        })
    }

    /// A reconcile ended.
    pub fn reconciled(&self, kind: &str, outcome: &str, took: Duration) {
        self.reconciles.with_label_values(&[kind, outcome]).inc();
        self.reconcile_seconds
            .with_label_values(&[kind])
            .observe(took.as_secs_f64());
    }

    /// An admin call was answered.
    pub fn pubsub_call(&self, method: &str, code: &str) {
        self.pubsub_calls.with_label_values(&[method, code]).inc();
    }

    /// A write was made.
    pub fn wrote(&self, kind: &str, action: &str) {
        self.writes.with_label_values(&[kind, action]).inc();
    }

    /// So many objects of a kind are in a state.
    pub fn set_objects(&self, kind: &str, ready: &str, count: usize) {
        self.objects
            .with_label_values(&[kind, ready])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// All of them in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be written, which would be a fault of the library.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
