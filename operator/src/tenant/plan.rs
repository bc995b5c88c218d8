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
    kubernetes::{Key, Kind, Manifest, field_owners},
};

/// One write to Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Server-side apply.
    Apply(Manifest),
    /// A merge patch that takes away what is somebody else's and may not be there.
    TakeAway(Key, Value),
    /// Deletion of the object with this uid.
    Delete(Key, Option<String>),
    /// Deletion of the generated EventSubscription with this uid that the Tenant asks for no more.
    Withdraw(Key, Option<String>),
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
    /// What somebody else writes again and again, in words.
    pub contested: Vec<String>,
}

/// The writes that put an object right: none where it is as wanted.
#[must_use]
pub fn repair(manifest: &Manifest, live: Option<&Value>) -> Vec<Action> {
    let Some(live) = live else {
        return vec![Action::Apply(manifest.clone())];
    };
    let key = &manifest.key;
    let former = manifest.without_former_owners(live);
    // What an EventSubscription says beside what its Tenant asks for would be carried out as well.
    let foreign = match key.kind {
        Kind::EventSubscription => field_owners::without_foreign_spec(live, &manifest.body),
        Kind::Namespace
        | Kind::ServiceAccount
        | Kind::NetworkPolicy
        | Kind::ConfigMap
        | Kind::Deployment
        | Kind::PodDisruptionBudget
        | Kind::ScaledObject => None,
    };
    let taken = former.into_iter().chain(foreign);
    taken
        .map(|patch| Action::TakeAway(key.clone(), patch))
        .chain((!manifest.is_applied(live)).then(|| Action::Apply(manifest.clone())))
        .collect()
}

/// Compares. Everything goes into the namespace, so it comes first; nothing runs before its identity and its network
/// policy are there; the subscriptions come before the worker that pulls them.
///
/// # Errors
/// A [`Failure`] when the namespace is not the Tenant's, or is going away.
pub fn plan(valid: &Valid, desired: &Desired, observed: &Observed, turn: Turn) -> Result<Plan, Failure> {
    let mut actions = Vec::new();
    let apply = |manifest: &Manifest| match observed.is_held(&manifest.key) {
        true => vec![],
        false => repair(manifest, observed.objects.get(&manifest.key)),
    };
    match &observed.namespace {
        NamespaceState::Absent => actions.push(Action::Apply(desired.namespace.clone())),
        NamespaceState::Made => actions.extend(apply(&desired.namespace)),
        // It was there before: its labels are its owner's business.
        NamespaceState::Given => {}
        NamespaceState::Terminating => return Err(terminating(valid, desired, observed)),
        NamespaceState::Foreign(owner) => return Err(foreign(valid, owner.as_deref())),
    }
    let roll = |manifest: &Manifest| {
        let live = observed.objects.get(&manifest.key);
        let change = rollout::change(manifest, live);
        let noted = rollout::noted_on(manifest, live, change);
        // KEDA takes a worker to zero without asking: whether it was ready has to be written down before.
        let note = turn == Turn::Go
            && desired.scaled_object.is_some()
            && live.is_some_and(|live| !rollout::is_noted(live));
        let now = change != Change::Fleet || turn == Turn::Go;
        let held = observed.is_held(&manifest.key);
        let writes = if now && !held {
            repair(&noted, live)
        } else {
            vec![]
        };
        // A wish that is applied is so with or without what is noted on it.
        let is_needed = |one: &Action| change != Change::None || note || !matches!(one, Action::Apply(_));
        writes.into_iter().filter(is_needed).collect::<Vec<_>>()
    };
    actions.extend(desired.ground.iter().flat_map(apply));
    // One that is being deleted takes nothing in any more, its finalizer least of all; it is made again when it is gone.
    let goes = |key: &Key| {
        let live = observed.objects.get(key);
        live.is_some_and(|live| live.pointer("/metadata/deletionTimestamp").is_some())
    };
    let subscriptions = desired.subscriptions.iter().filter(|one| !goes(&one.key));
    actions.extend(subscriptions.flat_map(apply));
    let scaled = worker_key(Kind::ScaledObject, &valid.namespace);
    // Gone before the number of workers is the operator's again.
    let unscaled =
        (desired.scaled_object.is_none() && observed.objects.contains_key(&scaled)).then_some(&scaled);
    let uid = |key: &Key| {
        let live = observed.objects.get(key);
        let uid = live.and_then(|live| live.pointer("/metadata/uid")?.as_str());
        uid.map(str::to_owned)
    };
    let unasked = desired.unwanted.iter().chain(&desired.withdrawn);
    let withdraw = |key: &Key| Action::Withdraw(key.clone(), uid(key));
    actions.extend(unasked.filter(|key| !goes(key)).map(withdraw));
    let delete = |key: &Key| Action::Delete(key.clone(), uid(key));
    actions.extend(unscaled.filter(|key| !goes(key)).map(delete));
    let runs = observed.objects.keys().any(|key| key.kind == Kind::Deployment);
    let worker_waits = !runs && desired.unsettled > 0;
    if !worker_waits {
        actions.extend(desired.worker.iter().flat_map(apply));
        let rolled = roll(&desired.deployment);
        let writes = rolled.iter().any(|one| matches!(one, Action::Apply(_)));
        let handed: Vec<_> = match writes {
            true => hand_over(&desired.deployment, observed).into_iter().collect(),
            false => vec![],
        };
        // KEDA is held before it could start what was stopped, and let go when the number is its own.
        let scaled = desired.scaled_object.as_ref().map(apply).unwrap_or_default();
        let (before, after) = match valid.suspended {
            true => (scaled, vec![]),
            false => (vec![], scaled),
        };
        actions.extend([before, handed, rolled, after].into_iter().flatten());
    }
    Ok(Plan {
        actions,
        worker_waits,
        turn,
        contested: observed.contests.values().map(|one| one.what.clone()).collect(),
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

/// What holds a namespace that goes, in its own words
/// (<https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/namespace-v1/#NamespaceStatus>).
fn terminating(valid: &Valid, desired: &Desired, observed: &Observed) -> Failure {
    let live = observed.objects.get(&desired.namespace.key);
    let conditions = live.and_then(|live| live.pointer("/status/conditions")?.as_array());
    let held: Vec<_> = conditions
        .into_iter()
        .flatten()
        .filter(|one| one["status"] == "True")
        .filter_map(|one| one["message"].as_str())
        .map(|message| message.trim_end_matches('.'))
        .collect();
    let holds = match held.is_empty() {
        true => String::new(),
        false => format!(" What holds it: {}.", held.join("; ")),
    };
    Failure {
        reason: Reason::Terminating,
        ..Failure::transient(format!(
            "Namespace {:?} is being deleted; it is made again when it is gone.{holds}",
            valid.namespace
        ))
    }
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
    /// Every word of [`Action::as_str`].
    pub const WORDS: [&'static str; 4] = ["apply", "take_away", "delete", "hand_over"];

    /// What it is about.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Apply(manifest) => &manifest.key,
            Self::TakeAway(key, _)
            | Self::Delete(key, _)
            | Self::Withdraw(key, _)
            | Self::HandOver(key, _) => key,
        }
    }

    /// What it does, in a word for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::TakeAway(..) => "take_away",
            Self::Delete(..) | Self::Withdraw(..) => "delete",
            Self::HandOver(..) => "hand_over",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(manifest) => write!(f, "apply {}", manifest.key),
            Self::TakeAway(key, _) => write!(f, "take away from {key} what was put in by others"),
            Self::Delete(key, _) | Self::Withdraw(key, _) => write!(f, "delete {key}"),
            Self::HandOver(key, replicas) => write!(f, "leave {replicas} replicas of {key} to KEDA"),
        }
    }
}
