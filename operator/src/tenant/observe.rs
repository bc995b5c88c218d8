//! I/O, reads only: what is in Kubernetes now. From the caches; only a namespace that the operator does not know yet is
//! asked for, because taking over somebody's would be worse than a call.

use std::{collections::BTreeMap, sync::Arc};

use crds::{ConditionType, Conditioned as _, Tenant, condition, label};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::{
    desired::{Desired, worker_key},
    rollout::Member,
    validate::{Valid, tenant_namespace},
};
use crate::{
    context::Context,
    kubernetes::{Key, Kind, decoded},
    pause::is_paused,
};

/// Whose the tenant's namespace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceState {
    /// There is none.
    Absent,
    /// It is this Tenant's, and the operator made it.
    Made,
    /// It is this Tenant's, and was there before.
    Given,
    /// It is this Tenant's, and is being deleted.
    Terminating,
    /// It is not this Tenant's; names whose it is, if it says so.
    Foreign(Option<String>),
}

/// What is there.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The namespace.
    pub namespace: NamespaceState,
    /// Every other object, as JSON.
    pub objects: BTreeMap<Key, Value>,
}

/// Looks.
///
/// # Errors
/// When the namespace has to be asked for and cannot be.
pub async fn observe(valid: &Valid, desired: &Desired, ctx: &Context) -> kube::Result<Observed> {
    let subscriptions = ctx.subscriptions.of(&valid.namespace);
    let mut objects = BTreeMap::new();
    let wanted = desired
        .ground
        .iter()
        .chain(&desired.worker)
        .map(|manifest| &manifest.key);
    let scaled = worker_key(Kind::ScaledObject, &valid.namespace);
    for key in wanted.chain([&desired.deployment.key, &desired.namespace.key, &scaled]) {
        if let Some(live) = ctx.children.get(key) {
            objects.insert(key.clone(), live);
        }
    }
    for one in subscriptions {
        let key = Key {
            kind: Kind::EventSubscription,
            namespace: one.namespace(),
            name: one.name_any(),
        };
        if let Ok(live) = serde_json::to_value(&*one) {
            objects.insert(key, live);
        }
    }
    let namespace = match objects.get(&desired.namespace.key) {
        Some(live) => state(live, &valid.name),
        None => match Api::<Namespace>::all(ctx.client.clone())
            .get_metadata_opt(&valid.namespace)
            .await?
        {
            None => NamespaceState::Absent,
            Some(live) => serde_json::to_value(&live)
                .map_or(NamespaceState::Foreign(None), |live| state(&live, &valid.name)),
        },
    };
    Ok(Observed { namespace, objects })
}

/// The workers of all Tenants. Who may write in one namespace can make more Deployments that look like one; only that in its
/// Tenant's namespace, by its name, is a worker.
pub fn fleet(ctx: &Context) -> Vec<Member> {
    let worker_of = |tenant: &Arc<Tenant>| {
        let key = worker_key(Kind::Deployment, tenant_namespace(tenant));
        Member::of(&ctx.children.get(&key)?, &tenant.name_any(), is_held(tenant))
    };
    ctx.tenants.state().iter().filter_map(worker_of).collect()
}

/// Whether anything keeps a Tenant's worker from a change of all workers, for longer than a moment.
fn is_held(tenant: &Tenant) -> bool {
    let settles = condition::find(tenant.conditions(), ConditionType::NamespaceReady);
    is_paused(tenant)
        || tenant.metadata.deletion_timestamp.is_some()
        || decoded::problem(tenant).is_some()
        || settles.is_none_or(|condition| condition.status != "True")
}

fn state(live: &Value, tenant: &str) -> NamespaceState {
    let label = |key: &str| live.pointer("/metadata/labels")?.get(key)?.as_str();
    match label(label::TENANT) {
        Some(owner) if owner == tenant => {
            if live
                .pointer("/metadata/deletionTimestamp")
                .is_some_and(|time| !time.is_null())
            {
                NamespaceState::Terminating
            } else if label(label::CREATED) == Some("true") {
                NamespaceState::Made
            } else {
                NamespaceState::Given
            }
        }
        other => NamespaceState::Foreign(other.map(str::to_owned)),
    }
}
