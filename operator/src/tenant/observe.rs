//! I/O, reads only: what is in Kubernetes now. From the caches; only a namespace that the operator does not know yet is
//! asked for, because taking over somebody's would be worse than a call.

use std::{collections::BTreeMap, sync::Arc};

use crds::{ConditionType, Conditioned as _, Tenant, condition, label};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::{
    desired::{Desired, worker_key},
    plan::repair,
    rollout::Member,
    validate::{Valid, tenant_namespace},
};
use crate::{
    context::Context,
    kubernetes::{Key, Kind, Manifest, decoded, field_owners, read, repairs::Standing},
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
    /// The objects that somebody else changes again and again.
    pub contests: BTreeMap<Key, Contest>,
}

/// Somebody else writes what is the operator's, again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contest {
    /// Whether it was put right just now, so that it waits until the next resync.
    pub held: bool,
    /// Who writes what, in words.
    pub what: String,
}

impl Observed {
    /// Whether an object is left as it is for now, since it was put right just now.
    #[must_use]
    pub fn is_held(&self, key: &Key) -> bool {
        self.contests.get(key).is_some_and(|one| one.held)
    }
}

/// Looks.
///
/// # Errors
/// When the namespace has to be asked for and cannot be.
pub async fn observe(valid: &Valid, desired: &Desired, ctx: &Context) -> kube::Result<Observed> {
    let subscriptions = ctx.subscriptions.of(&valid.namespace);
    let mut objects = BTreeMap::new();
    let scaled = worker_key(Kind::ScaledObject, &valid.namespace);
    let wanted = desired.manifests().map(|manifest| &manifest.key);
    for key in wanted.chain([&scaled]) {
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
    let contests = contests(desired, &objects, ctx).await?;
    Ok(Observed {
        namespace,
        objects,
        contests,
    })
}

/// The objects that were put right not long ago and are not as wanted again. Who changes them, the caches do not know.
async fn contests(
    desired: &Desired,
    objects: &BTreeMap<Key, Value>,
    ctx: &Context,
) -> kube::Result<BTreeMap<Key, Contest>> {
    let window = ctx.settings.resync.mul_f64(REPAIR_WINDOW);
    let mut contests = BTreeMap::new();
    for manifest in desired.manifests() {
        let standing = ctx.repairs.standing(manifest, window);
        let drifted = || {
            let live = objects.get(&manifest.key);
            live.is_some_and(|live| !repair(manifest, Some(live)).is_empty())
        };
        if standing == Standing::Calm || !drifted() {
            continue;
        }
        let live = read::whole(&ctx.client, &manifest.key).await?;
        if let Some(what) = live.and_then(|live| contested(manifest, &live)) {
            let held = standing == Standing::Held;
            contests.insert(manifest.key.clone(), Contest { held, what });
        }
    }
    Ok(contests)
}

/// Who changes what, in words; nothing where the object is as wanted by now.
fn contested(manifest: &Manifest, live: &Value) -> Option<String> {
    let key = &manifest.key;
    if let Some((field, by)) = field_owners::intruder(live) {
        return Some(format!("{by:?} puts {field} into {key}"));
    }
    if let Some(field) = field_owners::lost(live, &manifest.body) {
        return Some(match field_owners::owner_of(live, &field) {
            Some(by) => format!("{by:?} changes {field} of {key}"),
            None => format!("somebody takes {field} away from {key}"),
        });
    }
    (!manifest.is_noted_on(live)).then(|| {
        format!("somebody takes the annotation that says what was applied away from {key}, or admission does")
    })
}

/// For so much of a resync a repair counts as just made: a little less than the shortest resync.
pub const REPAIR_WINDOW: f64 = 0.8;

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
    is_paused(tenant)
        || tenant.metadata.deletion_timestamp.is_some()
        || decoded::problem(tenant).is_some()
        || !condition::is_true(tenant.conditions(), ConditionType::NamespaceReady)
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
