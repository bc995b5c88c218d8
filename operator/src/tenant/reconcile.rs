//! The pipeline of a Tenant: validate → desired → observe → plan → apply → status.

use std::{sync::Arc, time::Duration};

use crds::{ConditionType, Conditioned as _, EventSubscription, Reason, Tenant, condition, label};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _, api::ListParams, runtime::events::EventType};
use tokio::time::Instant;

use super::{
    apply,
    desired::{self, Desired, desired},
    finalize::{self, Remains},
    observe::{NamespaceState, Observed, REPAIR_WINDOW, fleet, observe},
    plan::{Action, Plan, plan},
    rollout::{self, Change, Turn},
    scaling::Mode,
    status::{self, Parts, Progress},
    validate::{self, Valid, tenant_namespace},
};
use crate::{
    context::{Context, Next},
    failure::{Class, Failure},
    kubernetes::{Key, Kind, write},
    queue::is_kept,
    status::Verdict,
    subscription::strays,
};

/// How soon a deletion that waits is looked at again; what it waits for is watched too.
const DELETION_POLL: Duration = Duration::from_secs(2);

/// How soon a worker that waits for its turn asks again.
const TURN_POLL: Duration = Duration::from_secs(10);

/// One look at one Tenant. Says after how long to look again, if nothing changes before; a failure is an outcome too, with its
/// status, its event and its time to come back.
pub async fn reconcile(tenant: Arc<Tenant>, ctx: Arc<Context>) -> Option<Duration> {
    let started = Instant::now();
    let result = if tenant.metadata.deletion_timestamp.is_some() {
        delete(&tenant, &ctx).await
    } else {
        keep(&tenant, &ctx).await
    };
    ctx.end(&*tenant, started, result).await
}

fn api(ctx: &Context) -> Api<Tenant> {
    Api::all(ctx.client.clone())
}

async fn keep(tenant: &Tenant, ctx: &Context) -> Result<Next, Failure> {
    ctx.filled().await?;
    // Work goes on with what the API server answers: the cache does not know of it yet.
    let finalized;
    let tenant = if tenant.finalizers().iter().any(|one| one == label::FINALIZER) {
        tenant
    } else {
        finalized = write::set_finalizer(&api(ctx), tenant, true).await?;
        &finalized
    };
    let valid = match validate::validate(tenant, &ctx.tenants.state(), &ctx.settings) {
        Ok(valid) => valid,
        Err(failure) => {
            say(tenant, ctx, &Progress::Invalid(&failure)).await?;
            return Err(failure);
        }
    };
    // Asked once: KEDA may come or go while it is written.
    let mode = Mode::of(&valid, &ctx.settings, ctx.children.have_keda());
    match converge(&valid, &mode, ctx).await {
        Ok((desired, plan, outcome)) => {
            let parts = parts(&valid, desired, &plan, &outcome, mode, ctx);
            let failure = outcome.failure.as_ref();
            say(tenant, ctx, &Progress::Written(&valid, &parts, failure)).await?;
            report(tenant, &outcome, &parts, ctx).await;
            let next = match plan.turn {
                Turn::Go => Next::Resync,
                Turn::Wait(_) | Turn::Halted(_) => Next::SoonOrResync(TURN_POLL),
            };
            outcome.failure.map_or(Ok(next), Err)
        }
        Err(failure) => {
            say(tenant, ctx, &Progress::Unplanned(&valid, &failure)).await?;
            Err(failure)
        }
    }
}

/// Counts what was written and tells people; and who writes the same fields.
async fn report(tenant: &Tenant, outcome: &apply::Outcome, parts: &Parts, ctx: &Context) {
    if is_kept(tenant) {
        for action in &outcome.changed {
            ctx.metrics.repaired("Tenant", action.as_str());
        }
    }
    if !outcome.changed.is_empty() {
        let done: Vec<_> = outcome.changed.iter().map(ToString::to_string).collect();
        let (done, writes) = (done.join("; "), outcome.changed.len());
        tracing::info!(name = tenant.name_any(), writes, "Applied: {done}.");
        ctx.tell(tenant, EventType::Normal, "Applied", format!("Done: {done}."))
            .await;
    }
    let known = condition::find(tenant.conditions(), ConditionType::Contested)
        .is_some_and(|one| one.status == "True");
    if let Some(message) = status::contested(&parts.contested).filter(|_| !known) {
        tracing::warn!(name = tenant.name_any(), "{message}");
        let reason = Reason::FieldsContested.as_str();
        ctx.tell(tenant, EventType::Warning, reason, message).await;
    }
}

/// From what makes sense to what is so. `?` is allowed here, because every way out of it ends in a status.
async fn converge(
    valid: &Valid,
    mode: &Mode,
    ctx: &Context,
) -> Result<(Desired, Plan, apply::Outcome), Failure> {
    let children = children(valid, ctx); // from the cache
    let desired = desired(valid, &children, &ctx.settings, mode).map_err(kube::Error::SerdeError)?; // pure
    let observed = observe(valid, &desired, ctx).await?; // I/O: reads
    let turn = turn(valid, &desired, &observed, ctx);
    let plan = plan(valid, &desired, &observed, turn)?; // pure
    let outcome = apply::apply_to(&ctx.client, &ctx.metrics, &plan.actions, &observed.objects).await; // I/O: writes
    remember(&desired, &plan, &outcome, &observed, ctx);
    Ok((desired, plan, outcome))
}

/// What was applied now waits until the next resync when it is to be put right again and again.
fn remember(desired: &Desired, plan: &Plan, outcome: &apply::Outcome, observed: &Observed, ctx: &Context) {
    let window = ctx.settings.resync.mul_f64(REPAIR_WINDOW);
    for manifest in desired.manifests() {
        let mut applied = plan.actions.iter().take(outcome.applied);
        if applied.any(|action| action.key() == &manifest.key) {
            let live = observed.objects.get(&manifest.key);
            let asked = live.is_some_and(|live| manifest.is_noted_on(live));
            ctx.repairs.note(manifest, live.is_some(), asked, window);
        }
    }
}

/// Whether this Tenant's worker may change, if it is to change with all others.
fn turn(valid: &Valid, desired: &Desired, observed: &Observed, ctx: &Context) -> Turn {
    let live = observed.objects.get(&desired.deployment.key);
    if rollout::change(&desired.deployment, live) != Change::Fleet {
        return Turn::Go;
    }
    ctx.wave.turn(
        &valid.namespace,
        rollout::version(&desired.deployment),
        ctx.settings.rollout.max_concurrent,
        || fleet(ctx),
    )
}

/// The EventSubscriptions of a Tenant, those that are being deleted left out.
fn children(valid: &Valid, ctx: &Context) -> Vec<Arc<EventSubscription>> {
    let mut children = ctx.subscriptions.of(&valid.namespace);
    children
        .retain(|one| one.spec.tenant_ref.name == valid.name && one.metadata.deletion_timestamp.is_none());
    children
}

/// What was written counts as the API server answered: the caches show it a moment later.
fn parts(
    valid: &Valid,
    desired: Desired,
    plan: &Plan,
    outcome: &apply::Outcome,
    mode: Mode,
    ctx: &Context,
) -> Parts {
    let worker = desired::worker_key(Kind::Deployment, &valid.namespace);
    let written = |key: &Key| outcome.objects.get(key).cloned();
    let subscriptions = children(valid, ctx).into_iter().filter_map(|one| {
        let key = Key {
            kind: Kind::EventSubscription,
            namespace: one.namespace(),
            name: one.name_any(),
        };
        let is_deleted = |action: &Action| matches!(action, Action::Delete(gone, _) if gone == &key);
        if outcome.changed.iter().any(is_deleted) {
            return None;
        }
        let written = written(&key).and_then(|live| serde_json::from_value(live).ok());
        Some(written.map_or(one, Arc::new))
    });
    Parts {
        subscriptions: subscriptions.collect(),
        wanted: valid.subscriptions.len(),
        worker: written(&worker)
            .or_else(|| ctx.children.get(&worker))
            .and_then(|live| serde_json::from_value(live).ok()),
        worker_waits: plan.worker_waits,
        turn: plan.turn.clone(),
        store: ctx.settings.worker.idempotency.clone(),
        mode,
        contested: plan.contested.clone(),
        overridden: desired.overridden,
    }
}

async fn delete(tenant: &Tenant, ctx: &Context) -> Result<Next, Failure> {
    ctx.filled().await?;
    if !tenant.finalizers().iter().any(|one| one == label::FINALIZER) {
        return Ok(Next::Change);
    }
    if tenant
        .annotations()
        .get(label::ABANDON)
        .is_none_or(|value| value != "true")
    {
        let (verdict, next) = match end(tenant, ctx).await {
            Ok(None) => {
                write::set_finalizer(&api(ctx), tenant, false).await?;
                return Ok(Next::Change);
            }
            Ok(Some(why)) => (
                Verdict::working(Reason::Terminating, why),
                Ok(Next::Soon(DELETION_POLL)),
            ),
            Err(failure) => (Verdict::failed(&failure), Err(failure)),
        };
        let status = status::terminating(tenant, &verdict, Timestamp::now());
        write::set_status(&api(ctx), &tenant.name_any(), tenant.status.as_ref(), &status).await?;
        return next;
    }
    write::set_finalizer(&api(ctx), tenant, false).await?;
    Ok(Next::Change)
}

/// What a deletion waits for, or nothing when all is done.
async fn end(tenant: &Tenant, ctx: &Context) -> Result<Option<String>, Failure> {
    let waits = step(tenant, ctx).await?;
    if waits.is_none() {
        strays::release(tenant, ctx).await?;
    }
    Ok(waits)
}

/// One step of the deletion of what it has in Kubernetes: what it waits for, or nothing.
async fn step(tenant: &Tenant, ctx: &Context) -> Result<Option<String>, Failure> {
    // One that never had its namespace has nothing to clean up in it.
    if let Err(failure) = validate::validate(tenant, &ctx.tenants.state(), &ctx.settings)
        && matches!(
            failure.reason,
            Reason::DuplicateTenantId | Reason::NamespaceConflict
        )
    {
        return Ok(None);
    }
    let remains = remains(tenant, ctx).await?;
    if matches!(remains.namespace.1, NamespaceState::Foreign(_)) {
        return Ok(None);
    }
    let (actions, why) = match finalize::next(&remains, tenant.spec.deletion_policy.unwrap_or_default()) {
        finalize::Next::Do(actions, why) => (actions, Some(why)),
        finalize::Next::Wait(why) => (vec![], Some(why)),
        finalize::Next::Finish(actions) => (actions, None),
    };
    match apply::apply(&ctx.client, &ctx.metrics, &actions).await.failure {
        Some(failure) => Err(failure),
        None => Ok(why),
    }
}

async fn remains(tenant: &Tenant, ctx: &Context) -> Result<Remains, Failure> {
    let namespace = tenant_namespace(tenant);
    let owner = ctx.children.tenant_of_namespace(namespace);
    let key = Key {
        kind: Kind::Namespace,
        namespace: None,
        name: namespace.to_owned(),
    };
    let made = ctx.children.get(&key).is_some_and(|live| {
        live.pointer("/metadata/labels")
            .and_then(|labels| labels.get(label::CREATED))
            .is_some()
    });
    let state = match owner {
        Some(owner) if owner == tenant.name_any() && made => NamespaceState::Made,
        Some(owner) if owner == tenant.name_any() => NamespaceState::Given,
        Some(other) => NamespaceState::Foreign(Some(other)),
        None => NamespaceState::Absent,
    };
    let key = desired::worker_key(Kind::Deployment, namespace);
    let worker = ctx.children.get(&key).map(|live| {
        let text = |pointer| {
            live.pointer(pointer)
                .and_then(|value| value.as_str())
                .map(str::to_owned)
        };
        (
            key,
            text("/metadata/uid"),
            text("/metadata/deletionTimestamp").is_some(),
        )
    });
    let subscriptions = ctx
        .subscriptions
        .of(namespace)
        .iter()
        .filter(|one| one.spec.tenant_ref.name == tenant.name_any())
        .map(|one| {
            let key = Key {
                kind: Kind::EventSubscription,
                namespace: one.namespace(),
                name: one.name_any(),
            };
            (key, one.uid(), one.metadata.deletion_timestamp.is_some())
        })
        .collect();
    let pods = Api::<Pod>::namespaced(ctx.client.clone(), namespace)
        .list_metadata(&ListParams::default())
        .await?;
    let (ours, foreign): (Vec<_>, Vec<_>) = pods.items.iter().partition(|pod| {
        pod.labels()
            .get("app.kubernetes.io/name")
            .is_some_and(|name| name == desired::WORKER)
    });
    Ok(Remains {
        namespace: (namespace.to_owned(), state),
        worker,
        pods: !ours.is_empty(),
        subscriptions,
        foreign_pods: !foreign.is_empty(),
    })
}

async fn say(tenant: &Tenant, ctx: &Context, progress: &Progress<'_>) -> Result<(), Failure> {
    let status = status::status(tenant, progress, Timestamp::now());
    let written = write::set_own_status(&api(ctx), tenant, tenant.status.as_ref(), &status).await;
    // Written against a Tenant that changed meanwhile: the change comes as an event, and the next look says it anew.
    written.map(|_| ()).map_err(|error| {
        let failure = Failure::from(error);
        Failure {
            class: failure.class.max(Class::Transient),
            ..failure
        }
    })
}
