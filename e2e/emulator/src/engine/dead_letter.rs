//! Forwarding to the dead-letter topic, which the service does as its own agent, or not at all.

use super::{Engine, subscription::Subscription};
use crate::{
    clock::rfc3339,
    iam,
    queue::{DeadLetter, DeadLetterRule},
};

impl Engine {
    /// Can dead letters of this subscription be forwarded now? Without the topic, or without either
    /// grant of its project's service agent, the service keeps redelivering and tells nobody.
    pub(super) fn forwards(&self, subscription: &Subscription) -> bool {
        let rule = subscription.queue(|queue| queue.rules().dead_letter.clone());
        let Some(DeadLetterRule { topic, .. }) = rule else {
            return false;
        };
        let agent = iam::service_agent(self.project_number(subscription.name.project()));
        self.topic(&topic).is_ok()
            && self.allows(&agent, "pubsub.topics.publish", &topic)
            && self.allows(&agent, "pubsub.subscriptions.consume", subscription.name.as_str())
    }

    /// Publishes each message anew to the dead-letter topic, with where it came from.
    pub(super) fn forward(&self, subscription: &Subscription, letters: &[DeadLetter]) {
        if letters.is_empty() {
            return;
        }
        let rule = subscription.queue(|queue| queue.rules().dead_letter.clone());
        let Some(topic) = rule.and_then(|rule| self.topic(&rule.topic).ok()) else {
            return;
        };
        let (id, project) = (subscription.name.id(), subscription.name.project());
        let messages = letters
            .iter()
            .map(|letter| {
                let mut message = letter.message.decode();
                let published = message.publish_time.take().unwrap_or_default();
                for (key, value) in [
                    ("CloudPubSubDeadLetterSourceSubscription", id.to_owned()),
                    (
                        "CloudPubSubDeadLetterSourceSubscriptionProject",
                        project.to_owned(),
                    ),
                    (
                        "CloudPubSubDeadLetterSourceDeliveryCount",
                        letter.attempts.to_string(),
                    ),
                    ("CloudPubSubDeadLetterSourceTopicPublishTime", rfc3339(&published)),
                ] {
                    message.attributes.insert(key.to_owned(), value);
                }
                message
            })
            .collect();
        tracing::debug!(subscription = %subscription.name, count = letters.len(), "Forwarded to the dead-letter topic.");
        self.deliver(&topic, messages);
    }
}
