//! EventSubscription: one tenant listens to one topic.

#![allow(
    unreachable_pub,
    clippy::duplicated_attributes,
    reason = "derive(KubeSchema) repeats each type inside a function, and each printcolumn has a name and a type"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{duration::Span, effective::EffectiveSetting, tenant::DeletionPolicy};

/// What is wanted of the subscription.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "events.livingtwin.io",
    version = "v1alpha1",
    kind = "EventSubscription",
    plural = "eventsubscriptions",
    shortname = "evsub",
    category = "event-plane",
    category = "livingtwin",
    namespaced,
    status = "EventSubscriptionStatus",
    derive = "PartialEq",
    doc = "One tenant's subscription to one topic: the filtered Pub/Sub subscription, its dead-letter pair and their IAM. Usually made by the Tenant; one applied by hand for a topic replaces the Tenant's.",
    printcolumn(
        name = "Topic",
        type_ = "string",
        json_path = ".spec.topic",
        description = "Key of the topic in the operator's catalogue"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether everything exists as asked"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        description = "Why it is or is not"
    ),
    printcolumn(
        name = "Dead-letters",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"DeadLetterReady\")].status",
        description = "Whether dead-lettering works: topic, subscription and both grants"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = "1",
        description = "What to know or do next"
    ),
    printcolumn(
        name = "Subscription",
        type_ = "string",
        json_path = ".status.subscription",
        priority = "1",
        description = "Full name in Pub/Sub"
    ),
    printcolumn(
        name = "Filter",
        type_ = "string",
        json_path = ".status.filter",
        priority = "1",
        description = "The messages it lets through"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct EventSubscriptionSpec {
    /// The Tenant this belongs to. It must be the Tenant whose namespace this is in. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("tenantRef is immutable; delete this EventSubscription and apply a new one"))]
    pub tenant_ref: TenantRef,
    /// The settings, which a Tenant's `spec.subscriptions` has too.
    #[serde(flatten)]
    pub settings: SubscriptionSettings,
}

/// Names a Tenant.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantRef {
    /// The Tenant's metadata.name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// One subscription to one topic.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.suspend) || !has(self.suspended) || self.suspend == self.suspended").message("suspend and suspended must not differ; suspended is the earlier name, leave it out"))]
pub struct SubscriptionSettings {
    /// Key of the topic in the operator's catalogue, such as `document-events`. Immutable.
    #[schemars(length(min = 1, max = 100), regex(pattern = "^[a-z][a-z0-9-]*$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("topic is immutable; another topic is another EventSubscription"))]
    pub topic: String,
    /// Only events of these types (`document.ingested`) or categories (`document.*`) are delivered. Default: all of the tenant's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(
            length(min = 3, max = 100),
            regex(pattern = r"^[a-z0-9_]+(\.[a-z0-9_]+)*\.([a-z0-9_]+|\*)$")
        )
    )]
    #[x_kube(validation = Rule::new("self.all(one, self.exists_one(other, other == one)) || (oldSelf.hasValue() && oldSelf.value() == self)").optional_old_self(true).message("must name each event type once"))]
    pub event_types: Vec<String>,
    /// How long Pub/Sub waits for an acknowledgement before it delivers again, 10s to 600s. Workers extend it while they work. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10s') && duration(self) <= duration('600s')").message("must be from 10s to 600s"))]
    pub ack_deadline: Option<Span>,
    /// How long an unacknowledged message is kept, 10m to 744h (31 days). Default: 168h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10m') && duration(self) <= duration('744h')").message("must be from 10m to 744h"))]
    pub retention: Option<Span>,
    /// How long Pub/Sub waits before it delivers a failed message again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.minimumBackoff) || !has(self.maximumBackoff) || duration(self.minimumBackoff) <= duration(self.maximumBackoff)").message("minimumBackoff must not be longer than maximumBackoff"))]
    pub retry_policy: Option<RetryPolicy>,
    /// What becomes of a message that fails again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetterSettings>,
    /// The worker stops pulling this subscription; messages are kept. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// The earlier name of `suspend`, which still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// Pub/Sub delivers no message again that was acknowledged. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exactly_once_delivery: Option<bool>,
    /// Messages of one ordering key arrive in their order. Immutable in Pub/Sub. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("messageOrdering is immutable in Pub/Sub; delete this EventSubscription and apply a new one"))]
    pub message_ordering: Option<bool>,
    /// What becomes of subscription and backlog when this is deleted: `Retain` (they stay, and are adopted on return) or
    /// `Delete`. The Tenant's policy caps it. Default: Retain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

impl SubscriptionSettings {
    /// One to this topic, with every default.
    #[must_use]
    pub fn plain(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            event_types: vec![],
            ack_deadline: None,
            retention: None,
            retry_policy: None,
            dead_letter: None,
            suspend: None,
            suspended: None,
            exactly_once_delivery: None,
            message_ordering: None,
            deletion_policy: None,
        }
    }

    /// Whether the worker is not to pull it.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspend.or(self.suspended).unwrap_or(false)
    }
}

/// How long Pub/Sub waits before it delivers a failed message again; the wait grows from one to the other.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    /// After the first failure, 0s to 600s. Default: 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('600s')").message("must be from 0s to 600s"))]
    pub minimum_backoff: Option<Span>,
    /// After many failures, 0s to 600s. Default: 600s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('600s')").message("must be from 0s to 600s"))]
    pub maximum_backoff: Option<Span>,
}

/// What becomes of a message that fails again and again.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterSettings {
    /// Whether there is dead-lettering. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// After how many deliveries a message is moved, 5 to 100. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 100))]
    pub max_delivery_attempts: Option<i32>,
    /// How long a dead letter is kept, 10m to 744h (31 days). Default: 168h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10m') && duration(self) <= duration('744h')").message("must be from 10m to 744h"))]
    pub retention: Option<Span>,
}

/// A subscription whose place another took.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Draining {
    /// Its full name.
    pub subscription: String,
    /// When another took its place. What was published to the topic after this is in that one too, unless `inFull` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Time>,
    /// Its topic is another than that of the subscription that took its place: everything in it is handled, whenever it was
    /// published. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_full: bool,
}

/// When the rights on the worker's subscription were seen to be as wanted.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessVerified {
    /// When its policy was read or written last. After iamResync it is read again.
    pub at: Time,
    /// Stands for the subscription and the rights that were seen. Where others are wanted, they are looked at at once.
    pub fingerprint: String,
}

/// What the operator found and did.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EventSubscriptionStatus {
    /// The generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Full name of the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Full name of the subscription that the worker pulls, from when it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// Full name of the dead-letter topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_topic: Option<String>,
    /// Full name of the subscription that keeps the dead letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_subscription: Option<String>,
    /// Full names of the subscriptions that keep the dead letters of places it was moved from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_dead_letter_subscriptions: Vec<String>,
    /// The messages that it lets through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Subscriptions whose place another took, and that the worker pulls until they are empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draining: Vec<Draining>,
    /// The same as `draining`, as a map by `subscription`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["subscription".into()]))]
    pub draining_subscriptions: Vec<Draining>,
    /// The settings that count, and where each comes from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub effective_settings: Vec<EffectiveSetting>,
    /// When the rights on the worker's subscription were seen to be as wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_verified: Option<AccessVerified>,
    /// What is true of it; see the API reference for each type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::manifest::conditions_schema")]
    pub conditions: Vec<Condition>,
}
