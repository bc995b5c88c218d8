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
    desired::handler_auth,
    rollout::Turn,
    scaling::Mode,
    validate::Valid,
};
use crate::{
    failure::Failure,
    settings::{IdempotencyStore, template::env_secrets},
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
    /// What somebody else writes again and again, in words.
    pub contested: Vec<String>,
    /// EventSubscriptions that somebody has for their own, in the place of those that the Tenant asks for.
    pub overridden: Vec<String>,
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
            others(&mut conditions, parts);
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
            effective_settings: valid.effective.clone(),
            ..counted(parts, status)
        },
        (Some(valid), None) => TenantStatus {
            id: Some(valid.id.to_string()),
            namespace: Some(valid.namespace.clone()),
            binding,
            effective_settings: valid.effective.clone(),
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

/// How many of what it has are ready, as numbers and as words for columns.
fn counted(parts: &Parts, status: TenantStatus) -> TenantStatus {
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let (subscriptions, total) = (number(ready(parts).count()), number(total(parts)));
    let (workers, wanted) = replicas(parts);
    TenantStatus {
        subscriptions: Some(format!("{subscriptions}/{total}")),
        ready_subscriptions: Some(subscriptions),
        desired_subscriptions: Some(total),
        worker: Some(format!("{workers}/{wanted}")),
        ready_workers: Some(workers),
        desired_workers: Some(wanted),
        ..status
    }
}

fn suspended(conditions: &mut Conditions<'_>, valid: &Valid, parts: Option<&Parts>) {
    let (truth, reason, message) = match valid.suspended {
        false => (Truth::False, Reason::None, ""),
        true if parts.is_some_and(|parts| !may_run(parts)) => (
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

/// What others do to what is the Tenant's; neither is a reason not to be ready.
fn others(conditions: &mut Conditions<'_>, parts: &Parts) {
    let mut flag = |type_, reason, message: Option<String>| {
        let reason = if message.is_some() { reason } else { Reason::None };
        conditions.say(
            type_,
            message.is_some().into(),
            reason,
            message.unwrap_or_default(),
        );
    };
    flag(
        ConditionType::Contested,
        Reason::FieldsContested,
        contested(&parts.contested),
    );
    let overridden = (!parts.overridden.is_empty()).then(|| {
        format!(
            "Applied by hand, so that the Tenant's own settings do not count: EventSubscription {}. Delete it to have the Tenant's own again.",
            parts.overridden.join(", ")
        )
    });
    flag(ConditionType::Overridden, Reason::AppliedByHand, overridden);
}

/// What to know of those who write the operator's fields; nothing where nobody does.
#[must_use]
pub fn contested(what: &[String]) -> Option<String> {
    (!what.is_empty()).then(|| {
        format!(
            "Others write what is the operator's, again and again: {}. It is put right once per resync; let them leave it alone.",
            what.join("; ")
        )
    })
}

/// Whether a worker that was stopped may still run.
fn may_run(parts: &Parts) -> bool {
    parts.worker.as_ref().is_some_and(|deployment| {
        let replicas = deployment.status.as_ref().and_then(|status| status.replicas);
        !is_seen(deployment) || replicas > Some(0)
    })
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

fn is_ready(one: &EventSubscription) -> bool {
    is(one, ConditionType::Ready)
}

fn ready(parts: &Parts) -> impl Iterator<Item = &Arc<EventSubscription>> {
    parts.subscriptions.iter().filter(|one| is_ready(one))
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
    let open = |one: &&Arc<EventSubscription>| !is_ready(one);
    let stuck = parts
        .subscriptions
        .iter()
        .find(|one| is(one, ConditionType::Stalled));
    let first = stuck
        .or_else(|| parts.subscriptions.iter().find(open))
        .map(|one| {
            let why = match condition::find(one.conditions(), ConditionType::Ready) {
                None => "Not looked at yet.".to_owned(),
                // What is said of it is said of what it was before.
                Some(ready) if ready.status == "True" => "It was changed just now.".to_owned(),
                Some(ready) => format!("{}: {}", ready.reason, ready.message),
            };
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
    if !is_seen(deployment) {
        return Verdict::working(
            Reason::Progressing,
            "The worker's Deployment was changed just now.",
        );
    }
    if valid.suspended && may_run(parts) {
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
    let updated = status.updated_replicas.unwrap_or(0);
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
    let conditions = status.conditions.unwrap_or_default();
    let with = |type_: &str, status: &str| {
        let found = conditions
            .iter()
            .find(|one| one.type_ == type_ && one.status == status);
        found.map(|one| one.message.clone().unwrap_or_default())
    };
    let gave_up = with("Progressing", "False");
    // There is no pod to look at, and no log to read: a quota or a policy takes none.
    let refused = with("ReplicaFailure", "True").map(|why| format!("Its pods are refused: {why}"));
    let newest = match ready < wanted {
        true => String::new(),
        false => format!(", and {updated} of the newest version"),
    };
    let advice = refused.unwrap_or_else(|| look_at_pods(valid, parts));
    let why = gave_up.clone().unwrap_or_default();
    let message = format!("{ready} of {wanted} workers are ready{newest}. {advice} {why}");
    Verdict {
        working: gave_up.is_none(),
        ..Verdict::working(Reason::WorkerNotReady, message.trim_end())
    }
}

fn look_at_pods(valid: &Valid, parts: &Parts) -> String {
    let namespace = &valid.namespace;
    let secrets: Vec<_> = needed_secrets(valid, parts)
        .iter()
        .map(|name| format!("{name:?}"))
        .collect();
    let needs = match secrets.as_slice() {
        [] => String::new(),
        [secret] => format!(" They begin only when there is a Secret {secret} in that namespace."),
        all => format!(
            " They begin only when there are Secrets {} in that namespace.",
            all.join(", ")
        ),
    };
    format!(
        "Look at them with: kubectl -n {namespace} get pods; kubectl -n {namespace} logs deploy/event-worker.{needs}"
    )
}

/// The Secrets without which no pod begins. The operator may not read Secrets, so it names them all.
fn needed_secrets(valid: &Valid, parts: &Parts) -> BTreeSet<String> {
    let worker = &valid.worker;
    let auth = worker.handler.http.iter().flat_map(|http| &http.auth);
    let mut all: BTreeSet<_> = auth.flat_map(handler_auth::secrets).collect();
    all.extend(worker.template.secrets());
    all.extend(env_secrets(&worker.env));
    all.extend(parts.store.access.iter().map(|access| access.secret.clone()));
    all
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
