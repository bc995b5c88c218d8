//! I/O, reads only: where the subscriptions of a Tenant are that has no binding yet. It is new, or it was made by a version of the
//! operator that wrote none, or a restore lost it; then the labels in Pub/Sub tell the place, and only where there is nothing
//! with its stamp do spec and settings.

use std::collections::BTreeSet;

use crds::{EventSubscription, Tenant};
use events::{SubscriptionName, name::DEAD_LETTER_SUFFIX};
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
        binding::{Found, Place, Standing},
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
) -> Result<Option<Found>, Failure> {
    let Some(tenant) = around.tenant.as_deref() else {
        return Ok(None);
    };
    // What is wrong with it, the validation says.
    let Some(standing) = standing(tenant, ctx).filter(|standing| !standing.is_bound) else {
        return Ok(None);
    };
    if let Some(found) = ctx.places.of(&tenant.uid().unwrap_or_default()) {
        return Ok(Some(found));
    }
    let rules = Rules {
        adopt_from: ctx.settings.adopt_from.clone(),
        ..Rules::unasked(ctx.settings.retain_for)
    };
    let stamp = validate::stamp(subscription, tenant_id(tenant).ok(), &ctx.settings);
    let now = Timestamp::now();
    let mut all = Vec::new();
    for project in projects(subscription, &standing) {
        ctx.inventory.refresh(&project).await?;
        for cluster in rules.adopt_from.iter().chain([&stamp.cluster]) {
            // Of all its topics: a new one is made where the others are.
            let stamped = ctx.inventory.remembered_of(&project, cluster, &stamp.tenant);
            all.extend(
                stamped
                    .iter()
                    .filter_map(|one| place_of(one, &stamp, &rules, now)),
            );
        }
    }
    Ok(among(&all, &standing.asked))
}

/// Where the worker's subscriptions are: where they are asked to be, if any is there. What is elsewhere is of a move that had begun
/// when the binding was lost.
fn among(all: &[(Place, bool)], asked: &Place) -> Option<Found> {
    let mut current = all.iter().filter(|(_, is_current)| *is_current);
    let as_asked = current.clone().find(|(place, _)| place == asked);
    let (here, _) = as_asked.or_else(|| current.next())?;
    let mut former: Vec<Place> = Vec::new();
    for (place, _) in all {
        if place != here && !former.contains(place) {
            former.push(place.clone());
        }
    }
    Some(Found {
        here: here.clone(),
        former,
    })
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

/// Where a subscription of this Tenant listens, and whether it is one that no other took the place of; none for one that is not its
/// own, or not any more.
fn place_of(
    config: &SubscriptionConfig,
    stamp: &Stamp,
    rules: &Rules,
    now: Timestamp,
) -> Option<(Place, bool)> {
    let key = config.labels.get(key::SUBSCRIPTION)?;
    let stamp = Stamp {
        subscription: key.clone(),
        ..stamp.clone()
    };
    let is_pulled = Role::is_pulled(&config.labels);
    let topic = match &config.attachment {
        Attachment::Topic(topic) if stamp.claim(config, rules, now) == Claim::Ours => topic,
        Attachment::Topic(_) | Attachment::Lost => return None,
    };
    let key = match Role::of(&config.labels) {
        Some(Role::Former) => return None,
        Some(Role::DeadLetter) => format!("{key}{DEAD_LETTER_SUFFIX}"),
        Some(Role::Worker) | None => key.clone(),
    };
    let is_current = is_pulled && !config.labels.contains_key(key::SWITCHED_AT);
    Some((Place::of(config.name.project(), topic, &key)?, is_current))
}

/// Tells the Tenant, if it has no binding yet, where its event plane is now.
pub(super) fn note(valid: &Valid, tenant: Option<&Tenant>, ctx: &Context) {
    let Some(tenant) = tenant.filter(|_| !valid.standing.is_bound) else {
        return;
    };
    let found = Found {
        here: valid.standing.here.clone(),
        former: valid.standing.former.clone(),
    };
    if ctx.places.note(&tenant.uid().unwrap_or_default(), &found) {
        ctx.queues.tenants.add(ObjectRef::from_obj(tenant), Lane::Changes);
    }
}
