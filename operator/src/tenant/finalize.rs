//! Pure: what the deletion of a Tenant does next. The worker goes first, so that nothing is handled while its
//! subscriptions go; then the EventSubscriptions, each by its own policy; then the namespace, if the operator made it,
//! the policy is Delete and nobody else's workload is inside.

use crds::DeletionPolicy;

use super::{observe::NamespaceState, plan::Action};
use crate::kubernetes::{Key, Kind};

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
    /// Whether the namespace holds a pod that is not the worker's.
    pub foreign_pods: bool,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// These writes, and then another look.
    Do(Vec<Action>, String),
    /// Nothing to write; waits for what was begun.
    Wait(String),
    /// Nothing is left: the finalizer may go, after these writes.
    Finish(Vec<Action>),
}

/// Decides.
#[must_use]
pub fn next(remains: &Remains, policy: DeletionPolicy) -> Next {
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
    let (name, state) = &remains.namespace;
    let may_go = *state == NamespaceState::Made && policy == DeletionPolicy::Delete && !remains.foreign_pods;
    Next::Finish(match may_go {
        true => vec![Action::Delete(
            Key {
                kind: Kind::Namespace,
                namespace: None,
                name: name.clone(),
            },
            None,
        )],
        false => vec![],
    })
}
