//! Pure: what has to be written to Kubernetes so that what is becomes what should be.

use std::fmt;

use crds::{Reason, label};
use serde_json::Value;

use super::{
    desired::{Desired, worker_key},
    observe::{NamespaceState, Observed},
    rollout::{self, Change, Turn},
    validate::Valid,
};
use crate::{
    failure::Failure,
    kubernetes::{Key, Kind, Manifest},
};

/// One write to Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Server-side apply.
    Apply(Manifest),
    /// Deletion of the object with this uid.
    Delete(Key, Option<String>),
    /// The number of workers stays as it is, and is the operator's no more.
    HandOver(Key, i64),
}

/// Writes in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The writes.
    pub actions: Vec<Action>,
    /// Whether the worker is held back until its subscriptions are settled.
    pub worker_waits: bool,
    /// Whether a change of all workers has come to this one; else it stays as it is until its turn.
    pub turn: Turn,
}

/// Compares. Everything goes into the namespace, so it comes first; nothing runs before its identity and its network
/// policy are there; the subscriptions come before the worker that pulls them.
///
/// # Errors
/// A [`Failure`] when the namespace is not the Tenant's, or is going away.
pub fn plan(valid: &Valid, desired: &Desired, observed: &Observed, turn: Turn) -> Result<Plan, Failure> {
    let mut actions = Vec::new();
    let stale = |manifest: &Manifest| {
        observed
            .objects
            .get(&manifest.key)
            .is_none_or(|live| !manifest.is_applied(live))
    };
    match &observed.namespace {
        NamespaceState::Absent => actions.push(Action::Apply(desired.namespace.clone())),
        NamespaceState::Made => {
            actions.extend(stale(&desired.namespace).then(|| Action::Apply(desired.namespace.clone())));
        }
        // It was there before: its labels are its owner's business.
        NamespaceState::Given => {}
        NamespaceState::Terminating => {
            return Err(Failure {
                reason: Reason::Terminating,
                ..Failure::transient(format!(
                    "Namespace {:?} is being deleted; it is made again when it is gone.",
                    valid.namespace
                ))
            });
        }
        NamespaceState::Foreign(owner) => return Err(foreign(valid, owner.as_deref())),
    }
    let apply = |manifest: &Manifest| stale(manifest).then(|| Action::Apply(manifest.clone()));
    let roll = |manifest: &Manifest| {
        let live = observed.objects.get(&manifest.key);
        let change = rollout::change(manifest, live);
        // KEDA takes a worker to zero without asking: whether it was ready has to be written down before.
        let note = desired.scaled_object.is_some() && live.is_some_and(|live| !rollout::is_noted(live));
        let now = match change {
            Change::None => note && turn == Turn::Go,
            Change::Fleet => turn == Turn::Go,
            Change::Own => true,
        };
        now.then(|| Action::Apply(rollout::noted_on(manifest, live, change)))
    };
    actions.extend(desired.ground.iter().filter_map(apply));
    // One that is being deleted takes nothing in any more, its finalizer least of all; it is made again when it is gone.
    let goes = |key: &Key| {
        let live = observed.objects.get(key);
        live.is_some_and(|live| live.pointer("/metadata/deletionTimestamp").is_some())
    };
    let subscriptions = desired.subscriptions.iter().filter(|one| !goes(&one.key));
    actions.extend(subscriptions.filter_map(apply));
    let scaled = worker_key(Kind::ScaledObject, &valid.namespace);
    // Gone before the number of workers is the operator's again.
    let unscaled =
        (desired.scaled_object.is_none() && observed.objects.contains_key(&scaled)).then_some(&scaled);
    for key in desired.unwanted.iter().chain(unscaled) {
        if !goes(key) {
            let live = observed.objects.get(key);
            let uid = live.and_then(|live| live.pointer("/metadata/uid")?.as_str());
            actions.push(Action::Delete(key.clone(), uid.map(str::to_owned)));
        }
    }
    let runs = observed.objects.keys().any(|key| key.kind == Kind::Deployment);
    let worker_waits = !runs && desired.unsettled > 0;
    if !worker_waits {
        actions.extend(desired.worker.iter().filter_map(apply));
        let rolled = roll(&desired.deployment);
        let handed = rolled
            .as_ref()
            .and_then(|_| hand_over(&desired.deployment, observed));
        // KEDA is held before it could start what was stopped, and let go when the number is its own.
        let scaled = desired.scaled_object.as_ref().and_then(apply);
        let (before, after) = match valid.suspended {
            true => (scaled, None),
            false => (None, scaled),
        };
        actions.extend([before, handed, rolled, after].into_iter().flatten());
    }
    Ok(Plan {
        actions,
        worker_waits,
        turn,
    })
}

/// When the operator has said how many workers there are, and says so no more.
fn hand_over(wanted: &Manifest, observed: &Observed) -> Option<Action> {
    let live = observed.objects.get(&wanted.key)?;
    let replicas = live.pointer("/spec/replicas")?.as_i64()?;
    let ours = live
        .pointer("/metadata/managedFields")?
        .as_array()?
        .iter()
        .filter(|one| one.get("manager").and_then(Value::as_str) == Some(label::OPERATOR))
        .any(|one| one.pointer("/fieldsV1/f:spec/f:replicas").is_some());
    let silent = wanted.body.pointer("/spec/replicas").is_none();
    (ours && silent).then(|| Action::HandOver(wanted.key.clone(), replicas))
}

fn foreign(valid: &Valid, owner: Option<&str>) -> Failure {
    let whose = owner.map_or_else(
        || {
            format!(
                "exists and does not carry the label {}={}",
                label::TENANT,
                valid.name
            )
        },
        |owner| format!("belongs to Tenant {owner:?}"),
    );
    Failure::invalid(
        Reason::NamespaceConflict,
        format!(
            "Namespace {:?} {whose}. Label it so to give it to this Tenant, or choose another spec.namespace in a new Tenant.",
            valid.namespace
        ),
    )
}

impl Action {
    /// What it is about.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Apply(manifest) => &manifest.key,
            Self::Delete(key, _) | Self::HandOver(key, _) => key,
        }
    }

    /// What it does, in a word for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Delete(..) => "delete",
            Self::HandOver(..) => "hand_over",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(manifest) => write!(f, "apply {}", manifest.key),
            Self::Delete(key, _) => write!(f, "delete {key}"),
            Self::HandOver(key, replicas) => write!(f, "leave {replicas} replicas of {key} to KEDA"),
        }
    }
}
