//! What deletion does, as a plan: `Retain` lets go of the subscriptions, `Delete` deletes them. Topics are shared and
//! stay. Nothing that is not stamped as ours is touched.

use crds::{ConditionType, DeletionPolicy};
use jiff::Timestamp;

use super::{
    ownership::{Claim, Rules, Stamp, key},
    plan::{Action, Plan, Step},
};
use crate::{
    identity::Identity,
    pubsub::{Policy, Resource, SubscriptionConfig, SubscriptionField, policy::SUBSCRIBER},
};

/// One subscription that the EventSubscription had, as it is now.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The subscription.
    pub config: SubscriptionConfig,
    /// Who has rights on it; none for a dead-letter subscription, on which nobody was given any.
    pub policy: Option<Policy>,
}

/// The plan for what is left of an EventSubscription.
#[must_use]
pub fn release(
    kept: &[Kept],
    policy: DeletionPolicy,
    identity: &Identity,
    stamp: &Stamp,
    rules: &Rules,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::default();
    for Kept {
        config,
        policy: access,
    } in kept
    {
        if stamp.claim(config, rules, now) != Claim::Ours || config.labels.contains_key(key::RELEASED_AT) {
            continue;
        }
        let mut step = |proves, action| plan.steps.push(Step { proves, action });
        match policy {
            DeletionPolicy::Delete => {
                step(
                    ConditionType::SubscriptionReady,
                    Action::DeleteSubscription(config.name.clone()),
                );
            }
            DeletionPolicy::Retain => {
                // Access goes first: whoever gets this namespace's name next must not inherit it.
                if let Some(action) = access
                    .as_ref()
                    .and_then(|access| revoke(config, access, identity))
                {
                    step(ConditionType::AccessReady, action);
                }
                let mut labels = config.labels.clone();
                labels.insert(key::RELEASED_AT.to_owned(), now.as_second().to_string());
                let released = SubscriptionConfig {
                    labels,
                    ..config.clone()
                };
                step(
                    ConditionType::SubscriptionReady,
                    Action::UpdateSubscription(released, vec![SubscriptionField::Labels]),
                );
            }
        }
    }
    plan
}

/// Takes away every worker of our pool: the ServiceAccount may be gone already, and its uid with it.
pub(super) fn revoke(config: &SubscriptionConfig, access: &Policy, identity: &Identity) -> Option<Action> {
    let mut policy = access.clone();
    for binding in &mut policy.bindings {
        if binding.role == SUBSCRIBER && binding.condition.is_none() {
            binding.members.retain(|member| !identity.is_worker(member));
        }
    }
    policy.bindings.retain(|binding| !binding.members.is_empty());
    (policy != *access).then(|| Action::SetPolicy {
        resource: Resource::Subscription(config.name.clone()),
        policy,
    })
}
