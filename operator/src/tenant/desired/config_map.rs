//! What a worker pulls: a file that it watches, so that a change needs no restart and costs no delivery attempt. Beside it,
//! where the cluster is not GKE, the file that says how it proves its identity.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crds::EventSubscription;
use events::TenantId;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;
use serde_json::Result;

use super::{Valid, WORKER, credentials, metadata};
use crate::{
    kubernetes::{Kind, Manifest},
    settings::{Settings, SubscriptionDefaults},
};

/// The file's name in the ConfigMap, and in the directory it is mounted at.
pub(super) const FILE: &str = "subscriptions.json";

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Pulled {
    subscriptions: Vec<Subscription>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    name: String,
    /// The worker refuses a list that holds another tenant's.
    tenant: String,
    ordered: bool,
    suspended: bool,
    /// What was published later is in the subscription that took this one's place, or is not wanted any more: the worker
    /// acknowledges it unhandled.
    #[serde(skip_serializing_if = "Option::is_none")]
    handle_until: Option<Timestamp>,
    /// Of an ordered subscription: how often the worker may try the message at the head of a key in place, and how long a
    /// message that it gave back may stay away.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_delivery_attempts: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_backoff_seconds: Option<u64>,
}

impl Pulled {
    /// Those that have been made: only then does a status name them. One that now differs from its spec is still pulled:
    /// a mistake in an edit must not stop events. One that is being deleted is not.
    ///
    /// `overlap` is how long after a switch messages are still handled from the old subscription, though the new one has
    /// them too: clocks differ, and the idempotency key makes one event of two messages.
    pub(super) fn from(
        children: &[Arc<EventSubscription>],
        tenant: &TenantId,
        overlap: Duration,
        defaults: &SubscriptionDefaults,
    ) -> Self {
        let mut subscriptions: Vec<_> = children
            .iter()
            .filter(|one| one.metadata.deletion_timestamp.is_none())
            .flat_map(|one| of(one, tenant, overlap, defaults))
            .collect();
        subscriptions.sort();
        Self { subscriptions }
    }
}

fn of(
    one: &EventSubscription,
    tenant: &TenantId,
    overlap: Duration,
    defaults: &SubscriptionDefaults,
) -> Vec<Subscription> {
    let Some(status) = &one.status else {
        return vec![];
    };
    let settings = &one.spec.settings;
    let ordered = settings.message_ordering.unwrap_or(false);
    let suspended = settings.is_suspended();
    let max_delivery_attempts = ordered.then(|| defaults.max_delivery_attempts_of(settings));
    let maximum_backoff_seconds = ordered.then(|| defaults.backoff_of(settings).1.as_secs());
    let current = status.subscription.iter().map(|name| Subscription {
        name: name.clone(),
        tenant: tenant.to_string(),
        ordered,
        // Two subscriptions have no common order: the new one waits for the old. Two topics never had one.
        suspended: suspended || (ordered && status.draining.iter().any(|old| !old.in_full)),
        handle_until: None,
        max_delivery_attempts,
        maximum_backoff_seconds,
    });
    let draining = status.draining.iter().map(|old| Subscription {
        name: old.subscription.clone(),
        tenant: tenant.to_string(),
        ordered,
        suspended,
        handle_until: old
            .switched_at
            .as_ref()
            .filter(|_| !old.in_full)
            .and_then(|at| at.0.checked_add(overlap).ok()),
        max_delivery_attempts,
        maximum_backoff_seconds,
    });
    current.chain(draining).collect()
}

pub(super) fn manifest(valid: &Valid, pulled: &Pulled, settings: &Settings) -> Result<Manifest> {
    let mut data = BTreeMap::from([(FILE.to_owned(), serde_json::to_string_pretty(pulled)?)]);
    if let Some(federation) = &settings.identity.federation {
        let file = serde_json::to_string_pretty(&credentials::file(federation))?;
        data.insert(credentials::FILE.to_owned(), file);
    }
    let map = ConfigMap {
        metadata: metadata(valid, WORKER),
        data: Some(data),
        ..ConfigMap::default()
    };
    Manifest::new(Kind::ConfigMap, Some(&valid.namespace), WORKER, &map)
}
