//! Whom subscriptions were made for, so that a thousand Tenants do not each look through all.

use std::collections::{BTreeSet, HashMap};

use events::SubscriptionName;

use crate::{
    pubsub::SubscriptionConfig,
    subscription::ownership::{Stamp, key},
};

/// Whom a subscription was made for, as its labels say, whatever operator wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    tenant: String,
    subscription: String,
}

impl Owner {
    /// The owner that a stamp names.
    #[must_use]
    pub fn named(stamp: &Stamp) -> Self {
        Self {
            tenant: stamp.tenant.clone(),
            subscription: stamp.subscription.clone(),
        }
    }

    fn of(one: &SubscriptionConfig) -> Option<Self> {
        Some(Self {
            tenant: one.labels.get(key::TENANT)?.clone(),
            subscription: one.labels.get(key::SUBSCRIPTION)?.clone(),
        })
    }
}

/// Names of subscriptions by Tenant and by EventSubscription.
#[derive(Default)]
pub(super) struct Owned(HashMap<String, HashMap<String, BTreeSet<SubscriptionName>>>);

impl Owned {
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a SubscriptionConfig>) -> Self {
        let mut owned = Self::default();
        for one in all {
            owned.change(None, Some(one));
        }
        owned
    }

    /// A subscription was written, or is gone.
    pub(super) fn change(&mut self, before: Option<&SubscriptionConfig>, after: Option<&SubscriptionConfig>) {
        let (old, new) = (before.and_then(Owner::of), after.and_then(Owner::of));
        if old != new
            && let (Some(owner), Some(before)) = (old, before)
            && let Some(of_tenant) = self.0.get_mut(&owner.tenant)
        {
            if let Some(names) = of_tenant.get_mut(&owner.subscription) {
                names.remove(&before.name);
                if names.is_empty() {
                    of_tenant.remove(&owner.subscription);
                }
            }
            if of_tenant.is_empty() {
                self.0.remove(&owner.tenant);
            }
        }
        if let (Some(owner), Some(after)) = (new, after) {
            let of_tenant = self.0.entry(owner.tenant).or_default();
            let names = of_tenant.entry(owner.subscription).or_default();
            names.insert(after.name.clone());
        }
    }

    pub(super) fn names(&self, owner: &Owner) -> impl Iterator<Item = &SubscriptionName> {
        let of_tenant = self.0.get(&owner.tenant);
        of_tenant
            .and_then(|names| names.get(&owner.subscription))
            .into_iter()
            .flatten()
    }

    pub(super) fn names_of_tenant(&self, tenant: &str) -> impl Iterator<Item = &SubscriptionName> {
        self.0.get(tenant).into_iter().flat_map(HashMap::values).flatten()
    }
}
