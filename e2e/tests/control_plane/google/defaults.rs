//! What the service fills in where a request says nothing, and that a subscription comes back as the operator wrote it: a
//! default that the operator does not know would look like drift for ever.

use std::time::Duration;

use event_operator::pubsub::{
    Attachment, Backoff, DeadLetterPolicy, Expiration, PubSub as _, Resource, SubscriptionConfig,
};
use google_cloud_pubsub::model;
use pubsub_emulator::Settings;
use serde::Serialize;
use serde_json::Value;

use super::made::{LABEL, tell};

/// What of an object was not said by this story.
fn filled(object: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(object).unwrap();
    let fields = value.as_object_mut().unwrap();
    for said in ["name", "topic", "labels"] {
        fields.remove(said);
    }
    if let Some(policy) = fields.get_mut("deadLetterPolicy") {
        policy.as_object_mut().unwrap().remove("deadLetterTopic");
    }
    value
}

#[tokio::test]
async fn what_the_service_fills_in_is_what_the_operator_expects() {
    tell("defaults", Settings::default(), async |service| {
        let topic = service.topic("defaults");
        service.remember(Resource::Topic(topic.name.clone()));
        let made = service
            .topics
            .create_topic()
            .set_name(topic.name.to_string())
            .set_labels([(LABEL, &service.run)])
            .send()
            .await
            .unwrap();
        let mut figures = vec![format!("topic {}", filled(&made))];
        let dead_topic = service.topic("defaults-dlq");
        service.make_topic(&dead_topic).await;
        for name in [&topic.name, &dead_topic.name] {
            let get = async || service.pubsub.topic(name).await;
            service.patiently("it is seen", get).await;
        }

        // The second says of two policies that there shall be one, and nothing of what is in it.
        let bare = service.subscription("bare", &topic.name);
        let policies = service.subscription("policies", &topic.name);
        let dead_letters = model::DeadLetterPolicy::new().set_dead_letter_topic(dead_topic.name.to_string());
        for (one, retry, dead_letters) in [
            (&bare, None, None),
            (&policies, Some(model::RetryPolicy::new()), Some(dead_letters)),
        ] {
            service.remember(Resource::Subscription(one.name.clone()));
            let create = service
                .subscriptions
                .create_subscription()
                .set_name(one.name.to_string())
                .set_topic(topic.name.to_string())
                .set_labels([(LABEL, &service.run)])
                .set_or_clear_retry_policy(retry)
                .set_or_clear_dead_letter_policy(dead_letters);
            figures.push(format!("subscription {}", filled(&create.send().await.unwrap())));
        }
        service.measured(figures.join("; "));

        let expected = |one: &SubscriptionConfig| SubscriptionConfig {
            attachment: Attachment::Topic(topic.name.clone()),
            retention: Duration::from_secs(7 * 86_400),
            expiration: Expiration::After(Duration::from_secs(31 * 86_400)),
            ..one.clone()
        };
        let found = async |one: &SubscriptionConfig| {
            let get = async || service.pubsub.subscription(&one.name).await;
            service.patiently("it is seen", get).await
        };
        assert_eq!(found(&bare).await, expected(&bare));
        let with_policies = SubscriptionConfig {
            backoff: Some(Backoff {
                minimum: Duration::from_secs(10),
                maximum: Duration::from_secs(600),
            }),
            dead_letter: Some(DeadLetterPolicy {
                topic: dead_topic.name.to_string(),
                max_delivery_attempts: 5,
            }),
            ..expected(&policies)
        };
        assert_eq!(found(&policies).await, with_policies);

        // One of the operator's comes back without a difference, from the create and from a get.
        let mut own = service.subscription("own", &topic.name);
        own.filter =
            r#"attributes.tenant_id = "tenant-123" AND hasPrefix(attributes.event_type, "user.")"#.to_owned();
        own.backoff = with_policies.backoff;
        own.dead_letter = with_policies.dead_letter;
        service.remember(Resource::Subscription(own.name.clone()));
        assert_eq!(service.pubsub.create_subscription(&own).await.unwrap(), own);
        assert_eq!(found(&own).await, own);
    })
    .await;
}
