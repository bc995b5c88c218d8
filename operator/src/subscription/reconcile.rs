//! The pipeline of an EventSubscription: validate → desired → observe → plan → apply → status.

use std::{convert::Infallible, sync::Arc};

use crds::{EventSubscription, Reason, Tenant, label};
use events::SubscriptionName;
use jiff::Timestamp;
use kube::{
    ResourceExt as _,
    runtime::{controller::Action, events::EventType, reflector::ObjectRef},
};
use tokio::time::Instant;

use super::{
    apply::{self, Outcome},
    delete,
    desired::{Desired, Principals, desired},
    observe::observe,
    plan::{Plan, plan},
    status::{self, Progress},
    validate::{Surroundings, Valid, validate},
};
use crate::{
    context::{Context, Next},
    failure::Failure,
    kubernetes::{Key, Kind, write},
    tenant::desired::WORKER,
};

/// One look at one EventSubscription.
///
/// # Errors
/// Never: a failure is an outcome, with its status, its event and its time to come back.
pub async fn reconcile(
    subscription: Arc<EventSubscription>,
    ctx: Arc<Context>,
) -> Result<Action, Infallible> {
    let started = Instant::now();
    let result = if subscription.metadata.deletion_timestamp.is_some() {
        delete::delete(&subscription, &ctx).await
    } else {
        keep(&subscription, &ctx).await
    };
    Ok(ctx.end(&*subscription, started, result).await)
}

async fn keep(subscription: &EventSubscription, ctx: &Context) -> Result<Next, Failure> {
    let api = write::api_of(&ctx.client, subscription);
    // Before the first write to Pub/Sub, so that nothing made can be forgotten. Work goes on with what the API server
    // answers: the cache does not know of it yet.
    let finalized;
    let subscription = if subscription
        .finalizers()
        .iter()
        .any(|one| one == label::FINALIZER)
    {
        subscription
    } else {
        finalized = write::set_finalizer(&api, subscription, true).await?;
        &finalized
    };
    if subscription.status.is_none() {
        say(subscription, ctx, &Progress::Seen).await?;
    }
    let valid = match validate(subscription, &surroundings(subscription, ctx), &ctx.settings) {
        Ok(valid) => valid,
        Err(failure) => {
            say(subscription, ctx, &Progress::Invalid(&failure)).await?;
            return Err(failure);
        }
    };
    match converge(subscription, &valid, ctx).await {
        Ok((plan, outcome)) => {
            say(subscription, ctx, &Progress::Planned(&valid, &plan, &outcome)).await?;
            let done = Plan {
                steps: plan.steps.into_iter().take(outcome.applied).collect(),
            };
            report(subscription, &valid, &done, ctx).await;
            outcome.failure.map_or(Ok(Next::Resync), Err)
        }
        Err(failure) => {
            say(subscription, ctx, &Progress::Unplanned(&valid, &failure)).await?;
            Err(failure)
        }
    }
}

/// Says what was written; and what was lost, when a subscription had to be made that was there before.
async fn report(subscription: &EventSubscription, valid: &Valid, done: &Plan, ctx: &Context) {
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
    let was_there = subscription
        .status
        .as_ref()
        .and_then(|status| status.subscription.as_deref());
    if done.creates(&valid.subscription) && was_there == Some(&valid.subscription.to_string()) {
        let note = format!(
            "Subscription {} had been deleted by somebody else. It was made again; the messages it held are lost.",
            valid.subscription.id()
        );
        tracing::error!(name, namespace, "{note}");
        ctx.tell(subscription, EventType::Warning, "BacklogLost", note)
            .await;
    }
}

/// From what makes sense to what is so. `?` is allowed here, because every way out of it ends in a status.
async fn converge(
    subscription: &EventSubscription,
    valid: &Valid,
    ctx: &Context,
) -> Result<(Plan, Outcome), Failure> {
    let principals = principals(valid, subscription, ctx).await?; // I/O: reads, remembered
    let desired = desired(valid, &principals, &ctx.settings); // pure
    refuse_a_new_name(subscription, valid, ctx).await?; // I/O: reads
    let mut plan = look(valid, &desired, ctx).await?; // I/O: reads, then pure
    // Topics are shared: whoever waits here finds them made by the one before.
    let _turn = if plan.touches_topics() {
        let turn = ctx.turns.take(&valid.topic).await;
        plan = look(valid, &desired, ctx).await?;
        Some(turn)
    } else {
        None
    };
    let outcome = apply::apply(&*ctx.pubsub, &ctx.inventory, &ctx.metrics, &plan).await; // I/O: writes
    Ok((plan, outcome))
}

async fn look(valid: &Valid, desired: &Desired, ctx: &Context) -> Result<Plan, Failure> {
    let observed = observe(&ctx.inventory, desired).await?; // I/O: reads
    plan(desired, &observed, &valid.stamp, &valid.rules, Timestamp::now()) // pure
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
    let identity = &ctx.settings.identity;
    let pool_project = match identity.pool_project_number {
        Some(number) => number,
        None => ctx.inventory.project_number(&ctx.settings.project).await?,
    };
    Ok(Principals::new(project, pool_project, &identity.pool, &uid))
}

/// A filter is part of the name, so another filter is another subscription. The one that is there holds messages, and
/// is not left behind.
async fn refuse_a_new_name(
    subscription: &EventSubscription,
    valid: &Valid,
    ctx: &Context,
) -> Result<(), Failure> {
    let before = subscription
        .status
        .as_ref()
        .and_then(|status| status.subscription.as_deref());
    let Some(before) = before.and_then(|name| SubscriptionName::parse(name).ok()) else {
        return Ok(());
    };
    if before == valid.subscription {
        return Ok(());
    }
    ctx.inventory.refresh(before.project()).await?;
    if ctx.inventory.subscription(&before).await?.is_none() {
        return Ok(());
    }
    Err(Failure::invalid(
        Reason::ReplacementRequired,
        format!(
            "spec.eventTypes: Pub/Sub cannot change the filter of {}, and a new subscription would leave its messages behind. Set eventTypes back, or delete that subscription once it is empty.",
            before.id()
        ),
    ))
}

pub(super) fn tenant(subscription: &EventSubscription, ctx: &Context) -> Option<Arc<Tenant>> {
    ctx.tenants
        .get(&ObjectRef::new(&subscription.spec.tenant_ref.name))
}

fn surroundings(subscription: &EventSubscription, ctx: &Context) -> Surroundings {
    let namespace = subscription.namespace().unwrap_or_default();
    Surroundings {
        tenant: tenant(subscription, ctx),
        namespace_tenant: ctx.children.tenant_of_namespace(&namespace),
        siblings: ctx
            .subscriptions
            .state_filter(|one| one.metadata.namespace.as_ref() == Some(&namespace)),
    }
}

async fn say(
    subscription: &EventSubscription,
    ctx: &Context,
    progress: &Progress<'_>,
) -> Result<(), Failure> {
    let status = status::status(subscription, progress, Timestamp::now());
    let api = write::api_of(&ctx.client, subscription);
    write::set_status(
        &api,
        &subscription.name_any(),
        subscription.status.as_ref(),
        &status,
    )
    .await?;
    Ok(())
}
