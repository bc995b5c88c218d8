//! Numbers about the operator itself, in Prometheus' words. docs/metrics.md lists them with their units.

use std::time::Duration;

use prometheus::{
    Encoder as _, Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::{
    failure::Class,
    pubsub::{Code, metered::METHODS},
    tenant,
};

/// The outcome of a reconcile that did not fail.
pub const OK: &str = "ok";

/// What is written to Pub/Sub for an EventSubscription.
const SUBSCRIPTION_ACTIONS: [&str; 6] = [
    "create_topic",
    "update_topic",
    "create_subscription",
    "update_subscription",
    "set_policy",
    "delete_subscription",
];

/// The operator's metrics.
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    reconcile_seconds: HistogramVec,
    pubsub_calls: IntCounterVec,
    writes: IntCounterVec,
    objects: IntGaugeVec,
    waiting: IntGaugeVec,
    quota_rate: Gauge,
    quota_wait: Gauge,
    repairs: IntCounterVec,
    messages: IntGaugeVec,
    ownerless: IntGaugeVec,
    leading: Gauge,
    yields: IntGaugeVec,
    rollout: IntGaugeVec,
    settings_change: IntGaugeVec,
    backlog: IntGaugeVec,
}

fn reconcile_seconds() -> prometheus::Result<HistogramVec> {
    HistogramVec::new(
        HistogramOpts::new(
            "event_operator_reconcile_seconds",
            "How long a reconcile takes, in seconds.",
        )
        .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0]),
        &["kind"],
    )
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
        let gauges = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntGaugeVec> {
            let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<Gauge> {
            let metric = Gauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let reconcile_seconds = reconcile_seconds()?;
        registry.register(Box::new(reconcile_seconds.clone()))?;
        let metrics = Self {
            reconciles: counter(
                "event_operator_reconciles_total",
                "Reconciles by kind and outcome: ok, or the class of the failure.",
                &["kind", "outcome"],
            )?,
            reconcile_seconds,
            waiting: gauges(
                "event_operator_queue_depth",
                "Objects that wait for their reconcile by kind and lane: edits (new, edited or being deleted), changes (not as asked yet, or failing) or upkeep.",
                &["kind", "lane"],
            )?,
            pubsub_calls: counter(
                "event_operator_pubsub_calls_total",
                "Admin calls to Pub/Sub by method and status code.",
                &["method", "code"],
            )?,
            quota_rate: gauge(
                "event_operator_pubsub_quota_calls_per_minute",
                "Admin calls to Pub/Sub that may be made in a minute now; fewer than configured for a while after Pub/Sub said that the quota is used up.",
            )?,
            quota_wait: gauge(
                "event_operator_pubsub_quota_wait_seconds",
                "How long an admin call to Pub/Sub would wait for the quota now, in seconds.",
            )?,
            writes: counter(
                "event_operator_writes_total",
                "Writes made by kind of reconciled object and action.",
                &["kind", "action"],
            )?,
            repairs: counter(
                "event_operator_repairs_total",
                "Writes made for objects that were Ready, by kind and action: something had changed outside, or the operator's settings.",
                &["kind", "action"],
            )?,
            objects: gauges(
                "event_operator_objects",
                "Objects by kind and by the status of their Ready condition.",
                &["kind", "ready"],
            )?,
            messages: gauges(
                "event_operator_subscription_messages",
                "Messages that wait in an EventSubscription's subscription by role, as Cloud Monitoring measured last: worker or dead-letter.",
                &["namespace", "name", "role"],
            )?,
            ownerless: gauges(
                "event_operator_ownerless_subscriptions",
                "Subscriptions of this cluster's in Pub/Sub that no EventSubscription asks for: released by a deletion that retains, or orphaned.",
                &["state"],
            )?,
            backlog: gauges(
                "event_operator_backlog_messages",
                "Messages that wait for a tenant's worker, as measured last; only while KEDA asks for them.",
                &["tenant"],
            )?,
            settings_change: gauges(
                "event_operator_settings_change_tenants",
                "Tenants by what a change of the operator's settings that takes or moves subscriptions did: done, or halted before them.",
                &["state"],
            )?,
            rollout: gauges(
                "event_operator_rollout_workers",
                "Workers by how far the newest version of the operator's settings has come to them.",
                &["state"],
            )?,
            leading: gauge(
                "event_operator_leading",
                "1 while this replica holds the lease and writes, else 0.",
            )?,
            yields: gauges(
                "event_operator_yields_to_release",
                "1 while another release of the operator writes for the Tenants of this cluster, and this one writes nothing.",
                &["release"],
            )?,
            registry,
        };
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// Every series whose labels are known is there from the start: what `increase()` and `rate()` do not see is the step from
    /// nothing to one (<https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics>).
    fn begin_at_zero(&self) {
        for (kind, actions) in [
            ("Tenant", &tenant::plan::Action::WORDS[..]),
            ("EventSubscription", &SUBSCRIPTION_ACTIONS[..]),
        ] {
            let classes = Class::ALL.iter().map(|class| class.as_str());
            for outcome in classes.chain([OK]) {
                self.reconciles.with_label_values(&[kind, outcome]);
            }
            self.reconcile_seconds.with_label_values(&[kind]);
            for action in actions {
                self.writes.with_label_values(&[kind, action]);
                self.repairs.with_label_values(&[kind, action]);
            }
        }
        for method in METHODS {
            let codes = Code::ALL.iter().map(|code| code.as_str());
            for code in codes.chain(["OK"]) {
                self.pubsub_calls.with_label_values(&[method, code]);
            }
        }
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

    /// So many objects of a kind wait in a lane.
    pub fn set_waiting(&self, kind: &str, lane: &str, count: usize) {
        self.waiting
            .with_label_values(&[kind, lane])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many calls may be made in a minute, and one would wait so long now.
    pub fn set_quota(&self, calls_per_minute: u32, wait: Duration) {
        self.quota_rate.set(f64::from(calls_per_minute));
        self.quota_wait.set(wait.as_secs_f64());
    }

    /// Something was put right though nobody had edited it.
    pub fn repaired(&self, kind: &str, action: &str) {
        self.repairs.with_label_values(&[kind, action]).inc();
    }

    /// Nothing is known of messages that wait (any more).
    pub fn forget_messages(&self) {
        self.messages.reset();
    }

    /// So many messages wait in a subscription.
    pub fn set_messages(&self, namespace: &str, name: &str, role: &str, messages: u64) {
        self.messages
            .with_label_values(&[namespace, name, role])
            .set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    /// So many subscriptions in Pub/Sub have no owner.
    pub fn set_ownerless(&self, state: &str, count: usize) {
        self.ownerless
            .with_label_values(&[state])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many workers are in a state of the rollout.
    pub fn set_rollout(&self, state: &str, count: usize) {
        self.rollout
            .with_label_values(&[state])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A change of the settings that takes or moves subscriptions has done so to so many Tenants, or halted before so many.
    pub fn set_settings_change(&self, state: &str, count: usize) {
        self.settings_change
            .with_label_values(&[state])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// So many messages wait for each tenant; others are not known (any more).
    pub fn set_backlogs(&self, waiting: Vec<(String, u64)>) {
        self.backlog.reset();
        for (tenant, messages) in waiting {
            self.backlog
                .with_label_values(&[tenant.as_str()])
                .set(i64::try_from(messages).unwrap_or(i64::MAX));
        }
    }

    /// Whether this replica writes.
    pub fn set_leading(&self, leads: bool) {
        self.leading.set(f64::from(u8::from(leads)));
    }

    /// Whether another release has the cluster.
    pub fn set_yields(&self, release: Option<&str>) {
        self.yields.reset();
        if let Some(release) = release {
            self.yields.with_label_values(&[release]).set(1);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_whose_labels_are_known_begins_at_zero() {
        let text = String::from_utf8(Metrics::new().unwrap().render().unwrap()).unwrap();
        for kind in ["Tenant", "EventSubscription"] {
            for outcome in ["ok", "throttled", "transient", "blocked", "invalid", "bug"] {
                let series =
                    format!("event_operator_reconciles_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} 0\n");
                assert!(text.contains(&series), "{series}");
            }
            assert!(text.contains(&format!(
                "event_operator_reconcile_seconds_count{{kind=\"{kind}\"}} 0\n"
            )));
        }
        for series in [
            "event_operator_writes_total{action=\"apply\",kind=\"Tenant\"} 0",
            "event_operator_repairs_total{action=\"set_policy\",kind=\"EventSubscription\"} 0",
            "event_operator_pubsub_calls_total{code=\"PERMISSION_DENIED\",method=\"SetIamPolicy\"} 0",
            "event_operator_pubsub_calls_total{code=\"OK\",method=\"GetProject\"} 0",
        ] {
            assert!(text.contains(series), "{series}");
        }
    }
}
