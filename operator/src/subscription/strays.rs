//! What carries a Tenant's stamp and belongs to no EventSubscription. Each EventSubscription lets go of its own; but whoever may
//! write in the namespace can take one's finalizer away, abandon it, or take the namespace out of its Tenant's hands, and what it
//! had would keep a right that the next owner of the namespace inherits. And a Tenant that asks for a topic again while its
//! EventSubscription is being deleted, and then does not, leaves what it had as it was.

use std::{collections::BTreeSet, sync::Arc};

use crds::{DeletionPolicy, EventSubscription, Tenant};
use events::name::DEAD_LETTER_SUFFIX;
use jiff::Timestamp;
use kube::{ResourceExt as _, runtime::events::EventType};

use super::{
    apply, finalize, observe,
    ownership::{Role, Rules, Stamp, key},
    place::{identity, standing},
};
use crate::{
    context::Context,
    failure::Failure,
    pubsub::{Attachment, SubscriptionConfig},
    tenant::{
        binding::{Place, Standing},
        validate::{Valid, tenant_id},
    },
};

/// Lets go of all of a Tenant that goes, and keeps their messages: nobody can tell any more which were to be deleted.
///
/// # Errors
/// When Pub/Sub cannot be asked, or refuses; then it has to be tried again.
pub async fn release(tenant: &Tenant, ctx: &Context) -> Result<(), Failure> {
    // Without a place that makes sense it never had anything.
    let Some(standing) = standing(tenant, ctx) else {
        return Ok(());
    };
    let (cluster, name) = (&ctx.settings.cluster_id, tenant.name_any());
    for project in standing.projects() {
        ctx.inventory.refresh(project).await?;
        for config in ctx.inventory.stamped(project, cluster, &name).await? {
            release_one(tenant, config, ctx).await?;
        }
    }
    Ok(())
}

/// Lets go of those whose EventSubscription is gone and whose topic nothing of the Tenant asks for, and keeps their messages. It
/// asks Pub/Sub about these alone: the others are as they were listed last.
///
/// # Errors
/// When Pub/Sub cannot be asked, or refuses; then it has to be tried again.
pub async fn release_orphans(
    tenant: &Tenant,
    valid: &Valid,
    children: &[Arc<EventSubscription>],
    ctx: &Context,
) -> Result<(), Failure> {
    for project in valid.standing.projects() {
        let stamped = ctx
            .inventory
            .remembered_of(project, &ctx.settings.cluster_id, &valid.name);
        for config in stamped {
            if !is_orphan(&config, valid, children) {
                continue;
            }
            if let Some(config) = ctx.inventory.subscription(&config.name).await? {
                release_one(tenant, config, ctx).await?;
            }
        }
    }
    Ok(())
}

/// Pure: whether neither an EventSubscription of the namespace has it, those that are being deleted included, nor any will take it
/// up, because the Tenant or another EventSubscription asks for its topic.
#[must_use]
pub fn is_orphan(config: &SubscriptionConfig, valid: &Valid, children: &[Arc<EventSubscription>]) -> bool {
    let Some(made_for) = config.labels.get(key::SUBSCRIPTION) else {
        return false;
    };
    if config.labels.contains_key(key::RELEASED_AT)
        || children.iter().any(|child| child.name_any() == *made_for)
    {
        return false;
    }
    let asked = valid.subscriptions.iter().map(|one| one.topic.as_str());
    let topics: BTreeSet<&str> = asked
        .chain(children.iter().map(|child| child.spec.settings.topic.as_str()))
        .collect();
    match &config.attachment {
        Attachment::Topic(topic) => {
            let suffix = match Role::of(&config.labels) {
                Some(Role::DeadLetter) => DEAD_LETTER_SUFFIX,
                _ => "",
            };
            let is_of = |key: &&str| {
                let place = Place::of(config.name.project(), topic, &format!("{key}{suffix}"));
                place.is_some_and(|place| is_known(&valid.standing, &place))
            };
            !topics.iter().any(is_of)
        }
        // Its topic was deleted: only its EventSubscription's name tells what it was for.
        Attachment::Lost => !topics.contains(made_for.as_str()),
    }
}

fn is_known(standing: &Standing, place: &Place) -> bool {
    standing.here == *place || standing.former.contains(place)
}

async fn release_one(tenant: &Tenant, config: SubscriptionConfig, ctx: &Context) -> Result<(), Failure> {
    if config.labels.contains_key(key::RELEASED_AT) {
        return Ok(());
    }
    let name = tenant.name_any();
    let subscription = config.labels.get(key::SUBSCRIPTION);
    let stamp = Stamp {
        cluster: ctx.settings.cluster_id.clone(),
        tenant: name.clone(),
        id: tenant_id(tenant).ok(),
        subscription: subscription.cloned().unwrap_or_default(),
    };
    let is_pulled = Role::is_pulled(&config.labels);
    let kept = observe::kept(&ctx.inventory, config, is_pulled).await?;
    let plan = finalize::release(
        std::slice::from_ref(&kept),
        DeletionPolicy::Retain,
        &identity(Some(tenant), ctx),
        &stamp,
        &Rules::unasked(ctx.settings.retain_for),
        Timestamp::now(),
    );
    let outcome = apply::apply(&*ctx.pubsub, &ctx.inventory, &ctx.metrics, &plan).await;
    if let Some(failure) = outcome.failure {
        return Err(failure);
    }
    if outcome.applied == 0 {
        return Ok(());
    }
    let note = format!(
        "Subscription {} was left behind by its EventSubscription. The worker's right to it is gone, and its messages are kept.",
        kept.config.name.id()
    );
    tracing::warn!(tenant = name, "{note}");
    ctx.tell(tenant, EventType::Warning, "LeftBehind", note).await;
    Ok(())
}
