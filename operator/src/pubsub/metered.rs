//! Every admin call goes through here: it takes from the budget, and is counted by method and answer.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use events::{ProjectId, SubscriptionName, TopicName};

use super::{
    Code, Page, Policy, PubSub, PubSubError, Resource, SubscriptionConfig, SubscriptionField, TopicConfig,
    TopicField, budget::Budget,
};
use crate::metrics::Metrics;

/// How long nobody calls after the quota was used up: it is counted per minute.
const PAUSE: Duration = Duration::from_secs(10);

/// A Pub/Sub whose calls are budgeted and counted.
pub struct Metered<P> {
    inner: P,
    budget: Budget,
    metrics: Arc<Metrics>,
}

impl<P: PubSub> Metered<P> {
    /// Puts a budget and counters before a Pub/Sub.
    pub fn new(inner: P, budget: Budget, metrics: Arc<Metrics>) -> Self {
        Self {
            inner,
            budget,
            metrics,
        }
    }

    async fn call<T>(
        &self,
        method: &str,
        call: impl Future<Output = Result<T, PubSubError>>,
    ) -> Result<T, PubSubError> {
        self.budget.take().await;
        let answer = call.await;
        let code = answer.as_ref().err().map(|error| error.code);
        self.metrics.pubsub_call(method, code.map_or("OK", Code::as_str));
        if code == Some(Code::ResourceExhausted) {
            self.budget.pause(PAUSE);
        }
        answer
    }
}

#[async_trait]
impl<P: PubSub> PubSub for Metered<P> {
    async fn list_topics(&self, project: &ProjectId, token: &str) -> Result<Page<TopicConfig>, PubSubError> {
        self.call("ListTopics", self.inner.list_topics(project, token))
            .await
    }

    async fn list_subscriptions(
        &self,
        project: &ProjectId,
        token: &str,
    ) -> Result<Page<SubscriptionConfig>, PubSubError> {
        self.call("ListSubscriptions", self.inner.list_subscriptions(project, token))
            .await
    }

    async fn topic(&self, name: &TopicName) -> Result<TopicConfig, PubSubError> {
        self.call("GetTopic", self.inner.topic(name)).await
    }

    async fn subscription(&self, name: &SubscriptionName) -> Result<SubscriptionConfig, PubSubError> {
        self.call("GetSubscription", self.inner.subscription(name)).await
    }

    async fn create_topic(&self, topic: &TopicConfig) -> Result<TopicConfig, PubSubError> {
        self.call("CreateTopic", self.inner.create_topic(topic)).await
    }

    async fn update_topic(
        &self,
        topic: &TopicConfig,
        fields: &[TopicField],
    ) -> Result<TopicConfig, PubSubError> {
        self.call("UpdateTopic", self.inner.update_topic(topic, fields))
            .await
    }

    async fn create_subscription(
        &self,
        subscription: &SubscriptionConfig,
    ) -> Result<SubscriptionConfig, PubSubError> {
        self.call("CreateSubscription", self.inner.create_subscription(subscription))
            .await
    }

    async fn update_subscription(
        &self,
        subscription: &SubscriptionConfig,
        fields: &[SubscriptionField],
    ) -> Result<SubscriptionConfig, PubSubError> {
        self.call(
            "UpdateSubscription",
            self.inner.update_subscription(subscription, fields),
        )
        .await
    }

    async fn delete_subscription(&self, name: &SubscriptionName) -> Result<(), PubSubError> {
        self.call("DeleteSubscription", self.inner.delete_subscription(name))
            .await
    }

    async fn policy(&self, resource: &Resource) -> Result<Policy, PubSubError> {
        self.call("GetIamPolicy", self.inner.policy(resource)).await
    }

    async fn set_policy(&self, resource: &Resource, policy: &Policy) -> Result<Policy, PubSubError> {
        self.call("SetIamPolicy", self.inner.set_policy(resource, policy))
            .await
    }

    async fn project_number(&self, project: &ProjectId) -> Result<u64, PubSubError> {
        self.call("GetProject", self.inner.project_number(project)).await
    }
}
