//! Pub/Sub in the operator's words: the few calls it needs, and their configurations as values.
//!
//! [`google`] is the only file that knows the official crate. [`inventory`] remembers what was listed and
//! written, so that looking costs pages and not objects. [`budget`] keeps all calls together under the quota.

pub mod budget;
pub mod error;
pub mod google;
pub mod inventory;
pub mod metered;
pub mod policy;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
pub use error::{Code, PubSubError};
use events::{ProjectId, SubscriptionName, TopicName};
pub use policy::{Binding, Grant, Policy, Resource};

/// A topic, as far as the operator cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// Its full name.
    pub name: TopicName,
    /// Its labels, all of them.
    pub labels: BTreeMap<String, String>,
    /// Where its messages may be stored; empty means the organisation's policy decides.
    pub regions: Vec<String>,
    /// The key it is encrypted with.
    pub kms_key: Option<String>,
}

/// A field of a topic that can be changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicField {
    /// [`TopicConfig::labels`].
    Labels,
    /// [`TopicConfig::regions`].
    Regions,
}

/// What a subscription is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// A topic.
    Topic(TopicName),
    /// A topic that was deleted, or nothing because it was detached: no message arrives any more, and it cannot be
    /// attached again.
    Lost,
}

/// When Pub/Sub deletes a subscription that nobody uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiration {
    /// Never: what a tenant that is quiet for a month needs.
    Never,
    /// After so long without a pull; the server's own default is 31 days.
    After(Duration),
}

/// How long Pub/Sub waits before it delivers a failed message again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub minimum: Duration,
    /// After many failures.
    pub maximum: Duration,
}

/// Where failed messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterPolicy {
    /// The dead-letter topic, as its full name (or `_deleted-topic_`).
    pub topic: String,
    /// After how many deliveries.
    pub max_delivery_attempts: i32,
}

#[cfg(test)]
impl SubscriptionConfig {
    /// One with nothing in it but its name, for unit tests.
    pub(crate) fn bare(name: &str) -> Self {
        Self {
            name: SubscriptionName::parse(name).unwrap(),
            attachment: Attachment::Lost,
            filter: String::new(),
            ordered: false,
            ack_deadline: Duration::ZERO,
            retention: Duration::ZERO,
            backoff: None,
            dead_letter: None,
            expiration: Expiration::Never,
            exactly_once: false,
            labels: BTreeMap::new(),
        }
    }
}

/// A subscription, as far as the operator cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionConfig {
    /// Its full name.
    pub name: SubscriptionName,
    /// What it is attached to; immutable.
    pub attachment: Attachment,
    /// What it lets through; immutable. Empty is everything.
    pub filter: String,
    /// Whether messages of one key keep their order; immutable.
    pub ordered: bool,
    /// How long it waits for an acknowledgement, in seconds.
    pub ack_deadline: Duration,
    /// How long it keeps an unacknowledged message.
    pub retention: Duration,
    /// None: failed messages come back at once.
    pub backoff: Option<Backoff>,
    /// None: failed messages come back until their retention ends.
    pub dead_letter: Option<DeadLetterPolicy>,
    /// When it goes if nobody uses it.
    pub expiration: Expiration,
    /// Whether acknowledged messages are never delivered again.
    pub exactly_once: bool,
    /// Its labels, all of them.
    pub labels: BTreeMap<String, String>,
}

/// A field of a subscription that can be changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubscriptionField {
    /// [`SubscriptionConfig::ack_deadline`].
    AckDeadline,
    /// [`SubscriptionConfig::retention`].
    Retention,
    /// [`SubscriptionConfig::backoff`].
    Backoff,
    /// [`SubscriptionConfig::dead_letter`].
    DeadLetter,
    /// [`SubscriptionConfig::expiration`].
    Expiration,
    /// [`SubscriptionConfig::exactly_once`].
    ExactlyOnce,
    /// [`SubscriptionConfig::labels`].
    Labels,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Asks for the next page; empty on the last.
    pub next: String,
}

/// The calls the operator makes. Every one is charged to the project's admin quota.
#[async_trait]
pub trait PubSub: Send + Sync {
    /// One page of a project's topics; an empty token asks for the first page.
    async fn list_topics(&self, project: &ProjectId, token: &str) -> Result<Page<TopicConfig>, PubSubError>;
    /// One page of a project's subscriptions.
    async fn list_subscriptions(
        &self,
        project: &ProjectId,
        token: &str,
    ) -> Result<Page<SubscriptionConfig>, PubSubError>;
    /// One topic.
    async fn topic(&self, name: &TopicName) -> Result<TopicConfig, PubSubError>;
    /// One subscription.
    async fn subscription(&self, name: &SubscriptionName) -> Result<SubscriptionConfig, PubSubError>;
    /// Makes a topic; answers what the server made of it.
    async fn create_topic(&self, topic: &TopicConfig) -> Result<TopicConfig, PubSubError>;
    /// Changes the named fields, and no other.
    async fn update_topic(
        &self,
        topic: &TopicConfig,
        fields: &[TopicField],
    ) -> Result<TopicConfig, PubSubError>;
    /// Makes a subscription; answers what the server made of it.
    async fn create_subscription(
        &self,
        subscription: &SubscriptionConfig,
    ) -> Result<SubscriptionConfig, PubSubError>;
    /// Changes the named fields, and no other.
    async fn update_subscription(
        &self,
        subscription: &SubscriptionConfig,
        fields: &[SubscriptionField],
    ) -> Result<SubscriptionConfig, PubSubError>;
    /// Deletes a subscription and its backlog.
    async fn delete_subscription(&self, name: &SubscriptionName) -> Result<(), PubSubError>;
    /// Who may do what with it.
    async fn policy(&self, resource: &Resource) -> Result<Policy, PubSubError>;
    /// Replaces the policy, if it is still the one whose etag this one carries.
    async fn set_policy(&self, resource: &Resource, policy: &Policy) -> Result<Policy, PubSubError>;
    /// The number of a project, which service agents are named after.
    async fn project_number(&self, project: &ProjectId) -> Result<u64, PubSubError>;
}
