//! Pure: what the deletion of a Tenant does next. The worker goes first, so that nothing is handled while its
//! subscriptions go; then the EventSubscriptions, each by its own policy. The namespace stays, unless the operator made it,
//! the policy is Delete, the configuration allows it and nothing of anybody else is inside.

use crds::DeletionPolicy;

use super::{contents, observe::NamespaceState, plan::Action};
use crate::kubernetes::Key;

/// What is left of a Tenant.
#[derive(Debug, Clone)]
pub struct Remains {
    /// The namespace's name and whose it is.
    pub namespace: (String, NamespaceState),
    /// The worker's Deployment with its uid, and whether its deletion has begun.
    pub worker: Option<(Key, Option<String>, bool)>,
    /// Whether a worker still runs.
    pub pods: bool,
    /// Its EventSubscriptions with their uids, and whether their deletion has begun.
    pub subscriptions: Vec<(Key, Option<String>, bool)>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// These writes, and then another look.
    Do(Vec<Action>, String),
    /// Nothing to write; waits for what was begun.
    Wait(String),
    /// Nothing is left but the namespace.
    Finish,
}

/// Decides.
#[must_use]
pub fn next(remains: &Remains) -> Next {
    if let Some((key, uid, going)) = &remains.worker {
        let why = "The worker stops.".to_owned();
        return match going {
            true => Next::Wait(why),
            false => Next::Do(vec![Action::Delete(key.clone(), uid.clone())], why),
        };
    }
    if remains.pods {
        return Next::Wait("The worker finishes what it has begun.".to_owned());
    }
    if !remains.subscriptions.is_empty() {
        let left = remains.subscriptions.len();
        let actions: Vec<_> = remains
            .subscriptions
            .iter()
            .filter(|(_, _, going)| !going)
            .map(|(key, uid, _)| Action::Delete(key.clone(), uid.clone()))
            .collect();
        let why = format!("{left} EventSubscriptions clean up.");
        return if actions.is_empty() {
            Next::Wait(why)
        } else {
            Next::Do(actions, why)
        };
    }
    Next::Finish
}

/// What becomes of the namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamespaceEnd {
    /// It was there before the Tenant, or is gone: that is nobody's news.
    NotOurs,
    /// It stays, and people are told how to remove it.
    Stays(String),
    /// It goes.
    Goes,
}

/// Whether a look inside could let a namespace go.
#[must_use]
pub fn may_go(state: &NamespaceState, policy: DeletionPolicy) -> bool {
    *state == NamespaceState::Made && policy == DeletionPolicy::Delete
}

/// Decides about the namespace; `foreign` is what is inside of somebody else's, where the operator looked.
#[must_use]
pub fn namespace_end(
    (name, state): &(String, NamespaceState),
    policy: DeletionPolicy,
    foreign: Option<&[String]>,
) -> NamespaceEnd {
    if *state != NamespaceState::Made {
        return NamespaceEnd::NotOurs;
    }
    let why = match foreign {
        Some([]) if may_go(state, policy) => return NamespaceEnd::Goes,
        Some(foreign) if may_go(state, policy) => format!(
            ", because not all in it is the Tenant's: {}",
            contents::first_few(foreign)
        ),
        _ => ", with everything that is in it".to_owned(),
    };
    NamespaceEnd::Stays(format!(
        "Namespace {name:?} stays{why}. To remove both: kubectl delete namespace {name}"
    ))
}
