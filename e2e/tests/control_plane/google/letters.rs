//! A subscription with dead letters, made as the operator makes one.

use event_operator::pubsub::{
    DeadLetterPolicy, Grant, Resource, SubscriptionConfig, TopicConfig,
    policy::{PUBLISHER, SUBSCRIBER},
};

use super::service::Service;

/// After how many deliveries a message is given up: the fewest that Pub/Sub takes.
pub(super) const ATTEMPTS: i32 = 5;

/// Whose messages the two subscriptions let through.
pub(super) const TENANT: &str = "tenant-123";

/// Both topics and both subscriptions.
pub(super) struct Letters {
    /// Is published to.
    pub(super) topic: TopicConfig,
    /// Is pulled.
    pub(super) subscription: SubscriptionConfig,
    /// Keeps what was given up.
    pub(super) dead: SubscriptionConfig,
    dead_topic: TopicConfig,
}

impl Letters {
    /// Makes all of it but for the grants.
    pub(super) async fn make(service: &Service) -> Self {
        let (topic, dead_topic) = (service.topic("events"), service.topic("events-dlq"));
        service.make_topic(&topic).await;
        service.make_topic(&dead_topic).await;
        let filter = format!(r#"attributes.tenant_id = "{TENANT}""#);
        let mut dead = service.subscription("dlq", &dead_topic.name);
        dead.filter.clone_from(&filter);
        service.make_subscription(&dead).await;
        let mut subscription = service.subscription("worker", &topic.name);
        subscription.filter = filter;
        subscription.dead_letter = Some(DeadLetterPolicy {
            topic: dead_topic.name.to_string(),
            max_delivery_attempts: ATTEMPTS,
        });
        service.make_subscription(&subscription).await;
        Self {
            topic,
            subscription,
            dead,
            dead_topic,
        }
    }

    /// Gives the service agent both rights that it needs.
    pub(super) async fn grant(&self, service: &Service) {
        let member = service.service_agent().await;
        let grant = |role| Grant {
            role,
            member: member.clone(),
        };
        let topic = Resource::Topic(self.dead_topic.name.clone());
        service.change_policy(&topic, &[grant(PUBLISHER)], &[]).await;
        let subscription = Resource::Subscription(self.subscription.name.clone());
        service
            .change_policy(&subscription, &[grant(SUBSCRIBER)], &[])
            .await;
    }
}
