//! What still carries a Tenant's stamp when the Tenant goes. Each EventSubscription lets go of its own; but whoever may write in
//! the namespace can take one's finalizer away, abandon it, or take the namespace out of its Tenant's hands, and what it had
//! would keep a right that the next owner of the namespace inherits.

use crds::{DeletionPolicy, Tenant};
use jiff::Timestamp;
use kube::{ResourceExt as _, runtime::events::EventType};

use super::{
    apply, finalize, observe,
    ownership::{Role, Rules, Stamp, key},
    place::{identity, standing},
};
use crate::{context::Context, failure::Failure, tenant::validate::tenant_id};

/// Lets go of all of them, and keeps their messages: nobody can tell any more which were to be deleted.
///
/// # Errors
/// When Pub/Sub cannot be asked, or refuses; then it has to be tried again.
pub async fn release(tenant: &Tenant, ctx: &Context) -> Result<(), Failure> {
    // Without a place that makes sense it never had anything.
    let Some(standing) = standing(tenant, ctx) else {
        return Ok(());
    };
    let (cluster, name) = (&ctx.settings.cluster_id, tenant.name_any());
    let rules = Rules::unasked(ctx.settings.retain_for);
    let mut stamped = Vec::new();
    for project in standing.projects() {
        ctx.inventory.refresh(project).await?;
        stamped.extend(ctx.inventory.stamped(project, cluster, &name).await?);
    }
    for config in stamped {
        if config.labels.contains_key(key::RELEASED_AT) {
            continue;
        }
        let subscription = config.labels.get(key::SUBSCRIPTION);
        let stamp = Stamp {
            cluster: cluster.clone(),
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
            &rules,
            Timestamp::now(),
        );
        let outcome = apply::apply(&*ctx.pubsub, &ctx.inventory, &ctx.metrics, &plan).await;
        if let Some(failure) = outcome.failure {
            return Err(failure);
        }
        let note = format!(
            "Subscription {} was left behind by its EventSubscription. The worker's right to it is gone, and its messages are kept.",
            kept.config.name.id()
        );
        tracing::warn!(tenant = name, "{note}");
        ctx.tell(tenant, EventType::Warning, "LeftBehind", note).await;
    }
    Ok(())
}
