//! Pure: what has to be written to Kubernetes so that what is becomes what should be.

use std::fmt;

use crds::{Reason, label};

use super::{
    desired::Desired,
    observe::{NamespaceState, Observed},
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
}

/// Writes in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The writes.
    pub actions: Vec<Action>,
    /// Whether the worker is held back until its subscriptions are settled.
    pub worker_waits: bool,
}

/// Compares. Everything goes into the namespace, so it comes first; nothing runs before its identity and its network
/// policy are there; the subscriptions come before the worker that pulls them.
///
/// # Errors
/// A [`Failure`] when the namespace is not the Tenant's, or is going away.
pub fn plan(valid: &Valid, desired: &Desired, observed: &Observed) -> Result<Plan, Failure> {
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
    actions.extend(desired.ground.iter().filter_map(apply));
    actions.extend(desired.subscriptions.iter().filter_map(apply));
    for key in &desired.unwanted {
        let live = observed.objects.get(key);
        let text = |pointer: &str| Some(live?.pointer(pointer)?.as_str()?.to_owned());
        if text("/metadata/deletionTimestamp").is_none() {
            actions.push(Action::Delete(key.clone(), text("/metadata/uid")));
        }
    }
    let runs = observed.objects.keys().any(|key| key.kind == Kind::Deployment);
    let worker_waits = !runs && desired.unsettled > 0;
    if !worker_waits {
        actions.extend(desired.worker.iter().filter_map(apply));
    }
    Ok(Plan {
        actions,
        worker_waits,
    })
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
    /// What it does, in a word for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Delete(..) => "delete",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(manifest) => write!(f, "apply {}", manifest.key),
            Self::Delete(key, _) => write!(f, "delete {key}"),
        }
    }
}
