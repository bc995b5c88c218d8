//! The end of an EventSubscription: its clean-up, and then its finalizer. It never waits for ever without saying why.

use std::collections::BTreeSet;

use crds::{EventSubscription, Tenant, label};
use events::{SubscriptionName, TenantId};
use jiff::Timestamp;
use kube::ResourceExt as _;

use super::{
    apply,
    finalize::{self, Kept},
    observe,
    ownership::{Role, Rules},
    reconcile::{surroundings, tenant},
    status, validate,
};
use crate::{
    context::{Context, Next},
    failure::Failure,
    identity::Identity,
    kubernetes::write,
    pubsub::inventory::Owner,
    tenant::{binding::Standing, validate as tenant_rules},
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
    if !abandoned && let Err(failure) = clean_up(subscription, ctx).await {
        let status = status::terminating(subscription, &failure, Timestamp::now());
        let api = write::api_of(&ctx.client, subscription);
        write::set_status(
            &api,
            &subscription.name_any(),
            subscription.status.as_ref(),
            &status,
        )
        .await?;
        return Err(failure);
    }
    write::set_finalizer(&write::api_of(&ctx.client, subscription), subscription, false).await?;
    Ok(Next::Change)
}

async fn clean_up(subscription: &EventSubscription, ctx: &Context) -> Result<(), Failure> {
    // One outside its Tenant's namespace never had anything, whatever its status says.
    let namespace = subscription.namespace().unwrap_or_default();
    let labelled = ctx.children.tenant_of_namespace(&namespace);
    let tenant = tenant(subscription, ctx);
    if !validate::is_at_home(subscription, labelled.as_deref(), tenant.as_deref()) {
        return Ok(());
    }
    if let Some(heir) = validate::heir(subscription, &surroundings(subscription, ctx).siblings) {
        let (name, namespace) = (subscription.name_any(), subscription.namespace());
        tracing::info!(name, namespace, heir, "What it had is another's from now on.");
        return Ok(());
    }
    let kept = kept(subscription, tenant.as_deref(), ctx).await?;
    let stamp = validate::stamp(subscription, id_of(tenant.as_deref()), &ctx.settings);
    let rules = Rules::unasked(ctx.settings.retain_for);
    let policy = validate::deletion_policy(subscription, tenant.as_deref());
    let plan = finalize::release(
        &kept,
        policy,
        &identity(tenant.as_deref(), ctx),
        &stamp,
        &rules,
        Timestamp::now(),
    );
    let outcome = apply::apply(&*ctx.pubsub, &ctx.inventory, &ctx.metrics, &plan).await;
    if outcome.applied > 0 {
        tracing::info!(
            name = subscription.name_any(),
            namespace = subscription.namespace(),
            ?policy,
            writes = outcome.applied,
            "Cleaned up: {plan}."
        );
    }
    outcome.failure.map_or(Ok(()), Err)
}

/// Where the Tenant's event plane is, while that can be known.
pub(super) fn standing(tenant: &Tenant, ctx: &Context) -> Option<Standing> {
    let id = tenant_rules::tenant_id(tenant).ok()?;
    Standing::of(tenant, &id, &ctx.settings).ok()
}

/// How a worker of the Tenant is known.
pub(super) fn identity(tenant: Option<&Tenant>, ctx: &Context) -> Identity {
    let identity = &ctx.settings.identity;
    tenant
        .and_then(|tenant| standing(tenant, ctx))
        .map_or_else(|| identity.clone(), |standing| identity.of(&standing))
}

/// The Tenant's id, while the Tenant is there.
fn id_of(tenant: Option<&Tenant>) -> Option<TenantId> {
    tenant_rules::tenant_id(tenant?).ok()
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
