//! The end of a Tenant: what it has in Kubernetes goes piece by piece, and then its finalizer. It never waits for ever without
//! saying why.

use std::time::Duration;

use crds::{Reason, Tenant, label};
use jiff::Timestamp;
use kube::{ResourceExt as _, runtime::events::EventType};

use super::{
    apply, contents, desired,
    finalize::{self, NamespaceEnd, Remains},
    observe::NamespaceState,
    plan::Action,
    pods,
    reconcile::{api, say_pause},
    status,
    validate::{self, tenant_namespace},
};
use crate::{
    context::{Context, Next},
    failure::Failure,
    kubernetes::{Key, Kind, write},
    pause::{self, is_paused},
    status::Verdict,
    subscription::strays,
};

/// How soon a deletion that waits is looked at again; what it waits for is watched too.
const DELETION_POLL: Duration = Duration::from_secs(2);

/// One step of a deletion.
pub(super) async fn delete(tenant: &Tenant, ctx: &Context) -> Result<Next, Failure> {
    ctx.filled().await?;
    if !tenant.finalizers().iter().any(|one| one == label::FINALIZER) {
        return Ok(Next::Change);
    }
    if tenant
        .annotations()
        .get(label::ABANDON)
        .is_none_or(|value| value != "true")
    {
        let ended = match is_paused(tenant) {
            true => Err(pause::deletion()),
            false => end(tenant, ctx).await,
        };
        let (verdict, next) = match ended {
            Ok(None) => {
                write::remove_finalizer(&api(ctx), tenant).await?;
                return Ok(Next::Change);
            }
            Err(failure) if failure.reason == Reason::Paused => (Verdict::failed(&failure), Ok(Next::Resync)),
            Ok(Some(why)) => (
                Verdict::working(Reason::Terminating, why),
                Ok(Next::Soon(DELETION_POLL)),
            ),
            Err(failure) => (Verdict::failed(&failure), Err(failure)),
        };
        let mut status = status::terminating(tenant, &verdict, Timestamp::now());
        say_pause(tenant, &mut status, None);
        write::set_status(&api(ctx), tenant, tenant.status.as_ref(), &status).await?;
        return next;
    }
    write::remove_finalizer(&api(ctx), tenant).await?;
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
    let (actions, why) = match finalize::next(&remains) {
        finalize::Next::Do(actions, why) => (actions, Some(why)),
        finalize::Next::Wait(why) => (vec![], Some(why)),
        finalize::Next::Finish => (leave(tenant, &remains.namespace, ctx).await?, None),
    };
    match apply::apply(&ctx.client, &ctx.metrics, &actions).await.failure {
        Some(failure) => Err(failure),
        None => Ok(why),
    }
}

/// The last step: the namespace goes, or people are told that it stays.
async fn leave(
    tenant: &Tenant,
    namespace: &(String, NamespaceState),
    ctx: &Context,
) -> Result<Vec<Action>, Failure> {
    let policy = tenant.spec.deletion_policy.unwrap_or_default();
    let foreign = match ctx.settings.delete_namespaces && finalize::may_go(&namespace.1, policy) {
        true => {
            let contents = contents::look(&ctx.client, &namespace.0).await?;
            Some(contents::foreign(&contents, &tenant.uid().unwrap_or_default()))
        }
        false => None,
    };
    Ok(
        match finalize::namespace_end(namespace, policy, foreign.as_deref()) {
            NamespaceEnd::NotOurs => vec![],
            NamespaceEnd::Goes => {
                let key = Key {
                    kind: Kind::Namespace,
                    namespace: None,
                    name: namespace.0.clone(),
                };
                let uid = ctx.children.uid(&key);
                vec![Action::Delete(key, uid)]
            }
            NamespaceEnd::Stays(note) => {
                tracing::info!(name = tenant.name_any(), "{note}");
                ctx.tell(tenant, EventType::Normal, "NamespaceStays", note).await;
                vec![]
            }
        },
    )
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
    let pods = match worker {
        // Its controller takes its pods along before it goes.
        Some(_) => false,
        None => pods::run(&ctx.client, namespace).await?,
    };
    Ok(Remains {
        namespace: (namespace.to_owned(), state),
        worker,
        pods,
        subscriptions,
    })
}
