//! Pure: what the reconcile of a Tenant says in status.

use std::sync::Arc;

use crds::{ConditionType, EventSubscription, Reason, Tenant, TenantStatus, condition};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;

use super::validate::Valid;
use crate::{
    failure::Failure,
    status::{Conditions, Truth, Verdict},
};

/// How far a reconcile came.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Seen for the first time; nothing is done yet.
    Seen,
    /// It does not make sense.
    Invalid(&'a Failure),
    /// The namespace is not there or not its own, or could not be looked at.
    Unplanned(&'a Valid, &'a Failure),
    /// Everything was written, or everything up to a failure.
    Written(&'a Valid, &'a Parts, Option<&'a Failure>),
}

/// What the parts of a Tenant are like after the writes.
#[derive(Debug, Default)]
pub struct Parts {
    /// Its EventSubscriptions, those that are being deleted left out.
    pub subscriptions: Vec<Arc<EventSubscription>>,
    /// How many it should have.
    pub wanted: usize,
    /// The worker's Deployment, if it is there.
    pub worker: Option<Deployment>,
    /// Whether the worker is held back until the subscriptions are settled.
    pub worker_waits: bool,
    /// Whether idempotency keys are kept in the worker's memory.
    pub memory_store: bool,
}

/// The status to write.
#[must_use]
pub fn status(tenant: &Tenant, progress: &Progress<'_>, now: Timestamp) -> TenantStatus {
    let before = tenant.status.clone().unwrap_or_default();
    let generation = tenant.metadata.generation;
    let mut conditions = Conditions::new(&before.conditions, generation, now);
    let (valid, parts, verdict) = match progress {
        Progress::Seen => {
            let message = "Work begins.".to_owned();
            (
                None,
                None,
                Verdict {
                    ready: Truth::Unknown,
                    working: true,
                    reason: Reason::Progressing,
                    message,
                },
            )
        }
        Progress::Invalid(failure) => (None, None, Verdict::failed(failure)),
        Progress::Unplanned(valid, failure) => {
            conditions.say(
                ConditionType::NamespaceReady,
                Truth::False,
                failure.reason,
                &failure.message,
            );
            (Some(*valid), None, Verdict::failed(failure))
        }
        Progress::Written(valid, parts, failure) => {
            conditions.say(
                ConditionType::NamespaceReady,
                Truth::True,
                Reason::Succeeded,
                format!("Namespace {} is this Tenant's.", valid.namespace),
            );
            let subscriptions = subscriptions(parts);
            let worker = worker(valid, parts);
            conditions.say(
                ConditionType::SubscriptionsReady,
                subscriptions.ready,
                subscriptions.reason,
                &subscriptions.message,
            );
            conditions.say(
                ConditionType::WorkerReady,
                worker.ready,
                worker.reason,
                &worker.message,
            );
            let verdict = match failure {
                Some(failure) => Verdict::failed(failure),
                None if subscriptions.ready != Truth::True => subscriptions,
                None if worker.ready != Truth::True && !valid.suspended => worker,
                None => Verdict::ready(format!("{} {}", subscriptions.message, worker.message)),
            };
            (Some(*valid), Some(*parts), verdict)
        }
    };
    if let Some(valid) = valid {
        suspended(&mut conditions, valid);
    }
    let conditions = conditions.finish(&verdict);
    let status = TenantStatus {
        observed_generation: generation,
        conditions,
        ..before
    };
    match (valid, parts) {
        (Some(valid), Some(parts)) => TenantStatus {
            id: Some(valid.id.to_string()),
            namespace: Some(valid.namespace.clone()),
            subscriptions: Some(format!("{}/{}", ready(parts).count(), total(parts))),
            worker: Some(format!("{}/{}", replicas(parts).0, replicas(parts).1)),
            ..status
        },
        (Some(valid), None) => TenantStatus {
            id: Some(valid.id.to_string()),
            namespace: Some(valid.namespace.clone()),
            ..status
        },
        _ => status,
    }
}

fn suspended(conditions: &mut Conditions<'_>, valid: &Valid) {
    if valid.suspended {
        let message = "spec.suspended is true: no worker runs, and messages are kept for their retention.";
        conditions.say(ConditionType::Suspended, Truth::True, Reason::Suspended, message);
    } else {
        conditions.say(ConditionType::Suspended, Truth::False, Reason::None, "");
    }
}

fn is(one: &EventSubscription, what: ConditionType) -> bool {
    let conditions = one
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    condition::holds(conditions, what, one.metadata.generation)
}

fn ready(parts: &Parts) -> impl Iterator<Item = &Arc<EventSubscription>> {
    parts
        .subscriptions
        .iter()
        .filter(|one| is(one, ConditionType::Ready))
}

fn total(parts: &Parts) -> usize {
    parts.wanted.max(parts.subscriptions.len())
}

fn subscriptions(parts: &Parts) -> Verdict {
    let (ready, total) = (ready(parts).count(), total(parts));
    if ready == total {
        return Verdict::ready(format!("{ready} of {total} subscriptions are ready."));
    }
    // The one that needs somebody is named first.
    let open = |one: &&Arc<EventSubscription>| !is(one, ConditionType::Ready);
    let stuck = parts
        .subscriptions
        .iter()
        .find(|one| is(one, ConditionType::Stalled));
    let first = stuck
        .or_else(|| parts.subscriptions.iter().find(open))
        .map(|one| {
            let why = one
                .status
                .as_ref()
                .and_then(|status| condition::find(&status.conditions, ConditionType::Ready))
                .map_or_else(
                    || "Not looked at yet.".to_owned(),
                    |ready| format!("{}: {}", ready.reason, ready.message),
                );
            format!(" {}: {why}", one.name_any())
        });
    let message = format!(
        "{ready} of {total} subscriptions are ready.{}",
        first.unwrap_or_default()
    );
    Verdict {
        working: stuck.is_none(),
        ..Verdict::working(Reason::SubscriptionsNotReady, message)
    }
}

/// Ready workers, and those wanted.
fn replicas(parts: &Parts) -> (i32, i32) {
    let Some(worker) = &parts.worker else {
        return (0, 0);
    };
    let ready = worker
        .status
        .as_ref()
        .and_then(|status| status.ready_replicas)
        .unwrap_or(0);
    (
        ready,
        worker.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
    )
}

fn worker(valid: &Valid, parts: &Parts) -> Verdict {
    if valid.suspended {
        let message = "The worker is suspended.".to_owned();
        return Verdict {
            ready: Truth::False,
            working: false,
            reason: Reason::Suspended,
            message,
        };
    }
    if parts.worker_waits {
        return Verdict::working(
            Reason::Progressing,
            "The worker starts when its subscriptions are ready.",
        );
    }
    let Some(deployment) = &parts.worker else {
        return Verdict::working(Reason::Progressing, "The worker's Deployment is being made.");
    };
    let (ready, wanted) = replicas(parts);
    let status = deployment.status.clone().unwrap_or_default();
    let seen = status.observed_generation >= deployment.metadata.generation;
    if seen && ready >= wanted && status.updated_replicas.unwrap_or(0) >= wanted {
        let store = if parts.memory_store {
            "; idempotency keys are in its memory, so there is one"
        } else {
            ""
        };
        return Verdict::ready(format!("{ready} of {wanted} workers are ready{store}."));
    }
    let gave_up = status
        .conditions
        .unwrap_or_default()
        .into_iter()
        .find(|condition| condition.type_ == "Progressing" && condition.status == "False");
    let why = gave_up
        .as_ref()
        .and_then(|condition| condition.message.clone())
        .unwrap_or_default();
    let message = format!(
        "{ready} of {wanted} workers are ready. Look at them with: kubectl -n {} get pods; kubectl -n {} logs deploy/event-worker. {why}",
        valid.namespace, valid.namespace
    );
    Verdict {
        working: gave_up.is_none(),
        ..Verdict::working(Reason::WorkerNotReady, message.trim_end())
    }
}

/// The status while a deletion waits or does not get on.
#[must_use]
pub fn terminating(tenant: &Tenant, verdict: &Verdict, now: Timestamp) -> TenantStatus {
    let before = tenant.status.clone().unwrap_or_default();
    let generation = tenant.metadata.generation;
    let since = tenant
        .metadata
        .deletion_timestamp
        .as_ref()
        .map_or(now, |time| time.0);
    let message = format!("Deletion waits since {since}: {}", verdict.message);
    let verdict = Verdict {
        message,
        ..verdict.clone()
    };
    let conditions = Conditions::new(&before.conditions, generation, now).finish(&verdict);
    TenantStatus {
        observed_generation: generation,
        conditions,
        ..before
    }
}
