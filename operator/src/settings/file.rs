//! The configuration file as it is written.

use std::collections::BTreeMap;

use crds::Span;
use serde::Deserialize;

use serde_json::Value;

use super::{
    SettingsError,
    identity::IdentityKeys,
    pods::{NetworkKeys, PodKeys, PodUser},
    store::IdempotencyKeys,
};

/// The file's keys; `config/operator.yaml` explains each.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigFile {
    /// Google Cloud project.
    pub project_id: Option<String>,
    /// Its number.
    pub project_number: Option<u64>,
    /// In front of every topic's name.
    #[serde(default = "default_prefix")]
    pub topic_prefix: String,
    /// The place that every Tenant may be moved to.
    #[serde(rename = "move")]
    pub move_to: Option<String>,
    /// Address of an emulator, `host:port`.
    pub endpoint: Option<String>,
    /// The emulator's address as workers see it.
    pub worker_endpoint: Option<String>,
    /// Stands in every owner stamp.
    pub cluster_id: Option<String>,
    /// Clusters whose objects this one may take over.
    #[serde(default)]
    pub adopt_from: Vec<String>,
    /// Topics by key.
    pub catalogue: BTreeMap<String, Topic>,
    /// Whether there is dead-lettering at all.
    #[serde(default = "yes")]
    pub enable_dlq: bool,
    /// Where messages may be stored.
    #[serde(default = "default_regions")]
    pub regions: Vec<String>,
    /// The key that topics are encrypted with.
    pub kms_key_name: Option<String>,
    /// Labels on everything made in Pub/Sub.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Defaults of an EventSubscription.
    #[serde(default)]
    pub subscription: Subscription,
    /// Defaults of a worker.
    pub worker: Worker,
    /// Whose word Google takes for a worker's ServiceAccount.
    #[serde(default)]
    pub identity: IdentityKeys,
    /// Where KEDA reaches the operator.
    pub scaler_address: Option<String>,
    /// How often everything is compared with Pub/Sub.
    #[serde(default = "default_resync")]
    pub resync: Span,
    /// How often a policy is read again.
    #[serde(default = "default_iam_resync")]
    pub iam_resync: Span,
    /// How long a fresh object may be missing from lists.
    #[serde(default = "default_visibility_lag")]
    pub visibility_lag: Span,
    /// How a change of all workers goes through the fleet.
    #[serde(default)]
    pub rollout: RolloutKeys,
    /// When a change of settings that takes or moves subscriptions halts.
    #[serde(default)]
    pub brake: BrakeKeys,
    /// How a subscription is succeeded by another.
    #[serde(default)]
    pub drain: DrainKeys,
    /// How long a retained subscription is adopted without being asked.
    #[serde(default = "default_retain_for")]
    pub retain_for: Span,
    /// Whether a namespace that the operator made goes with its Tenant.
    #[serde(default)]
    pub delete_namespaces: bool,
    /// The budget for admin calls.
    #[serde(default)]
    pub quota: Quota,
}

/// How a change of all workers goes through the fleet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutKeys {
    /// How many workers change at a time.
    pub max_concurrent: Option<u16>,
    /// How long a changed worker may take to become ready.
    pub patience: Option<Span>,
}

/// When a change of settings that takes or moves subscriptions halts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BrakeKeys {
    /// It comes to so many Tenants.
    pub tenants: Option<u32>,
    /// Or to so many of a hundred, if that is more.
    pub percent: Option<u8>,
    /// The change that is meant.
    pub go_on: Option<String>,
}

/// How a subscription is succeeded by another.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrainKeys {
    /// How long after the switch messages are still handled from the old one.
    pub overlap: Option<Span>,
    /// How far after the switch a measurement has to be.
    pub margin: Option<Span>,
}

/// One topic of the catalogue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Topic {
    /// The event types published to it; for people.
    #[serde(default)]
    pub event_types: Vec<String>,
}

/// Defaults of an EventSubscription.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscription {
    pub(super) ack_deadline: Option<Span>,
    pub(super) retention: Option<Span>,
    pub(super) minimum_backoff: Option<Span>,
    pub(super) maximum_backoff: Option<Span>,
    pub(super) max_delivery_attempts: Option<i32>,
    pub(super) dead_letter_retention: Option<Span>,
}

/// Defaults of a worker.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Worker {
    pub(crate) image: String,
    pub(super) image_pull_policy: Option<String>,
    pub(super) max_concurrent_messages: Option<i32>,
    pub(super) timeout: Option<Span>,
    pub(super) limits: Option<BTreeMap<String, String>>,
    pub(super) requests: Option<BTreeMap<String, String>>,
    pub(super) log_level: Option<String>,
    #[serde(default)]
    pub(super) idempotency: IdempotencyKeys,
    pub(super) termination_grace: Option<Span>,
    #[serde(default)]
    pub(super) user: PodUser,
    pub(super) allow: Option<Vec<String>>,
    pub(super) template: Option<Value>,
    #[serde(default)]
    pub(super) env: Vec<Value>,
    #[serde(default)]
    pub(super) network_policy: NetworkKeys,
}

impl Worker {
    /// Those that are about pods and who may reach whom.
    pub(super) fn pods(&mut self) -> PodKeys {
        PodKeys {
            user: self.user,
            allow: self.allow.take(),
            template: self.template.take(),
            env: std::mem::take(&mut self.env),
            network_policy: std::mem::take(&mut self.network_policy),
        }
    }
}

/// The budget for admin calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Quota {
    pub(super) admin_calls_per_minute: u32,
    pub(super) share: f64,
}

impl Default for Quota {
    /// `administratorPerMinutePerProject` is 6,000 and cannot be raised
    /// (<https://cloud.google.com/pubsub/quotas>); a fifth stays for people and other tools.
    fn default() -> Self {
        Self {
            admin_calls_per_minute: 6000,
            share: 0.8,
        }
    }
}

fn default_prefix() -> String {
    "living-twin".to_owned()
}

fn default_regions() -> Vec<String> {
    vec!["europe-west1".to_owned()]
}

fn default_resync() -> Span {
    Span::from_secs(600)
}

fn default_iam_resync() -> Span {
    Span::from_hours(1)
}

fn default_visibility_lag() -> Span {
    Span::from_secs(120)
}

fn default_retain_for() -> Span {
    Span::from_hours(168)
}

fn yes() -> bool {
    true
}

impl ConfigFile {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Names the key and the place.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        Ok(serde_yaml::from_str(text)?)
    }
}
