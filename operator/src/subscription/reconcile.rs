//! The pipeline of an EventSubscription: validate → desired → observe → plan → apply → status.

use std::{sync::Arc, time::Duration};

use crds::{
    AccessVerified, Conditioned as _, EventSubscription, EventSubscriptionStatus, Reason, Tenant, label,
};
use events::SubscriptionName;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    ResourceExt as _,
    runtime::{events::EventType, reflector::ObjectRef},
};
use tokio::time::Instant;

use super::{
    access::{self, Earlier},
    apply::{self, Outcome},
    dead_letters::DeadLetters,
    delete,
    desired::{Desired, Principals, desired},
    observe::{Measured, Unlisted, observe},
    place,
    plan::{self, About, Plan, plan},
    status::{self, Known, Progress},
    validate::{Surroundings, Valid, validate},
};
use crate::{
    context::{Context, Next},
    failure::Failure,
    identity::Account,
    kubernetes::{Key, Kind, decoded, write},
    pause::{self, Pause, is_paused},
    pubsub::Resource,
    queue::is_kept,
    tenant::desired::WORKER,
};

/// How soon after a new subscription was made the switch to it is written down.
const SWITCH_SOON: Duration = Duration::from_millis(100);

/// How often a subscription that is emptied is looked at: Pub/Sub's metrics are sampled every minute.
const DRAIN_POLL: Duration = Duration::from_secs(60);

/// One look at one EventSubscription. Says after how long to look again, if nothing changes before; a failure is an outcome too, with its
/// status, its event and its time to come back.
pub async fn reconcile(subscription: Arc<EventSubscription>, ctx: Arc<Context>) -> Option<Duration> {
    let started = Instant::now();
    let result = if subscription.metadata.deletion_timestamp.is_some() {
        delete::delete(&subscription, &ctx).await
    } else {
        keep(&subscription, &ctx).await
    };
    ctx.end(&*subscription, started, result).await
}

async fn keep(subscription: &EventSubscription, ctx: &Context) -> Result<Next, Failure> {
    ctx.filled().await?;
    if let Err(failure) = decoded::understood(subscription) {
        say(subscription, ctx, &Progress::Invalid(&failure), None).await?;
        return Err(failure);
    }
    let paused = is_held(subscription, ctx);
    let api = write::api_of(&ctx.client, subscription);
    // Before the first write to Pub/Sub, so that nothing made can be forgotten. Work goes on with what the API server
    // answers: the cache does not know of it yet.
    let finalized;
    let subscription = if paused
        || subscription
            .finalizers()
            .iter()
            .any(|one| one == label::FINALIZER)
    {
        subscription
    } else {
        finalized = write::set_finalizer(&api, subscription).await?;
        &finalized
    };
    let mut around = surroundings(subscription, ctx);
    let found = place::found(subscription, &around, ctx).await;
    around.found = found.as_ref().ok().cloned().flatten();
    let valid = match validate(subscription, &around, &ctx.settings) {
        Ok(valid) => valid,
        Err(failure) => {
            say(subscription, ctx, &Progress::Invalid(&failure), None).await?;
            return Err(failure);
        }
    };
    // Where it is must not be guessed: what cannot be looked at is said as whatever else cannot.
    let converged = match found {
        Ok(_) => converge(subscription, &valid, paused, ctx).await,
        Err(failure) => Err(failure),
    };
    match converged {
        Ok((plan, outcome, access)) => {
            let kept = valid.dead_letter.as_ref().map(|one| &one.subscription);
            let kept = kept.into_iter().chain(&plan.former_dead_letters);
            let known = Known {
                dead_letters: DeadLetters::known(kept, &ctx.backlogs),
                access,
            };
            if outcome.failure.is_none() {
                place::note(&valid, around.tenant.as_deref(), ctx);
            }
            say(
                subscription,
                ctx,
                &Progress::Planned(&valid, &plan, &outcome, &known),
                Some(plan.to_string()),
            )
            .await?;
            if paused {
                return Ok(Next::Resync);
            }
            let next = next(&plan);
            let done = Plan {
                steps: plan.steps.into_iter().take(outcome.applied).collect(),
                ..plan
            };
            if is_kept(subscription) {
                count_repairs(&done, ctx);
            }
            report(subscription, &done, ctx).await;
            outcome.failure.map_or(Ok(next), Err)
        }
        Err(failure) => {
            say(subscription, ctx, &Progress::Unplanned(&valid, &failure), None).await?;
            Err(failure)
        }
    }
}

/// Nobody had edited it. What was succeeded and is empty now is deleted in the course of things.
fn count_repairs(done: &Plan, ctx: &Context) {
    for step in &done.steps {
        if !matches!(step.action, plan::Action::DeleteSubscription(_)) {
            ctx.metrics.repaired("EventSubscription", step.action.as_str());
        }
    }
}

/// Says what was written; and what was lost, when a subscription had to be made that was there before.
async fn report(subscription: &EventSubscription, done: &Plan, ctx: &Context) {
    if done.is_empty() {
        return;
    }
    let (name, namespace, writes) = (
        subscription.name_any(),
        subscription.namespace(),
        done.steps.len(),
    );
    tracing::info!(name, namespace, writes, "Applied: {done}.");
    ctx.tell(
        subscription,
        EventType::Normal,
        "Applied",
        format!("Done: {done}."),
    )
    .await;
    let made_again = done
        .steps
        .iter()
        .any(|step| matches!(&step.action, plan::Action::CreateSubscription(one) if Some(&one.name) == done.current.as_ref()));
    if let Some(lost) = done.lost.as_ref().filter(|_| made_again) {
        let note = format!(
            "Subscription {} had been deleted by somebody else. It was made again; the messages it held are lost.",
            lost.id()
        );
        tracing::error!(name, namespace, "{note}");
        ctx.tell(subscription, EventType::Warning, "BacklogLost", note)
            .await;
    }
}

/// A switch is written down as soon as the new subscription was seen to exist; what drains is looked at as often as it is
/// measured.
fn next(plan: &Plan) -> Next {
    if plan.draining.iter().any(|one| one.switched_at.is_none()) {
        return Next::Soon(SWITCH_SOON);
    }
    match plan.draining.is_empty() {
        true => Next::Resync,
        false => Next::SoonOrResync(DRAIN_POLL),
    }
}

/// From what makes sense to what is so. `?` is allowed here, because every way out of it ends in a status.
async fn converge(
    subscription: &EventSubscription,
    valid: &Valid,
    paused: bool,
    ctx: &Context,
) -> Result<(Plan, Outcome, Option<AccessVerified>), Failure> {
    let principals = principals(valid, subscription, ctx).await?; // I/O: reads, remembered
    let desired = desired(valid, &principals, &ctx.settings); // pure
    let mut plan = look(valid, &desired, subscription, ctx).await?; // I/O: reads, then pure
    if paused {
        let failure = (!plan.is_empty()).then(|| pause::held(&plan));
        let access = seen(subscription, &desired, &plan, ctx);
        return Ok((plan, Outcome { applied: 0, failure }, access));
    }
    // Topics are shared: whoever waits here finds them made by the one before.
    let _turn = if plan.touches_topics() {
        let turn = ctx.turns.take(&valid.topic).await;
        plan = look(valid, &desired, subscription, ctx).await?;
        Some(turn)
    } else {
        None
    };
    let mut outcome = apply::apply(&*ctx.pubsub, &ctx.inventory, &ctx.metrics, &plan).await; // I/O: writes
    if outcome.failure.is_none() {
        outcome.failure = plan.unlisted.first().map(|one| left_behind(valid, one));
    }
    let access = seen(subscription, &desired, &plan, ctx); // from the inventory
    Ok((plan, outcome, access))
}

/// The current place is looked after; a former one cannot be.
fn left_behind(valid: &Valid, unlisted: &Unlisted) -> Failure {
    let former = valid.standing.former.iter();
    let places: Vec<_> = former
        .filter(|place| place.project == unlisted.project)
        .map(|place| {
            format!(
                "kubectl annotate tenant {} {}={place}",
                valid.stamp.tenant,
                label::FORGET_PLACE
            )
        })
        .collect();
    Failure {
        message: format!(
            "What is left in project {}, from which this was moved, cannot be looked at: {} If nothing there is wanted any more: {}",
            unlisted.project,
            unlisted.why.message,
            places.join("; ")
        ),
        ..unlisted.why.clone()
    }
}

/// When the rights on the current subscription were seen last: by this process, or by one before it that status tells of.
fn seen(
    subscription: &EventSubscription,
    desired: &Desired,
    plan: &Plan,
    ctx: &Context,
) -> Option<AccessVerified> {
    let name = plan.current.as_ref()?;
    let resource = Resource::Subscription(name.clone());
    if !ctx.inventory.met_policy(&resource) {
        return verified(subscription).cloned();
    }
    let config = ctx.inventory.remembered(name)?;
    Some(AccessVerified {
        at: Time(ctx.inventory.policy_seen_at(&resource)?),
        fingerprint: access::fingerprint(&config, &desired.subscription_grants),
    })
}

async fn look(
    valid: &Valid,
    desired: &Desired,
    subscription: &EventSubscription,
    ctx: &Context,
) -> Result<Plan, Failure> {
    let now = Timestamp::now();
    let earlier = Earlier {
        seen: verified(subscription),
        max_age: ctx.settings.iam_resync,
        now,
    };
    let measured = Measured {
        fleet: &ctx.fleet,
        backlogs: &ctx.backlogs,
    };
    let observed = observe(&ctx.inventory, measured, desired, &valid.stamp, &earlier).await?; // I/O: reads
    let before = before(subscription);
    let about = About {
        rules: &valid.rules,
        before: before.as_ref(),
        drain_margin: ctx.settings.drain.margin,
        now,
    };
    plan(desired, &observed, &valid.stamp, &about) // pure
}

/// The subscription that was current when status was written last.
fn before(subscription: &EventSubscription) -> Option<SubscriptionName> {
    let name = subscription.status.as_ref()?.subscription.as_deref()?;
    SubscriptionName::parse(name).ok()
}

/// What status says of the last look at the rights.
fn verified(subscription: &EventSubscription) -> Option<&AccessVerified> {
    subscription.status.as_ref()?.access_verified.as_ref()
}

/// Who gets rights: Pub/Sub's service agent, and the worker's ServiceAccount, which the Tenant makes first.
async fn principals(
    valid: &Valid,
    subscription: &EventSubscription,
    ctx: &Context,
) -> Result<Principals, Failure> {
    let account = Key {
        kind: Kind::ServiceAccount,
        namespace: subscription.namespace(),
        name: WORKER.to_owned(),
    };
    let uid = ctx.children.uid(&account).ok_or_else(|| Failure {
        reason: Reason::Progressing,
        ..Failure::transient(format!("Waits for {account}, which its Tenant makes."))
    })?;
    let project = ctx.inventory.project_number(&valid.project).await?;
    let identity = &ctx.settings.identity.of(&valid.standing);
    let pool_project = match identity.pool_project_number {
        Some(number) => number,
        None => ctx.inventory.project_number(&valid.standing.here.topics).await?,
    };
    let account = Account {
        namespace: &subscription.namespace().unwrap_or_default(),
        uid: &uid,
    };
    let worker = identity.member(pool_project, account)?;
    Ok(Principals::new(project, worker))
}

pub(super) fn tenant(subscription: &EventSubscription, ctx: &Context) -> Option<Arc<Tenant>> {
    ctx.tenants
        .get(&ObjectRef::new(&subscription.spec.tenant_ref.name))
}

pub(super) fn surroundings(subscription: &EventSubscription, ctx: &Context) -> Surroundings {
    let namespace = subscription.namespace().unwrap_or_default();
    Surroundings {
        tenant: tenant(subscription, ctx),
        namespace_tenant: ctx.children.tenant_of_namespace(&namespace),
        found: None,
        siblings: ctx.subscriptions.of(&namespace),
    }
}

/// Whether its Tenant is paused.
pub(super) fn is_held(subscription: &EventSubscription, ctx: &Context) -> bool {
    tenant(subscription, ctx).is_some_and(|tenant| is_paused(&tenant))
}

pub(super) fn say_pause(
    subscription: &EventSubscription,
    ctx: &Context,
    status: &mut EventSubscriptionStatus,
    open: Option<String>,
) {
    let pause = match is_held(subscription, ctx) {
        true => Pause::Yes(open),
        false => Pause::No,
    };
    let generation = subscription.metadata.generation;
    pause::say(
        &mut status.conditions,
        subscription.conditions(),
        generation,
        &pause,
        Timestamp::now(),
    );
}

/// Writes status; `open` is the plan that is held while the Tenant is paused.
async fn say(
    subscription: &EventSubscription,
    ctx: &Context,
    progress: &Progress<'_>,
    open: Option<String>,
) -> Result<(), Failure> {
    let mut status = status::status(subscription, progress, Timestamp::now());
    say_pause(subscription, ctx, &mut status, open);
    let api = write::api_of(&ctx.client, subscription);
    write::set_status(&api, subscription, subscription.status.as_ref(), &status).await?;
    Ok(())
}
