//! The end of an EventSubscription: its clean-up, and then its finalizer. It never waits for ever without saying why.

use std::collections::BTreeSet;

use crds::{EventSubscription, Reason, Tenant, label};
use events::{SubscriptionName, TenantId};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::{
    apply,
    finalize::{self, Fate, Kept},
    observe,
    ownership::{Role, Rules},
    place::{identity, standing},
    reconcile::{is_held, say_pause, surroundings},
    status, validate,
};
use crate::{
    context::{Context, Next},
    failure::Failure,
    kubernetes::write,
    pause,
    pubsub::inventory::Owner,
    tenant::{binding::Standing, validate::tenant_id},
};

/// One step of a deletion.
pub(super) async fn delete(subscription: &EventSubscription, ctx: &Context) -> Result<Next, Failure> {
    ctx.filled().await?;
    if !subscription
        .finalizers()
        .iter()
        .any(|one| one == label::FINALIZER)
    {
        return Ok(Next::Change);
    }
    let abandoned = subscription
        .annotations()
        .get(label::ABANDON)
        .is_some_and(|value| value == "true");
    let cleaned = if abandoned {
        Ok(())
    } else if is_held(subscription, ctx) {
        Err(pause::deletion())
    } else {
        clean_up(subscription, ctx).await
    };
    if let Err(failure) = cleaned {
        let mut status = status::terminating(subscription, &failure, Timestamp::now());
        say_pause(subscription, ctx, &mut status, None);
        let api = write::api_of(&ctx.client, subscription);
        write::set_status(&api, subscription, subscription.status.as_ref(), &status).await?;
        return match failure.reason == Reason::Paused {
            true => Ok(Next::Resync),
            false => Err(failure),
        };
    }
    write::remove_finalizer(&write::api_of(&ctx.client, subscription), subscription).await?;
    Ok(Next::Change)
}

async fn clean_up(subscription: &EventSubscription, ctx: &Context) -> Result<(), Failure> {
    let (name, namespace) = (subscription.name_any(), subscription.namespace());
    let around = surroundings(subscription, ctx);
    let policy = match finalize::fate(subscription, &around, &ctx.settings.catalogue) {
        Fate::HadNothing => return Ok(()),
        Fate::Heir(heir) => {
            tracing::info!(name, namespace, heir, "What it had is another's from now on.");
            return Ok(());
        }
        Fate::MadeAgain => {
            tracing::info!(
                name,
                namespace,
                "Its Tenant still asks for its topic, and makes it again: nothing changes in Pub/Sub."
            );
            return Ok(());
        }
        Fate::Release(policy) => policy,
    };
    let kept = kept(subscription, around.tenant.as_deref(), ctx).await?;
    let stamp = validate::stamp(subscription, id_of(around.tenant.as_deref()), &ctx.settings);
    let rules = Rules::unasked(ctx.settings.retain_for);
    let plan = finalize::release(
        &kept,
        policy,
        &identity(around.tenant.as_deref(), ctx),
        &stamp,
        &rules,
        Timestamp::now(),
    );
    let outcome = apply::apply(&*ctx.pubsub, &ctx.inventory, &ctx.metrics, &plan).await;
    if outcome.applied > 0 {
        tracing::info!(
            name,
            namespace,
            ?policy,
            writes = outcome.applied,
            "Cleaned up: {plan}."
        );
    }
    outcome.failure.map_or(Ok(()), Err)
}

/// The Tenant's id, while the Tenant is there.
fn id_of(tenant: Option<&Tenant>) -> Option<TenantId> {
    tenant_id(tenant?).ok()
}

/// What is there of it: by the names in its status, and by those its spec comes to, in case it went before it could be
/// written down.
async fn kept(
    subscription: &EventSubscription,
    tenant: Option<&Tenant>,
    ctx: &Context,
) -> Result<Vec<Kept>, Failure> {
    let status = subscription.status.clone().unwrap_or_default();
    let stamp = validate::stamp(subscription, id_of(tenant), &ctx.settings);
    // A status may say anything. What is its Tenant's is in its Tenant's projects, as long as those are known.
    let standing = tenant.and_then(|tenant| standing(tenant, ctx));
    let is_there = |name: &SubscriptionName| {
        standing
            .as_ref()
            .is_none_or(|standing| standing.projects().contains(name.project()))
    };
    let parsed = |name: Option<String>| SubscriptionName::parse(&name?).ok().filter(is_there);
    let spec = &subscription.spec.settings;
    let named = tenant.and_then(|tenant| validate::names(tenant, spec, None, &ctx.settings).ok());
    let (worker, dead) = named
        .map(|one| (one.subscription, one.dead_letter_subscription))
        .unzip();
    let mut candidates = [
        (parsed(status.subscription), true),
        (worker, true),
        (parsed(status.dead_letter_subscription), false),
        (dead, false),
    ]
    .into_iter()
    .filter_map(|(name, is_pulled)| name.map(|name| (name, is_pulled)))
    .collect::<Vec<_>>();
    // And by the stamp: those whose place another took, and what a lost status does not know of.
    let named = candidates.iter().map(|(name, _)| name.project());
    let projects: BTreeSet<_> = named
        .chain(standing.iter().flat_map(Standing::projects))
        .cloned()
        .collect();
    for project in projects {
        ctx.inventory.refresh(&project).await?;
        let owned = ctx.inventory.owned(&project, "", &Owner::named(&stamp)).await?;
        candidates.extend(owned.into_iter().map(|one| {
            let is_pulled = Role::is_pulled(&one.labels);
            (one.name, is_pulled)
        }));
    }
    candidates.sort();
    candidates.dedup_by(|a, b| a.0 == b.0);
    let mut kept = Vec::new();
    for (name, is_pulled) in candidates {
        let Some(config) = ctx.inventory.subscription(&name).await? else {
            continue;
        };
        kept.push(observe::kept(&ctx.inventory, config, is_pulled).await?);
    }
    Ok(kept)
}
