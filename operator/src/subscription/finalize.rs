//! What deletion does. An EventSubscription that its Tenant still asks for leaves Pub/Sub as it is: a garbage collector, a
//! restore or somebody's hand is not the Tenant. Else there is a plan: `Retain` lets go of the subscriptions, `Delete` deletes
//! them. Topics are shared and stay. Nothing that is not stamped as ours is touched.

use crds::{ConditionType, DeletionPolicy, EventSubscription, Tenant};
use jiff::Timestamp;

use super::{
    ownership::{Claim, Rules, Stamp, key},
    plan::{Action, Plan, Step},
    validate::{Surroundings, deletion_policy, heir, is_at_home},
};
use crate::{
    identity::Identity,
    pubsub::{Policy, Resource, SubscriptionConfig, SubscriptionField, policy::SUBSCRIBER},
    settings::Catalogue,
    tenant::validate::asks,
};

/// One subscription that the EventSubscription had, as it is now.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The subscription.
    pub config: SubscriptionConfig,
    /// Who has rights on it; none for a dead-letter subscription, on which nobody was given any.
    pub policy: Option<Policy>,
}

/// What the deletion of an EventSubscription means for its objects in Pub/Sub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is outside its Tenant's namespace, and never had any.
    HadNothing,
    /// Another EventSubscription has them from now on.
    Heir(String),
    /// Its Tenant still asks for the topic: it makes the EventSubscription again, and that takes them up as they are.
    MadeAgain,
    /// They are let go or deleted.
    Release(DeletionPolicy),
}

/// Decides. Only a Tenant that is being deleted, or that asks for the topic no longer, deletes anything; without a Tenant
/// nobody asks for that.
#[must_use]
pub fn fate(subscription: &EventSubscription, around: &Surroundings, catalogue: &Catalogue) -> Fate {
    let tenant = around.tenant.as_deref();
    if !is_at_home(subscription, around.namespace_tenant.as_deref(), tenant) {
        return Fate::HadNothing;
    }
    if let Some(heir) = heir(subscription, &around.siblings) {
        return Fate::Heir(heir);
    }
    let stays = |tenant: &Tenant| {
        tenant.metadata.deletion_timestamp.is_none()
            && asks(tenant, &subscription.spec.settings.topic, catalogue)
    };
    match tenant {
        Some(tenant) if stays(tenant) => Fate::MadeAgain,
        None => Fate::Release(DeletionPolicy::Retain),
        Some(tenant) => Fate::Release(deletion_policy(subscription, Some(tenant))),
    }
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
