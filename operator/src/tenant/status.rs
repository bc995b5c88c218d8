//! Pure: what the reconcile of a Tenant says in status.

use std::{collections::BTreeSet, sync::Arc};

use crds::{
    ConditionType, Conditioned as _, EventSubscription, Reason, Tenant, TenantStatus, condition, label,
};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt as _;

use super::{
    binding::Standing,
    brake::{Brake, Halted},
    desired::worker_key,
    rollout::Turn,
    scaling::Mode,
    validate::Valid,
};
use crate::{
    failure::Failure,
    kubernetes::{Key, Kind},
    settings::IdempotencyStore,
    status::{Conditions, Truth, Verdict},
};

/// How far a reconcile came.
#[derive(Debug)]
pub enum Progress<'a> {
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
    /// What this reconcile wrote: the caches still show it as it was before, so that nothing of it counts as ready.
    pub written: BTreeSet<Key>,
    /// The worker's Deployment, if it is there.
    pub worker: Option<Deployment>,
    /// Whether the worker is held back until the subscriptions are settled.
    pub worker_waits: bool,
    /// Whether a change of all workers has come to this one.
    pub turn: Turn,
    /// Whether a change of settings has halted before this one.
    pub brake: Brake,
    /// Where its worker remembers handled events.
    pub store: IdempotencyStore,
    /// Who decides how many workers run.
    pub mode: Mode,
}

/// The status to write.
#[must_use]
pub fn status(tenant: &Tenant, progress: &Progress<'_>, now: Timestamp) -> TenantStatus {
    let before = tenant.status.clone().unwrap_or_default();
    let generation = tenant.metadata.generation;
    let mut conditions = Conditions::new(&before.conditions, generation, now);
    let (valid, parts, verdict) = match progress {
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
                subscriptions.ready.into(),
                subscriptions.reason,
                &subscriptions.message,
            );
            conditions.say(
                ConditionType::WorkerReady,
                worker.ready.into(),
                worker.reason,
                &worker.message,
            );
            let verdict = match (failure, &parts.brake) {
                (Some(failure), _) => Verdict::failed(failure),
                (None, Brake::On(change)) => Verdict {
                    ready: false,
                    working: false,
                    reason: Reason::ChangeHalted,
                    message: halted(change),
                },
                (None, Brake::Off) => asked(valid, subscriptions, worker),
            };
            brake(&mut conditions, &parts.brake);
            (Some(*valid), Some(*parts), verdict)
        }
    };
    if let Some(valid) = valid {
        suspended(&mut conditions, valid, parts);
        let (truth, reason, message) = in_place(valid);
        conditions.say(ConditionType::InPlace, truth, reason, message);
    }
    let conditions = conditions.finish(&verdict);
    let written = tenant.annotations().get(label::BINDING);
    let binding = valid
        .filter(|valid| valid.standing.is_bound)
        .and_then(|_| serde_json::from_str(written?).ok());
    let status = TenantStatus {
        observed_generation: generation,
        conditions,
        ..before
    };
    match (valid, parts) {
        (Some(valid), Some(parts)) => TenantStatus {
            id: Some(valid.id.to_string()),
            namespace: Some(valid.namespace.clone()),
            binding,
            subscriptions: Some(format!("{}/{}", ready(parts).count(), total(parts))),
            worker: Some(format!("{}/{}", replicas(parts).0, replicas(parts).1)),
            ..status
        },
        (Some(valid), None) => TenantStatus {
            id: Some(valid.id.to_string()),
            namespace: Some(valid.namespace.clone()),
            binding,
            ..status
        },
        _ => status,
    }
}

/// What comes of the parts.
fn asked(valid: &Valid, subscriptions: Verdict, worker: Verdict) -> Verdict {
    if !subscriptions.ready {
        return subscriptions;
    }
    // Stopped on request is as asked.
    if !worker.ready && worker.reason != Reason::Suspended {
        return worker;
    }
    if valid.standing.held_by.is_some() || valid.standing.is_frozen() {
        let (_, reason, message) = in_place(valid);
        return Verdict {
            ready: false,
            working: false,
            reason,
            message,
        };
    }
    Verdict::ready(format!("{} {}", subscriptions.message, worker.message))
}

fn brake(conditions: &mut Conditions<'_>, brake: &Brake) {
    match brake {
        Brake::Off => conditions.say(ConditionType::ChangeHalted, Truth::False, Reason::None, ""),
        Brake::On(change) => conditions.say(
            ConditionType::ChangeHalted,
            Truth::True,
            Reason::ChangeHalted,
            halted(change),
        ),
    }
}

/// What to know of a change that halted, and what lets it go on.
#[must_use]
pub fn halted(change: &Halted) -> String {
    let Halted {
        come_to,
        fleet,
        digest,
    } = change;
    format!(
        "The operator's configuration takes or moves subscriptions of more Tenants than brake allows; it came to {come_to} of {fleet} and halts. If that is meant, set brake.goOn to {digest:?} in the operator's configuration; else restore catalogue and move."
    )
}

/// Whether it is where it is asked to be; names both sides when it is not, and what to do.
fn in_place(valid: &Valid) -> (Truth, Reason, String) {
    let Standing {
        is_bound,
        here,
        former,
        asked,
        held_by,
        may_move: _,
    } = &valid.standing;
    if let Some(cluster) = held_by {
        return (
            Truth::False,
            Reason::ClusterMismatch,
            format!(
                "The event plane belongs to the operator of cluster {cluster:?}. To take it over, add that to adoptFrom in the operator's configuration."
            ),
        );
    }
    if !is_bound {
        let nothing = "Nothing was made yet.".to_owned();
        return (Truth::Unknown, Reason::Pending, nothing);
    }
    if valid.standing.is_frozen() {
        return (
            Truth::False,
            Reason::MoveRequired,
            format!(
                "The event plane is in {here}, and spec and the operator's configuration ask for {asked} (PROJECT/PREFIX). It stays, and is looked after where it is. To move it: kubectl annotate tenant {} {}={asked} --overwrite. Else restore projectId and topicPrefix.",
                valid.name,
                label::MOVE
            ),
        );
    }
    match former.as_slice() {
        [] => (Truth::True, Reason::Succeeded, format!("It is in {here}.")),
        left => {
            let left: Vec<_> = left.iter().map(ToString::to_string).collect();
            (
                Truth::True,
                Reason::Moving,
                format!(
                    "It is in {here}. What is left in {} is still handled and kept.",
                    left.join(", ")
                ),
            )
        }
    }
}

fn suspended(conditions: &mut Conditions<'_>, valid: &Valid, parts: Option<&Parts>) {
    let (truth, reason, message) = match valid.suspended {
        false => (Truth::False, Reason::None, ""),
        true if parts.is_some_and(|parts| !may_run(valid, parts)) => (
            Truth::True,
            Reason::Suspended,
            "spec.suspend is true: no worker runs, and messages are kept for their retention.",
        ),
        true => (
            Truth::False,
            Reason::Progressing,
            "spec.suspend is true, and the worker is being stopped.",
        ),
    };
    conditions.say(ConditionType::Suspended, truth, reason, message);
}

/// Whether a worker that was stopped may still run.
fn may_run(valid: &Valid, parts: &Parts) -> bool {
    parts.worker.as_ref().is_some_and(|deployment| {
        let replicas = deployment.status.as_ref().and_then(|status| status.replicas);
        worker_is_written(valid, parts) || !is_seen(deployment) || replicas > Some(0)
    })
}

fn worker_is_written(valid: &Valid, parts: &Parts) -> bool {
    parts
        .written
        .contains(&worker_key(Kind::Deployment, &valid.namespace))
}

/// Whether its controller has seen it as it is.
fn is_seen(deployment: &Deployment) -> bool {
    let seen = deployment
        .status
        .as_ref()
        .and_then(|status| status.observed_generation);
    seen >= deployment.metadata.generation
}

fn is(one: &EventSubscription, what: ConditionType) -> bool {
    condition::holds(one.conditions(), what, one.metadata.generation)
}

fn is_ready(parts: &Parts, one: &EventSubscription) -> bool {
    !is_written(parts, one) && is(one, ConditionType::Ready)
}

fn is_written(parts: &Parts, one: &EventSubscription) -> bool {
    parts.written.contains(&Key {
        kind: Kind::EventSubscription,
        namespace: one.namespace(),
        name: one.name_any(),
    })
}

fn ready(parts: &Parts) -> impl Iterator<Item = &Arc<EventSubscription>> {
    parts.subscriptions.iter().filter(|one| is_ready(parts, one))
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
    let open = |one: &&Arc<EventSubscription>| !is_ready(parts, one);
    let stuck = parts
        .subscriptions
        .iter()
        .find(|one| is(one, ConditionType::Stalled));
    let first = stuck
        .or_else(|| parts.subscriptions.iter().find(open))
        .map(|one| {
            if is_written(parts, one) {
                return format!(" {} was written just now.", one.name_any());
            }
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
    if parts.worker_waits {
        return Verdict::working(
            Reason::Progressing,
            "The worker starts when its subscriptions are ready.",
        );
    }
    let Some(deployment) = &parts.worker else {
        return Verdict::working(Reason::Progressing, "The worker's Deployment is being made.");
    };
    if worker_is_written(valid, parts) {
        return Verdict::working(
            Reason::Progressing,
            "The worker's Deployment was written just now.",
        );
    }
    if valid.suspended && may_run(valid, parts) {
        return Verdict::working(Reason::Progressing, "The worker is being stopped.");
    }
    if valid.suspended {
        let message = "The worker is suspended.".to_owned();
        return Verdict {
            ready: false,
            working: false,
            reason: Reason::Suspended,
            message,
        };
    }
    let (ready, wanted) = replicas(parts);
    let status = deployment.status.clone().unwrap_or_default();
    let updated = match is_seen(deployment) {
        true => status.updated_replicas.unwrap_or(0),
        false => 0,
    };
    if ready >= wanted && updated >= wanted {
        let store = if parts.store.is_memory() {
            "; idempotency keys are in its memory, so there is one"
        } else {
            ""
        };
        let scaling = parts.mode.why().map(|why| format!("; {why}")).unwrap_or_default();
        return as_of_the_fleet(
            &parts.turn,
            Verdict::ready(format!("{ready} of {wanted} workers are ready{store}{scaling}.")),
        );
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
    let namespace = &valid.namespace;
    let needs = parts.store.access.as_ref().map_or(String::new(), |access| {
        format!(
            " They begin only when there is a Secret {:?} in that namespace.",
            access.secret
        )
    });
    let newest = match ready < wanted {
        true => String::new(),
        false => format!(", and {updated} of the newest version"),
    };
    let message = format!(
        "{ready} of {wanted} workers are ready{newest}. Look at them with: kubectl -n {namespace} get pods; kubectl -n {namespace} logs deploy/event-worker.{needs} {why}"
    );
    Verdict {
        working: gave_up.is_none(),
        ..Verdict::working(Reason::WorkerNotReady, message.trim_end())
    }
}

/// A worker that is ready and waits for a change says so; that is no reason not to be ready.
fn as_of_the_fleet(turn: &Turn, verdict: Verdict) -> Verdict {
    let (reason, why) = match turn {
        Turn::Go => return verdict,
        Turn::Wait(others) => (
            verdict.reason,
            format!("A new version of it waits for {others} others that change."),
        ),
        Turn::Halted(regressed) => (
            Reason::RolloutHalted,
            format!(
                "A new version of it is held back: with it these were not ready in time: {}. Mend them or the operator's configuration.",
                first_few(regressed)
            ),
        ),
    };
    Verdict {
        reason,
        message: format!("{} {why}", verdict.message),
        ..verdict
    }
}

fn first_few(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(3).map(String::as_str).collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
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
