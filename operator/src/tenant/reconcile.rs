//! The pipeline of a Tenant: validate → desired → observe → plan → apply → status.

use std::{sync::Arc, time::Duration};

use crds::{
    ConditionType, Conditioned as _, EventSubscription, Reason, Tenant, TenantStatus, condition, label,
};
use jiff::Timestamp;
use kube::{Api, ResourceExt as _, runtime::events::EventType};
use tokio::time::Instant;

use super::{
    apply,
    brake::{self, Brake},
    delete,
    desired::{self, Desired, desired},
    handler,
    observe::{Observed, REPAIR_WINDOW, fleet, observe},
    plan::{Action, Plan, plan},
    rollout::{self, Change, Turn},
    scaling::Mode,
    status::{self, Parts, Progress},
    validate::{self, Valid},
};
use crate::{
    context::{Context, Next},
    failure::{Class, Failure},
    kubernetes::{Key, Kind, decoded, write},
    pause::{self, Pause, is_paused},
    queue::is_kept,
    subscription::strays,
};

/// How soon a worker that waits for its turn asks again.
const TURN_POLL: Duration = Duration::from_secs(10);

/// How soon a handler's Service that is not there yet is looked for again.
const SERVICE_POLL: Duration = Duration::from_secs(30);

/// One look at one Tenant. Says after how long to look again, if nothing changes before; a failure is an outcome too, with its
/// status, its event and its time to come back.
pub async fn reconcile(tenant: Arc<Tenant>, ctx: Arc<Context>) -> Option<Duration> {
    let started = Instant::now();
    let result = if tenant.metadata.deletion_timestamp.is_some() {
        delete::delete(&tenant, &ctx).await
    } else {
        Box::pin(keep(&tenant, &ctx)).await
    };
    ctx.end(&*tenant, started, result).await
}

pub(super) fn api(ctx: &Context) -> Api<Tenant> {
    Api::all(ctx.client.clone())
}

async fn keep(tenant: &Tenant, ctx: &Context) -> Result<Next, Failure> {
    ctx.filled().await?;
    if let Err(failure) = decoded::understood(tenant) {
        say(tenant, ctx, &Progress::Invalid(&failure), None).await?;
        return Err(failure);
    }
    let paused = is_paused(tenant);
    // Work goes on with what the API server answers: the cache does not know of it yet.
    let finalized;
    let tenant = if paused || tenant.finalizers().iter().any(|one| one == label::FINALIZER) {
        tenant
    } else {
        finalized = write::set_finalizer(&api(ctx), tenant).await?;
        &finalized
    };
    let mut valid = match validate::validate(tenant, &ctx.tenants.state(), &ctx.settings) {
        Ok(valid) => valid,
        Err(failure) => {
            say(tenant, ctx, &Progress::Invalid(&failure), None).await?;
            return Err(failure);
        }
    };
    let is_to_come = match handler::find(&mut valid, &ctx.client).await {
        Ok(is_to_come) => is_to_come,
        Err(error) => {
            let failure = Failure::from(error);
            say(tenant, ctx, &Progress::Unplanned(&valid, &failure), None).await?;
            return Err(failure);
        }
    };
    if paused {
        return hold(tenant, &valid, ctx).await;
    }
    let bound;
    let (moving, written) = bind(tenant, &mut valid, ctx).await?;
    let tenant = match written {
        Some(written) => {
            bound = written;
            &bound
        }
        None => tenant,
    };
    // Asked once: KEDA may come or go while it is written.
    let mode = Mode::of(&valid, &ctx.settings, ctx.children.have_keda());
    match converge(tenant, &valid, &mode, moving, ctx).await {
        Ok((desired, plan, brake, outcome)) => {
            warn_of_halt(tenant, &brake, ctx).await;
            let parts = Parts {
                brake,
                ..parts(&valid, desired, &plan, &outcome, mode, ctx)
            };
            let failure = outcome.failure.as_ref();
            say(tenant, ctx, &Progress::Written(&valid, &parts, failure), None).await?;
            report(tenant, &outcome, &parts, ctx).await;
            if outcome.failure.is_none() && parts.brake == Brake::Off {
                release_orphans(tenant, &valid, ctx).await;
            }
            let next = match plan.turn {
                Turn::Go if is_to_come => Next::SoonOrResync(SERVICE_POLL),
                Turn::Go => Next::Resync,
                Turn::Wait(_) | Turn::Halted(_) => Next::SoonOrResync(TURN_POLL),
            };
            outcome.failure.map_or(Ok(next), Err)
        }
        Err(failure) => {
            say(tenant, ctx, &Progress::Unplanned(&valid, &failure), None).await?;
            Err(failure)
        }
    }
}

/// Writes down where the event plane is, if that is not so yet; a move that was asked for begins with that, and its
/// EventSubscriptions follow. Gives the Tenant as it is then.
async fn bind(tenant: &Tenant, valid: &mut Valid, ctx: &Context) -> Result<(Brake, Option<Tenant>), Failure> {
    let found = match valid.standing.is_bound {
        true => {
            ctx.places.forget(&valid.uid);
            None
        }
        false => ctx.places.of(&valid.uid),
    };
    let children = children(valid, ctx);
    let settled = match valid.standing.moved_by_settings(tenant) {
        true => come(tenant, valid, ctx).await?,
        false => (Brake::Off, None),
    };
    if let Brake::On(_) = &settled.0 {
        valid.standing.may_move = false;
    }
    let tenant = settled.1.as_ref().unwrap_or(tenant);
    let Some(next) = valid
        .standing
        .next(tenant, &valid.id, found, &children, &ctx.settings)
    else {
        return Ok(settled);
    };
    let value = next.written(&valid.id, &ctx.settings);
    let written = write::annotate(&api(ctx), tenant, label::BINDING, &value).await?;
    if valid.standing.is_bound && next.here != valid.standing.here {
        let note = format!(
            "The event plane moves from {} to {}. Both are handled until nothing is left in the former.",
            valid.standing.here, next.here
        );
        tracing::info!(name = valid.name, "{note}");
        ctx.tell(tenant, EventType::Normal, Reason::Moving.as_str(), note)
            .await;
    }
    valid.standing = next;
    Ok((settled.0, Some(written)))
}

/// Asks whether a change of the settings may come to this Tenant, and writes down that it did before anything follows from it.
async fn come(tenant: &Tenant, valid: &Valid, ctx: &Context) -> Result<(Brake, Option<Tenant>), Failure> {
    let brake = ctx.brakes.ask(&valid.uid, &ctx.tenants.state(), &ctx.settings);
    let digest = brake::digest(&ctx.settings);
    match &brake {
        Brake::Off if !brake::has_come_to(tenant, &digest) => {
            let written = write::annotate(&api(ctx), tenant, label::SETTINGS_CHANGE, &digest).await?;
            Ok((brake, Some(written)))
        }
        Brake::Off | Brake::On(_) => Ok((brake, None)),
    }
}

/// A paused Tenant: everything but the writes. A change of all workers does not come to it, and is no reason not to be ready.
async fn hold(tenant: &Tenant, valid: &Valid, ctx: &Context) -> Result<Next, Failure> {
    let mode = Mode::of(valid, &ctx.settings, ctx.children.have_keda());
    let (desired, all, own) = match both_plans(valid, &mode, ctx).await {
        Ok(plans) => plans,
        Err(failure) => {
            say(tenant, ctx, &Progress::Unplanned(valid, &failure), None).await?;
            return Err(failure);
        }
    };
    let open = |plan: &Plan| {
        let actions: Vec<_> = plan.actions.iter().map(ToString::to_string).collect();
        actions.join("; ")
    };
    let failure = (!own.actions.is_empty()).then(|| pause::held(open(&own)));
    let parts = parts(valid, desired, &all, &apply::Outcome::default(), mode, ctx);
    let progress = Progress::Written(valid, &parts, failure.as_ref());
    say(tenant, ctx, &progress, Some(open(&all))).await?;
    Ok(Next::Resync)
}

/// What would be written, and what of it without a change of all workers.
async fn both_plans(valid: &Valid, mode: &Mode, ctx: &Context) -> Result<(Desired, Plan, Plan), Failure> {
    let children = children(valid, ctx);
    let desired = desired(valid, &children, &ctx.settings, mode).map_err(kube::Error::SerdeError)?;
    let observed = observe(valid, &desired, ctx).await?;
    let all = plan(valid, &desired, &observed, Turn::Go)?;
    let own = plan(valid, &desired, &observed, Turn::Wait(0))?;
    Ok((desired, all, own))
}

/// What no EventSubscription looks after any more is let go. A refusal is no fault of this Tenant's: the next look tries again.
async fn release_orphans(tenant: &Tenant, valid: &Valid, ctx: &Context) {
    let children = ctx.subscriptions.of(&valid.namespace);
    if let Err(failure) = strays::release_orphans(tenant, valid, &children, ctx).await {
        tracing::warn!(
            name = valid.name,
            "A subscription without an EventSubscription cannot be let go: {failure}"
        );
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
    let known = condition::is_true(tenant.conditions(), ConditionType::Contested);
    if let Some(message) = status::contested(&parts.contested).filter(|_| !known) {
        tracing::warn!(name = tenant.name_any(), "{message}");
        let reason = Reason::FieldsContested.as_str();
        ctx.tell(tenant, EventType::Warning, reason, message).await;
    }
}

/// From what makes sense to what is so. `?` is allowed here, because every way out of it ends in a status.
async fn converge(
    tenant: &Tenant,
    valid: &Valid,
    mode: &Mode,
    moving: Brake,
    ctx: &Context,
) -> Result<(Desired, Plan, Brake, apply::Outcome), Failure> {
    let children = children(valid, ctx); // from the cache
    let mut desired = desired(valid, &children, &ctx.settings, mode).map_err(kube::Error::SerdeError)?; // pure
    let observed = observe(valid, &desired, ctx).await?; // I/O: reads
    let turn = turn(valid, &desired, &observed, ctx);
    let brake = match (moving, desired.withdrawn.is_empty()) {
        (Brake::Off, false) => come(tenant, valid, ctx).await?.0,
        (moving, _) => moving,
    };
    if brake != Brake::Off {
        desired.withdrawn.clear();
    }
    let plan = plan(valid, &desired, &observed, turn)?; // pure
    let outcome = apply::apply_to(&ctx.client, &ctx.metrics, &plan.actions, &observed.objects).await; // I/O: writes
    remember(&desired, &plan, &outcome, &observed, ctx);
    Ok((desired, plan, brake, outcome))
}

/// Says once that a change has halted before this Tenant.
async fn warn_of_halt(tenant: &Tenant, brake: &Brake, ctx: &Context) {
    let Brake::On(halted) = brake else {
        return;
    };
    if condition::is_true(tenant.conditions(), ConditionType::ChangeHalted) {
        return;
    }
    let note = status::halted(halted);
    tracing::warn!(name = tenant.name_any(), "{note}");
    ctx.tell(tenant, EventType::Warning, Reason::ChangeHalted.as_str(), note)
        .await;
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
        live.is_some_and(rollout::is_awake),
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
        let is_deleted = |action: &Action| matches!(action, Action::Withdraw(gone, _) if gone == &key);
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
        brake: Brake::Off,
        store: ctx.settings.worker.idempotency.clone(),
        mode,
        contested: plan.contested.clone(),
        overridden: desired.overridden,
    }
}

pub(super) fn say_pause(tenant: &Tenant, status: &mut TenantStatus, open: Option<String>) {
    let pause = match is_paused(tenant) {
        true => Pause::Yes(open),
        false => Pause::No,
    };
    let generation = tenant.metadata.generation;
    pause::say(
        &mut status.conditions,
        tenant.conditions(),
        generation,
        &pause,
        Timestamp::now(),
    );
}

/// Writes status; `open` is the plan that is held while the Tenant is paused.
async fn say(
    tenant: &Tenant,
    ctx: &Context,
    progress: &Progress<'_>,
    open: Option<String>,
) -> Result<(), Failure> {
    let mut status = status::status(tenant, progress, Timestamp::now());
    say_pause(tenant, &mut status, open);
    let written = write::set_status(&api(ctx), tenant, tenant.status.as_ref(), &status).await;
    // Written against a Tenant that changed meanwhile: the change comes as an event, and the next look says it anew.
    written.map(|_| ()).map_err(|error| {
        let failure = Failure::from(error);
        Failure {
            class: failure.class.max(Class::Transient),
            ..failure
        }
    })
}
