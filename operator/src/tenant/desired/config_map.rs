//! What a worker pulls: a file that it watches, so that a change needs no restart and costs no delivery attempt.

use std::{collections::BTreeMap, sync::Arc};

use crds::EventSubscription;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;
use serde_json::Result;

use super::{Valid, WORKER, metadata};
use crate::kubernetes::{Kind, Manifest};

/// The file's name in the ConfigMap, and in the directory it is mounted at.
pub(super) const FILE: &str = "subscriptions.json";

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Pulled {
    subscriptions: Vec<Subscription>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Subscription {
    name: String,
    ordered: bool,
    suspended: bool,
}

impl Pulled {
    /// Those that have been made: only then does a status name them. One that now differs from its spec is still pulled:
    /// a mistake in an edit must not stop events. One that is being deleted is not.
    pub(super) fn from(children: &[Arc<EventSubscription>]) -> Self {
        let mut subscriptions: Vec<_> = children
            .iter()
            .filter(|one| one.metadata.deletion_timestamp.is_none())
            .filter_map(|one| {
                let status = one.status.as_ref()?;
                let settings = &one.spec.settings;
                Some(Subscription {
                    name: status.subscription.clone()?,
                    ordered: settings.message_ordering.unwrap_or(false),
                    suspended: settings.suspended.unwrap_or(false),
                })
            })
            .collect();
        subscriptions.sort();
        Self { subscriptions }
    }
}

pub(super) fn manifest(valid: &Valid, pulled: &Pulled) -> Result<Manifest> {
    let map = ConfigMap {
        metadata: metadata(valid, WORKER),
        data: Some(BTreeMap::from([(
            FILE.to_owned(),
            serde_json::to_string_pretty(pulled)?,
        )])),
        ..ConfigMap::default()
    };
    Manifest::new(Kind::ConfigMap, Some(&valid.namespace), WORKER, &map)
}
