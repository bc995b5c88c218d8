//! What a publisher counts.

use std::{collections::HashSet, sync::Arc, time::Instant};

use parking_lot::Mutex;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::PublishError;
use crate::{DomainEvent, TenantId, catalogue::Route};

/// How many tenants have a label of their own, unless the builder says otherwise: each is a time series for every event type
/// and outcome.
pub const MAX_TENANTS: usize = 1_000;

/// The label of all other tenants, and of types that the catalogue does not name; no tenant and no type is called so.
pub const OTHER: &str = "*";

/// Up to a minute: beyond it the client's own patience is measured.
const SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0,
];

#[derive(Debug, Clone)]
pub(super) struct Metrics {
    published: IntCounterVec,
    seconds: HistogramVec,
    tenants: Arc<Mutex<HashSet<TenantId>>>,
    max_tenants: usize,
}

/// One event that is being published.
pub(super) struct Counted {
    metrics: Metrics,
    tenant: String,
    event_type: String,
    since: Instant,
}

impl Metrics {
    pub(super) fn register(registry: &Registry, max_tenants: usize) -> Result<Self, prometheus::Error> {
        let published = IntCounterVec::new(
            Opts::new(
                "events_published_total",
                "Events by their outcome: published, retryable, permanent, or refused before any call.",
            ),
            &["tenant", "event_type", "outcome"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "events_publish_seconds",
                "From sending an event to Pub/Sub's answer, with the client's own repetitions.",
            )
            .buckets(SECONDS.to_vec()),
            &["event_type"],
        )?;
        registry.register(Box::new(published.clone()))?;
        if let Err(error) = registry.register(Box::new(seconds.clone())) {
            // Both or none.
            registry.unregister(Box::new(published))?;
            return Err(error);
        }
        Ok(Self {
            published,
            seconds,
            tenants: Arc::default(),
            max_tenants,
        })
    }

    /// The labels are bounded: by the catalogue's entries, and by the first tenants that were seen.
    pub(super) fn count(&self, event: &DomainEvent, route: Option<Route<'_>>) -> Counted {
        Counted {
            metrics: self.clone(),
            tenant: self.tenant(&event.tenant_id),
            event_type: route.map_or_else(|| OTHER.to_owned(), |route| route.pattern.to_string()),
            since: Instant::now(),
        }
    }

    fn tenant(&self, tenant: &TenantId) -> String {
        let mut tenants = self.tenants.lock();
        if !tenants.contains(tenant) {
            if tenants.len() >= self.max_tenants {
                return OTHER.to_owned();
            }
            tenants.insert(tenant.clone());
        }
        tenant.to_string()
    }
}

impl Counted {
    pub(super) fn settled(self, result: &Result<String, PublishError>) {
        let outcome = match result {
            Ok(_) => "published",
            Err(error) if error.is_retryable() => "retryable",
            Err(_) => "permanent",
        };
        let seconds = self.metrics.seconds.with_label_values(&[&self.event_type]);
        seconds.observe(self.since.elapsed().as_secs_f64());
        self.increase(outcome);
    }

    pub(super) fn refused(self) {
        self.increase("refused");
    }

    fn increase(self, outcome: &str) {
        let labels = [self.tenant.as_str(), self.event_type.as_str(), outcome];
        self.metrics.published.with_label_values(&labels).inc();
    }
}
