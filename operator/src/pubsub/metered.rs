//! Every admin call goes through here: it takes from the budget, a write needs the permit as well, and all are counted by
//! method and answer.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use events::{ProjectId, SubscriptionName, TopicName};

use super::{
    Code, Page, Policy, PubSub, PubSubError, Resource, SubscriptionConfig, SubscriptionField, TopicConfig,
    TopicField, budget::Budget,
};
use crate::{leader::Permit, metrics::Metrics};

/// Every method that is called.
pub const METHODS: [&str; 12] = [
    "ListTopics",
    "ListSubscriptions",
    "GetTopic",
    "GetSubscription",
    "CreateTopic",
    "UpdateTopic",
    "CreateSubscription",
    "UpdateSubscription",
    "DeleteSubscription",
    "GetIamPolicy",
    "SetIamPolicy",
    "GetProject",
];

/// A Pub/Sub whose calls are budgeted and counted, and whose writes need the permit.
pub struct Metered<P> {
    inner: P,
    permit: Permit,
    budget: Arc<Budget>,
    metrics: Arc<Metrics>,
}

impl<P: PubSub> Metered<P> {
    /// Puts a budget, counters and a permit before a Pub/Sub.
    pub fn new(inner: P, budget: Arc<Budget>, metrics: Arc<Metrics>, permit: Permit) -> Self {
        Self {
            inner,
            permit,
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
            self.budget.used_up();
        }
        answer
    }

    /// The permit is asked for last: the wait for the budget may be longer than it lasts.
    async fn write<T>(
        &self,
        method: &'static str,
        object: &impl ToString,
        call: impl Future<Output = Result<T, PubSubError>>,
    ) -> Result<T, PubSubError> {
        let covered = async {
            self.permit.cover(call).await.unwrap_or_else(|refused| {
                Err(PubSubError {
                    call: method,
                    permission: "",
                    object: object.to_string(),
                    code: Code::NotLeading,
                    message: refused.to_string(),
                })
            })
        };
        self.call(method, covered).await
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
        self.write("CreateTopic", &topic.name, self.inner.create_topic(topic))
            .await
    }

    async fn update_topic(
        &self,
        topic: &TopicConfig,
        fields: &[TopicField],
    ) -> Result<TopicConfig, PubSubError> {
        self.write("UpdateTopic", &topic.name, self.inner.update_topic(topic, fields))
            .await
    }

    async fn create_subscription(
        &self,
        subscription: &SubscriptionConfig,
    ) -> Result<SubscriptionConfig, PubSubError> {
        self.write(
            "CreateSubscription",
            &subscription.name,
            self.inner.create_subscription(subscription),
        )
        .await
    }

    async fn update_subscription(
        &self,
        subscription: &SubscriptionConfig,
        fields: &[SubscriptionField],
    ) -> Result<SubscriptionConfig, PubSubError> {
        self.write(
            "UpdateSubscription",
            &subscription.name,
            self.inner.update_subscription(subscription, fields),
        )
        .await
    }

    async fn delete_subscription(&self, name: &SubscriptionName) -> Result<(), PubSubError> {
        self.write("DeleteSubscription", name, self.inner.delete_subscription(name))
            .await
    }

    async fn policy(&self, resource: &Resource) -> Result<Policy, PubSubError> {
        self.call("GetIamPolicy", self.inner.policy(resource)).await
    }

    async fn set_policy(&self, resource: &Resource, policy: &Policy) -> Result<Policy, PubSubError> {
        self.write("SetIamPolicy", resource, self.inner.set_policy(resource, policy))
            .await
    }

    async fn project_number(&self, project: &ProjectId) -> Result<u64, PubSubError> {
        self.call("GetProject", self.inner.project_number(project)).await
    }
}
