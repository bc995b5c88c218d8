//! Tenant: one customer and its event plane.

#![allow(
    unreachable_pub,
    clippy::duplicated_attributes,
    reason = "derive(KubeSchema) repeats each type inside a function, and each printcolumn has a name and a type"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    binding::Binding, effective::EffectiveSetting, event_subscription::SubscriptionSettings,
    worker::WorkerSettings,
};

/// What is wanted for the tenant.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "events.livingtwin.io",
    version = "v1alpha1",
    kind = "Tenant",
    plural = "tenants",
    shortname = "evtenant",
    category = "event-plane",
    category = "livingtwin",
    status = "TenantStatus",
    derive = "PartialEq",
    doc = "One tenant's event plane: a namespace with a worker, and a filtered, dead-lettered Pub/Sub subscription for each of its topics. The annotation events.livingtwin.io/pause: \"true\" holds all writes for it, but for status and events; condition Paused says what would be written.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether the whole event plane is as asked"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "Why it is or is not"),
    printcolumn(name = "Subscriptions", type_ = "string", json_path = ".status.subscriptions", description = "Ready ones of all"),
    printcolumn(name = "Worker", type_ = "string", json_path = ".status.worker", description = "Ready workers of those wanted"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = "1", description = "What to know or do next"),
    printcolumn(name = "Tenant-ID", type_ = "string", json_path = ".status.id", priority = "1", description = "The tenant_id on its messages"),
    printcolumn(name = "Namespace", type_ = "string", json_path = ".status.namespace", priority = "1", description = "Where its worker runs"),
    validation = Rule::new("has(self.spec.__namespace__) || !(self.metadata.name in ['default', 'kube-system', 'kube-public', 'kube-node-lease'])").message("spec.namespace must be set when metadata.name is the name of a system namespace"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.id) == has(oldSelf.id) && (!has(self.id) || self.id == oldSelf.id)").message("spec.id is immutable; another id is another Tenant"))]
#[x_kube(validation = Rule::new("has(self.__namespace__) == has(oldSelf.__namespace__) && (!has(self.__namespace__) || self.__namespace__ == oldSelf.__namespace__)").message("spec.namespace is immutable; another namespace is another Tenant"))]
#[x_kube(validation = Rule::new("!has(self.subscriptions) || size(self.subscriptions) > 0 || has(self.topics) || (oldSelf.hasValue() && has(oldSelf.value().subscriptions) && size(oldSelf.value().subscriptions) == 0)").optional_old_self(true).message("topics must be set beside an empty subscriptions: Listed listens to nothing, All to every topic of the catalogue"))]
#[x_kube(validation = Rule::new("!has(self.suspend) || !has(self.suspended) || self.suspend == self.suspended").message("suspend and suspended must not differ; suspended is the earlier name, leave it out"))]
pub struct TenantSpec {
    /// The `tenant_id` that its messages carry: 1 to 63 of A-Z a-z 0-9 . _ ~ -. Default: metadata.name. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9._~-]+$"))]
    pub id: Option<String>,
    /// Where its worker runs. Default: metadata.name. Created when missing; an existing one must carry the label
    /// `events.livingtwin.io/tenant: <name of this Tenant>`. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('kube-') && self != 'default'").message("must not be a system namespace (default, kube-*)"))]
    pub namespace: Option<String>,
    /// The Google Cloud project of its subscriptions. Default: the operator's. A change is a move: nothing happens before the
    /// annotation `events.livingtwin.io/move` names the new place, as the condition `InPlace` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 6, max = 100),
        regex(pattern = "^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$")
    )]
    pub project_id: Option<String>,
    /// Which topics it listens to: `All` that the operator's catalogue has, those in `subscriptions` with settings of their own;
    /// or those `Listed` in `subscriptions` and no others. Default: `All` where there are no `subscriptions`, `Listed` where there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<Topics>,
    /// The topics that it listens to with settings of their own, or at all; see `topics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["topic".into()]))]
    pub subscriptions: Option<Vec<SubscriptionSettings>>,
    /// How its worker runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerSettings>,
    /// No worker runs; subscriptions and their messages are kept. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// The earlier name of `suspend`, which still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// What becomes of its subscriptions and their messages when this is deleted: `Retain` (they stay, and are adopted on
    /// return) or `Delete`. Default: Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

impl TenantSpec {
    /// Whether it listens to every topic of the catalogue.
    #[must_use]
    pub fn listens_to_all(&self) -> bool {
        match self.topics {
            Some(Topics::All) => true,
            Some(Topics::Listed) => false,
            None => self.subscriptions.is_none(),
        }
    }

    /// Whether its worker is to be stopped.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspend.or(self.suspended).unwrap_or(false)
    }
}

/// Which topics a Tenant listens to: `All` that the operator's catalogue has, those in `subscriptions` with settings of their own;
/// or those `Listed` in `subscriptions` and no others. Default: `All` where there are no `subscriptions`, `Listed` where there are.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Topics {
    /// All of the catalogue.
    All,
    /// Those in `subscriptions`.
    Listed,
}

/// What becomes of subscriptions and their messages on deletion: `Retain` (they stay, and are adopted when the object
/// returns) or `Delete`. A Tenant's policy caps its EventSubscriptions'. Default: Retain.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay, and are adopted when the object returns.
    #[default]
    Retain,
    /// They go.
    Delete,
}

/// What the operator found and did.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TenantStatus {
    /// The generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The `tenant_id` in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The namespace in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Ready subscriptions of all, `5/5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscriptions: Option<String>,
    /// How many of its subscriptions are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_subscriptions: Option<i32>,
    /// How many subscriptions it should have, those that somebody applied by hand among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_subscriptions: Option<i32>,
    /// Ready workers of those wanted, `1/1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// How many of its workers are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_workers: Option<i32>,
    /// How many workers are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_workers: Option<i32>,
    /// Where its event plane is. The operator works there, whatever spec and configuration ask for later, until it is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// The settings that count for its worker and its deletion, and where each comes from; those of its subscriptions are in the
    /// status of each EventSubscription.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub effective_settings: Vec<EffectiveSetting>,
    /// What is true of it; see the API reference for each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::manifest::conditions_schema")]
    pub conditions: Vec<Condition>,
}
