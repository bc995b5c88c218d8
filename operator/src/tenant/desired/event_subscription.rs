//! The EventSubscriptions that a Tenant's spec asks for.

use std::{collections::BTreeMap, sync::Arc};

use crds::{
    ConditionType, Conditioned as _, EventSubscription, EventSubscriptionSpec, SubscriptionSettings,
    TenantRef, condition, label,
};
use serde_json::Result;

use super::{Valid, metadata};
use crate::kubernetes::{Key, Kind, Manifest};

pub(super) fn manifest(valid: &Valid, settings: &SubscriptionSettings) -> Result<Manifest> {
    let spec = EventSubscriptionSpec {
        tenant_ref: TenantRef {
            name: valid.name.clone(),
        },
        settings: settings.clone(),
    };
    let mut object = EventSubscription::new(&settings.topic, spec);
    object.metadata = metadata(valid, &settings.topic);
    let generated = BTreeMap::from([(label::GENERATED.to_owned(), "true".to_owned())]);
    object.metadata.labels.get_or_insert_default().extend(generated);
    // From the start, so that its own reconcile need not write it.
    object.metadata.finalizers = Some(vec![label::FINALIZER.to_owned()]);
    Manifest::new(
        Kind::EventSubscription,
        Some(&valid.namespace),
        &settings.topic,
        &object,
    )
}

pub(super) fn key(valid: &Valid, name: &str) -> Key {
    Key {
        kind: Kind::EventSubscription,
        namespace: Some(valid.namespace.clone()),
        name: name.to_owned(),
    }
}

/// How many of those wanted are not made yet, and how many of those made are neither ready nor stuck.
pub(super) fn unsettled(
    wanted: &[&SubscriptionSettings],
    children: &[Arc<EventSubscription>],
) -> (usize, usize) {
    let missing = wanted
        .iter()
        .filter(|one| {
            !children
                .iter()
                .any(|child| child.spec.settings.topic == one.topic)
        })
        .count();
    let unsettled = children
        .iter()
        .filter(|child| {
            let generation = child.metadata.generation;
            let conditions = child.conditions();
            !condition::holds(conditions, ConditionType::Ready, generation)
                && !condition::holds(conditions, ConditionType::Stalled, generation)
        })
        .count();
    (missing, unsettled)
}
