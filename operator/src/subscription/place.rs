//! I/O, reads only: where the subscriptions of a Tenant are that has no binding yet. It is new, or it was made by a version of the
//! operator that wrote none, or a restore lost it; then the labels in Pub/Sub tell the place, and only where there is nothing
//! with its stamp do spec and settings.

use std::collections::BTreeSet;

use crds::{EventSubscription, Tenant};
use events::SubscriptionName;
use jiff::Timestamp;
use kube::{ResourceExt as _, runtime::reflector::ObjectRef};

use super::{
    ownership::{Claim, Role, Rules, Stamp, key},
    validate::{self, Surroundings, Valid},
};
use crate::{
    context::Context,
    failure::Failure,
    identity::Identity,
    pubsub::{Attachment, SubscriptionConfig},
    queue::Lane,
    tenant::{
        binding::{Place, Standing},
        validate::tenant_id,
    },
};

/// Where the Tenant's event plane is, while that can be known.
pub(super) fn standing(tenant: &Tenant, ctx: &Context) -> Option<Standing> {
    let id = tenant_id(tenant).ok()?;
    Standing::of(tenant, &id, &ctx.settings).ok()
}

/// How a worker of the Tenant is known.
pub(super) fn identity(tenant: Option<&Tenant>, ctx: &Context) -> Identity {
    let identity = &ctx.settings.identity;
    tenant
        .and_then(|tenant| standing(tenant, ctx))
        .map_or_else(|| identity.clone(), |standing| identity.of(&standing))
}

/// Where this EventSubscription's subscription is, if its Tenant has no binding.
///
/// # Errors
/// When Pub/Sub has to be asked and cannot be: where something is must not be guessed.
pub(super) async fn found(
    subscription: &EventSubscription,
    around: &Surroundings,
    ctx: &Context,
) -> Result<Option<Place>, Failure> {
    let Some(tenant) = around.tenant.as_deref() else {
        return Ok(None);
    };
    // What is wrong with it, the validation says.
    let Some(standing) = standing(tenant, ctx).filter(|standing| !standing.is_bound) else {
        return Ok(None);
    };
    if let Some(place) = ctx.places.of(&tenant.uid().unwrap_or_default()) {
        return Ok(Some(place));
    }
    let rules = Rules {
        adopt_from: ctx.settings.adopt_from.clone(),
        ..Rules::unasked(ctx.settings.retain_for)
    };
    let stamp = validate::stamp(subscription, tenant_id(tenant).ok(), &ctx.settings);
    let now = Timestamp::now();
    let mut places = Vec::new();
    for project in projects(subscription, &standing) {
        ctx.inventory.refresh(&project).await?;
        for cluster in rules.adopt_from.iter().chain([&stamp.cluster]) {
            // Of all its topics: a new one is made where the others are.
            let stamped = ctx.inventory.remembered_of(&project, cluster, &stamp.tenant);
            places.extend(
                stamped
                    .iter()
                    .filter_map(|one| place_of(one, &stamp, &rules, now)),
            );
        }
    }
    let as_asked = places.iter().find(|place| **place == standing.asked);
    Ok(as_asked.or_else(|| places.first()).cloned())
}

/// Where it is asked to be, and where the status of an earlier version says that it is; the labels there decide.
fn projects(subscription: &EventSubscription, standing: &Standing) -> BTreeSet<events::ProjectId> {
    let named = subscription.status.as_ref().and_then(|status| {
        let name = status.subscription.as_deref()?;
        Some(SubscriptionName::parse(name).ok()?.project().clone())
    });
    named
        .into_iter()
        .chain([standing.asked.project.clone()])
        .collect()
}

/// Where a subscription of this Tenant listens; none for one that another took the place of, or that is not its own.
fn place_of(config: &SubscriptionConfig, stamp: &Stamp, rules: &Rules, now: Timestamp) -> Option<Place> {
    let key = config.labels.get(key::SUBSCRIPTION)?;
    let stamp = Stamp {
        subscription: key.clone(),
        ..stamp.clone()
    };
    let is_current = Role::is_pulled(&config.labels) && !config.labels.contains_key(key::SWITCHED_AT);
    match &config.attachment {
        Attachment::Topic(topic) if is_current && stamp.claim(config, rules, now) == Claim::Ours => {
            Place::of(config.name.project(), topic, key)
        }
        Attachment::Topic(_) | Attachment::Lost => None,
    }
}

/// Tells the Tenant, if it has no binding yet, where its event plane is now.
pub(super) fn note(valid: &Valid, tenant: Option<&Tenant>, ctx: &Context) {
    let Some(tenant) = tenant.filter(|_| !valid.standing.is_bound) else {
        return;
    };
    if ctx
        .places
        .note(&tenant.uid().unwrap_or_default(), &valid.standing.here)
    {
        ctx.queues.tenants.add(ObjectRef::from_obj(tenant), Lane::Changes);
    }
}
