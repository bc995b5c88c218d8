//! I/O, writes only: carries out a plan, step by step, and stops at the first that fails.

use std::collections::BTreeMap;

use kube::Client;
use serde_json::Value;

use super::plan::Action;
use crate::{
    failure::Failure,
    kubernetes::{Key, Kind, generated, write},
    metrics::Metrics,
};

/// How far a plan got.
#[derive(Debug, Default)]
pub struct Outcome {
    /// So many writes are done.
    pub applied: usize,
    /// Those of them that changed something: the API server takes a write of what is there already for none.
    pub changed: Vec<Action>,
    /// The objects that were written, as they are now; the caches do not show it yet.
    pub objects: BTreeMap<Key, Value>,
    /// Why the next one is not.
    pub failure: Option<Failure>,
}

/// Carries out writes.
pub async fn apply(client: &Client, metrics: &Metrics, actions: &[Action]) -> Outcome {
    apply_to(client, metrics, actions, &BTreeMap::new()).await
}

/// Carries out writes to objects that were like this before.
pub async fn apply_to(
    client: &Client,
    metrics: &Metrics,
    actions: &[Action],
    before: &BTreeMap<Key, Value>,
) -> Outcome {
    let mut outcome = Outcome {
        applied: 0,
        changed: Vec::new(),
        objects: BTreeMap::new(),
        failure: None,
    };
    for action in actions {
        let key = action.key();
        let version = version(outcome.objects.get(key).or_else(|| before.get(key)));
        let written = match action {
            Action::Apply(manifest) if key.kind == Kind::EventSubscription => {
                generated::apply(client, manifest, version).await
            }
            Action::Withdraw(key, uid) => generated::delete(client, key, uid.as_deref())
                .await
                .map(|()| None),
            Action::Apply(manifest) => write::apply(client, manifest).await.map(Some),
            Action::TakeAway(key, patch) => write::take_away(client, key, patch, version).await.map(Some),
            Action::Delete(key, uid) => write::delete(client, key, uid.as_deref()).await.map(|()| None),
            Action::HandOver(key, replicas) => write::hand_over(client, key, *replicas).await.map(Some),
        };
        match written {
            Ok(written) => {
                let is_change = self::version(written.as_ref()).is_none_or(|now| version != Some(now));
                if is_change {
                    metrics.wrote("Tenant", action.as_str());
                    outcome.changed.push(action.clone());
                }
                outcome.applied += 1;
                outcome
                    .objects
                    .extend(written.map(|object| (key.clone(), object)));
            }
            Err(error) => {
                let failure = Failure::from(error);
                let message = format!("Cannot {action}. {}", failure.message);
                outcome.failure = Some(Failure { message, ..failure });
                break;
            }
        }
    }
    outcome
}

fn version(object: Option<&Value>) -> Option<&str> {
    object?.pointer("/metadata/resourceVersion")?.as_str()
}
