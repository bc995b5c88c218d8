//! I/O, writes only: carries out a plan, step by step, and stops at the first that fails.

use kube::Client;

use super::plan::Action;
use crate::{failure::Failure, kubernetes::write, metrics::Metrics};

/// How far a plan got.
#[derive(Debug)]
pub struct Outcome {
    /// So many writes are done.
    pub applied: usize,
    /// Why the next one is not.
    pub failure: Option<Failure>,
}

/// Carries out writes.
pub async fn apply(client: &Client, metrics: &Metrics, actions: &[Action]) -> Outcome {
    for (applied, action) in actions.iter().enumerate() {
        let written = match action {
            Action::Apply(manifest) => write::apply(client, manifest).await,
            Action::Delete(key, uid) => write::delete(client, key, uid.as_deref()).await,
            Action::HandOver(key, replicas) => write::hand_over(client, key, *replicas).await,
        };
        if let Err(error) = written {
            let failure = Failure::from(error);
            let message = format!("Cannot {action}. {}", failure.message);
            return Outcome {
                applied,
                failure: Some(Failure { message, ..failure }),
            };
        }
        metrics.wrote("Tenant", action.as_str());
    }
    Outcome {
        applied: actions.len(),
        failure: None,
    }
}
