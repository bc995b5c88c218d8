//! I/O, reads only: what is in Pub/Sub now. From the inventory, so that looking costs pages and not objects; an error
//! here ends the reconcile, so that "could not look" never becomes "is not there".

use super::desired::Desired;
use crate::pubsub::{Policy, PubSubError, Resource, SubscriptionConfig, TopicConfig, inventory::Inventory};

/// What is there; `None` is certainly absent.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The topic.
    pub topic: Option<TopicConfig>,
    /// The worker's subscription.
    pub subscription: Option<SubscriptionConfig>,
    /// Who has rights on it.
    pub subscription_policy: Policy,
    /// The dead-letter topic.
    pub dead_letter_topic: Option<TopicConfig>,
    /// Who has rights on it.
    pub dead_letter_topic_policy: Policy,
    /// What keeps the dead letters.
    pub dead_letter_subscription: Option<SubscriptionConfig>,
}

/// Looks.
///
/// # Errors
/// When anything cannot be looked at.
pub async fn observe(inventory: &Inventory, desired: &Desired) -> Result<Observed, PubSubError> {
    inventory.refresh(desired.topic.name.project()).await?;
    inventory.refresh(desired.subscription.name.project()).await?;
    let subscription = inventory.subscription(&desired.subscription.name).await?;
    let (dead_letter_topic, dead_letter_subscription) = match &desired.dead_letter {
        Some(wanted) => (
            inventory.topic(&wanted.topic.name).await?,
            inventory.subscription(&wanted.subscription.name).await?,
        ),
        None => (None, None),
    };
    Ok(Observed {
        topic: inventory.topic(&desired.topic.name).await?,
        subscription_policy: match &subscription {
            Some(found) => {
                inventory
                    .policy(&Resource::Subscription(found.name.clone()))
                    .await?
            }
            // What does not exist has the policy it will be born with; nothing to read.
            None => Policy::unset(),
        },
        dead_letter_topic_policy: match &dead_letter_topic {
            Some(found) => inventory.policy(&Resource::Topic(found.name.clone())).await?,
            None => Policy::unset(),
        },
        subscription,
        dead_letter_topic,
        dead_letter_subscription,
    })
}
