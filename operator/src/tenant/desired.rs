//! Pure: what a valid Tenant comes to in Kubernetes, one file for each kind of object.

mod config_map;
mod credentials;
mod deployment;
mod disruption_budget;
mod event_subscription;
pub mod handler_auth;
mod namespace;
mod network_policy;
pub mod scaled_object;
mod service_account;
mod store;
mod variables;

pub use self::deployment::fleet_version;
use std::{collections::BTreeMap, sync::Arc};

use crds::{EventSubscription, label};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt as _;
use serde_json::Result;

use super::{scaling::Mode, validate::Valid};
use crate::{
    kubernetes::{Key, Kind, Manifest},
    settings::Settings,
    subscription::validate::is_generated,
};

/// The name of everything a worker consists of.
pub const WORKER: &str = "event-worker";

/// What should be in Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The tenant's namespace.
    pub namespace: Manifest,
    /// ServiceAccount and NetworkPolicy: what must be there before anything runs.
    pub ground: Vec<Manifest>,
    /// The EventSubscriptions that the Tenant's spec asks for and nobody applied by hand.
    pub subscriptions: Vec<Manifest>,
    /// EventSubscriptions made for topics that are no longer asked for.
    pub unwanted: Vec<Key>,
    /// Those made for topics that the operator's catalogue has no more, of a Tenant that listens to all it has: nobody edited
    /// the Tenant.
    pub withdrawn: Vec<Key>,
    /// What the worker pulls, and how many may go at a time.
    pub worker: Vec<Manifest>,
    /// The worker.
    pub deployment: Manifest,
    /// How KEDA scales it, if it does.
    pub scaled_object: Option<Manifest>,
    /// How many subscriptions are neither ready nor stuck: a new worker waits for them, so that its first pod finds its
    /// whole list and the right to pull.
    pub unsettled: usize,
    /// EventSubscriptions that somebody has for their own, in the place of those that the Tenant asks for.
    pub overridden: Vec<String>,
}

impl Desired {
    /// All that should be in Kubernetes.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        [&self.namespace]
            .into_iter()
            .chain(&self.ground)
            .chain(&self.subscriptions)
            .chain(&self.worker)
            .chain([&self.deployment])
            .chain(&self.scaled_object)
    }
}

/// Composes it; `children` are the EventSubscriptions of the tenant's namespace, and `mode` says who scales its worker.
///
/// # Errors
/// When an object has no JSON form, which would be a fault of this crate.
pub fn desired(
    valid: &Valid,
    children: &[Arc<EventSubscription>],
    settings: &Settings,
    mode: &Mode,
) -> Result<Desired> {
    let by_hand: Vec<_> = children.iter().filter(|one| !is_generated(one)).collect();
    let wanted: Vec<_> = valid
        .subscriptions
        .iter()
        .filter(|one| !by_hand.iter().any(|hand| hand.spec.settings.topic == one.topic))
        .collect();
    let (withdrawn, unwanted): (Vec<_>, Vec<_>) = children
        .iter()
        .filter(|one| is_generated(one))
        .filter(|one| {
            !wanted
                .iter()
                .any(|wanted| wanted.topic == one.spec.settings.topic)
        })
        .partition(|one| valid.listens_to_all && !settings.catalogue.has(&one.spec.settings.topic));
    let keys = |all: Vec<&Arc<EventSubscription>>| -> Vec<Key> {
        let name = |one: &Arc<EventSubscription>| one.metadata.name.clone().unwrap_or_default();
        all.into_iter()
            .map(|one| event_subscription::key(valid, &name(one)))
            .collect()
    };
    let pulled = config_map::Pulled::from(
        children,
        &valid.id,
        settings.drain.overlap,
        &settings.subscription,
    );
    let overriding = by_hand.iter().filter(|hand| {
        valid
            .subscriptions
            .iter()
            .any(|one| one.topic == hand.spec.settings.topic)
    });
    let mut overridden: Vec<_> = overriding.map(|one| one.name_any()).collect();
    overridden.sort();
    let (missing, unsettled) = event_subscription::unsettled(&wanted, children);
    Ok(Desired {
        namespace: namespace::manifest(valid)?,
        ground: vec![
            service_account::manifest(valid)?,
            network_policy::manifest(valid, settings)?,
        ],
        subscriptions: wanted
            .iter()
            .map(|one| event_subscription::manifest(valid, one))
            .collect::<Result<_>>()?,
        unwanted: keys(unwanted),
        withdrawn: keys(withdrawn),
        worker: vec![
            config_map::manifest(valid, &pulled, settings)?,
            disruption_budget::manifest(valid)?,
        ],
        deployment: deployment::manifest(valid, settings, mode)?,
        scaled_object: match mode {
            Mode::Keda(range, address) => Some(scaled_object::manifest(valid, range, address)?),
            Mode::One | Mode::InMemory | Mode::NoKeda(_) | Mode::NoAddress(_) => None,
        },
        unsettled: missing + unsettled,
        overridden,
    })
}

/// The key of an object of the worker's.
#[must_use]
pub fn worker_key(kind: Kind, namespace: &str) -> Key {
    Key {
        kind,
        namespace: Some(namespace.to_owned()),
        name: WORKER.to_owned(),
    }
}

/// Labels that pods are selected by; they never change.
fn selector() -> BTreeMap<String, String> {
    strings([("app.kubernetes.io/name", WORKER)])
}

fn labels(valid: &Valid) -> BTreeMap<String, String> {
    let mut labels = selector();
    labels.extend(strings([
        (label::MANAGED_BY, label::OPERATOR),
        (label::TENANT, &valid.name),
    ]));
    labels
}

/// Metadata of an object in the tenant's namespace. It goes with its Tenant.
fn metadata(valid: &Valid, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(valid.namespace.clone()),
        labels: Some(labels(valid)),
        owner_references: Some(vec![owner(valid)]),
        ..ObjectMeta::default()
    }
}

fn owner(valid: &Valid) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/v1alpha1", crds::GROUP),
        kind: "Tenant".to_owned(),
        name: valid.name.clone(),
        uid: valid.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

fn strings<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    BTreeMap::from(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())))
}
