//! The operator's configuration: a YAML file, checked once and turned into [`Settings`].
//!
//! `config/operator.yaml` is the commented default. Whatever is wrong is said in one line that names the key.

mod catalogue;
mod check;
mod file;
mod identity;
pub mod lossless;
mod pods;
mod store;
pub mod template;

use std::{collections::BTreeMap, fmt, time::Duration};

pub use catalogue::Catalogue;
use crds::{Span, SubscriptionSettings};
use events::{Connection, ProjectId};
pub use file::ConfigFile;
pub use pods::{PodUser, Pods};
pub use store::{IdempotencyStore, StoreAccess};

use crate::identity::Identity;

/// Everything the pure stages need to know, parsed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where topics live, and subscriptions unless a Tenant says otherwise.
    pub project: ProjectId,
    /// The number of that project, where the configuration says it; else it is looked up.
    pub project_number: Option<u64>,
    /// Which Pub/Sub the operator talks to.
    pub connection: Connection,
    /// The emulator's address as workers see it; none for Google's.
    pub worker_emulator: Option<String>,
    /// Stands in every owner stamp; the uid of the `kube-system` namespace unless the configuration names one.
    pub cluster_id: String,
    /// Clusters whose objects this one may take over.
    pub adopt_from: Vec<String>,
    /// What the topics' names begin with.
    pub topic_prefix: String,
    /// The place that every Tenant may be moved to, as [`crate::tenant::binding::Place`] writes it.
    pub move_to: Option<String>,
    /// The topics there are.
    pub catalogue: Catalogue,
    /// Whether there is dead-lettering at all.
    pub dead_lettering: bool,
    /// Where messages may be stored; empty leaves it to the organisation's policy.
    pub regions: Vec<String>,
    /// The key that topics are encrypted with.
    pub kms_key: Option<String>,
    /// Labels on everything made in Pub/Sub, beside the operator's own.
    pub labels: BTreeMap<String, String>,
    /// What an EventSubscription that does not say gets.
    pub subscription: SubscriptionDefaults,
    /// What a worker whose Tenant does not say gets.
    pub worker: WorkerDefaults,
    /// Whose word Google takes for workers' ServiceAccounts.
    pub identity: Identity,
    /// Where KEDA reaches the operator, `host:port`; none: KEDA is not used.
    pub scaler_address: Option<String>,
    /// How often everything is compared with Pub/Sub.
    pub resync: Duration,
    /// How often a policy is read again: one call per object, where the rest costs a page for many.
    pub iam_resync: Duration,
    /// How long a fresh object may be missing from lists: what was written less than this long before a list began is
    /// believed over the list.
    pub visibility_lag: Duration,
    /// How a change of all workers goes through the fleet.
    pub rollout: Rollout,
    /// When a change of these settings that takes or moves subscriptions halts.
    pub brake: BrakeLimits,
    /// How a subscription is succeeded by another.
    pub drain: Drain,
    /// How long after its Tenant went a retained subscription is adopted without being asked.
    pub retain_for: Duration,
    /// Whether a namespace that the operator made goes with its Tenant, if nothing of anybody else is inside.
    pub delete_namespaces: bool,
    /// Admin calls per minute that the operator allows itself.
    pub admin_calls_per_minute: u32,
}

#[cfg(test)]
impl Settings {
    /// Those of the default file, for unit tests.
    pub(crate) fn of_the_default_file() -> Self {
        let mut file = ConfigFile::parse(include_str!("../../config/operator.yaml")).unwrap();
        file.project_id = Some("acme-events".into());
        file.into_settings("cluster-uid").unwrap()
    }
}

/// Defaults of an EventSubscription.
#[derive(Debug, Clone)]
pub struct SubscriptionDefaults {
    /// How long Pub/Sub waits for an acknowledgement.
    pub ack_deadline: Span,
    /// How long an unacknowledged message is kept.
    pub retention: Span,
    /// The wait after the first failure.
    pub minimum_backoff: Span,
    /// The wait after many failures.
    pub maximum_backoff: Span,
    /// After how many deliveries a message becomes a dead letter.
    pub max_delivery_attempts: i32,
    /// How long a dead letter is kept.
    pub dead_letter_retention: Span,
}

impl SubscriptionDefaults {
    /// The shortest and the longest wait between deliveries of a subscription with this spec.
    #[must_use]
    pub fn backoff_of(&self, spec: &SubscriptionSettings) -> (Duration, Duration) {
        let given = spec.retry_policy.clone().unwrap_or_default();
        let minimum = given.minimum_backoff.unwrap_or(self.minimum_backoff).get();
        let maximum = given.maximum_backoff.unwrap_or(self.maximum_backoff).get();
        // One of the two may be given and the other not; the wait never shrinks.
        (minimum, maximum.max(minimum))
    }

    /// After how many deliveries a message of a subscription with this spec becomes a dead letter.
    #[must_use]
    pub fn max_delivery_attempts_of(&self, spec: &SubscriptionSettings) -> i32 {
        let given = spec
            .dead_letter
            .as_ref()
            .and_then(|dead_letter| dead_letter.max_delivery_attempts);
        given.unwrap_or(self.max_delivery_attempts)
    }
}

/// Defaults of a worker.
#[derive(Debug, Clone)]
pub struct WorkerDefaults {
    /// The image that runs.
    pub image: String,
    /// When the kubelet pulls it.
    pub image_pull_policy: String,
    /// Events handled at a time.
    pub max_concurrent_messages: i32,
    /// The longest one event may take.
    pub timeout: Span,
    /// Limits of the container.
    pub limits: BTreeMap<String, String>,
    /// Requests of the container.
    pub requests: BTreeMap<String, String>,
    /// How much is logged.
    pub log_level: String,
    /// Where handled events are remembered.
    pub idempotency: IdempotencyStore,
    /// How long a worker may take to stop.
    pub termination_grace: Span,
    /// What is put into its pods, what Tenants may add, and who reaches whom.
    pub pods: Pods,
}

/// How a change of all workers goes through the fleet.
#[derive(Debug, Clone, Copy)]
pub struct Rollout {
    /// How many workers change at a time.
    pub max_concurrent: usize,
    /// How long a changed worker may take to become ready before it counts as regressed.
    pub patience: Duration,
}

/// When a change of settings that takes or moves subscriptions halts.
#[derive(Debug, Clone)]
pub struct BrakeLimits {
    /// It comes to so many Tenants …
    pub tenants: usize,
    /// … or to so many of a hundred, if that is more.
    pub percent: usize,
    /// The change that is meant, by its digest.
    pub go_on: Option<String>,
}

/// How a subscription is succeeded by another.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// How long after the switch messages are still handled from the old subscription.
    pub overlap: Duration,
    /// How far after the switch a measurement has to be to prove that the old subscription is empty.
    pub margin: Duration,
}

/// What is wrong with the configuration; names the key and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not YAML, an unknown key, or a value of another type.
    #[error("{0}")]
    Yaml(#[from] serde_yaml::Error),
    /// A value that is not allowed.
    #[error("{key}: {problem}")]
    Value {
        /// The key as it stands in the file.
        key: String,
        /// What is wrong and what is allowed.
        problem: String,
    },
}

impl SettingsError {
    pub(crate) fn value(key: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self::Value {
            key: key.into(),
            problem: problem.to_string(),
        }
    }
}
