//! What triggers a reconcile: kube wiring only. Every trigger leads to the same level-triggered look, so that it does
//! not matter which of them is missed, merged or seen twice.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use crds::{Conditioned, EventSubscription, Reason, Tenant};
use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _, channel::mpsc, future};
use kube::{
    Client, Resource,
    runtime::{
        Config, Controller, PredicateConfig, WatchStreamExt as _,
        controller::Action,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher,
    },
};
use tokio::time::Instant;

use crate::{
    context::Context,
    failure::{Class, Failure},
    kubernetes::{
        Kind,
        children::Filling,
        decoded,
        keda::Following,
        watch::{Change, once_cached, tireless},
    },
    queue::{Lane, Queue},
    subscription::{self, dead_letters, validate::are_rivals},
    tenant,
};

/// How many that were measured to be otherwise wait to be looked at; who measures waits then.
const NEWS: usize = 64;

/// The caches of both kinds, and the writers that fill them.
pub struct Caches {
    /// All Tenants.
    pub tenants: Store<Tenant>,
    /// All EventSubscriptions.
    pub subscriptions: Store<EventSubscription>,
    tenant_writer: Writer<Tenant>,
    subscription_writer: Writer<EventSubscription>,
}

impl Default for Caches {
    fn default() -> Self {
        let (tenants, tenant_writer) = reflector::store();
        let (subscriptions, subscription_writer) = reflector::store();
        Self {
            tenants,
            subscriptions,
            tenant_writer,
            subscription_writer,
        }
    }
}

/// Runs both controllers until `stop` is done, and then lets running reconciles end.
pub async fn run(
    ctx: Arc<Context>,
    caches: Caches,
    children: Filling,
    stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) {
    // kube starts whatever is due; how many are worked on, and who is next, is our own queue's business.
    let config = || Config::default().concurrency(0);
    let client = ctx.client.clone();

    let (tell, told_tenants, told_subscriptions) = Tell::new(caches.subscriptions.clone());
    let (queue, store) = (Arc::clone(&ctx.queues.tenants), caches.tenants.clone());
    let own = tenant_changes(&client, caches.tenant_writer, Arc::clone(&queue), tell.clone());
    let reconcile_tenant = move |tenant, ctx| {
        in_turn(
            tenant,
            ctx,
            Arc::clone(&queue),
            store.clone(),
            tenant::reconcile::reconcile,
        )
    };
    let mut tenants = Controller::for_stream(own, caches.tenants.clone())
        .with_config(config())
        .reconcile_on(told_tenants);
    let Following {
        follow,
        changes,
        turns,
    } = children.scaled;
    let scaled = (Kind::ScaledObject, changes);
    for (kind, changes) in children.changes.into_iter().chain([scaled]) {
        let tell = tell.clone();
        tenants = tenants.reconcile_on(changes.filter_map(move |object| {
            let object = object.ok();
            match (kind, &object) {
                (Kind::ServiceAccount, Some(object)) => tell.subscriptions_in(object.namespace()),
                // Its label says for which Tenant those inside may speak.
                (Kind::Namespace, Some(object)) => tell.subscriptions_in(object.name()),
                _ => {}
            }
            future::ready(object.and_then(|object| object.tenant().map(ObjectRef::new)))
        }));
    }
    // When KEDA comes or goes, every Tenant is looked at.
    let tenants = tenants.reconcile_all_on(turns);
    let tenants = tenants
        .graceful_shutdown_on(stop.clone())
        .run(reconcile_tenant, never, Arc::clone(&ctx))
        .for_each(|_| future::ready(()));

    let (news, told) = mpsc::channel(NEWS);
    let dead_letters = dead_letters::follow(Arc::clone(&ctx), news);
    let (queue, store) = (
        Arc::clone(&ctx.queues.subscriptions),
        caches.subscriptions.clone(),
    );
    let own = subscription_changes(&client, caches.subscription_writer, Arc::clone(&queue), tell);
    let reconcile_subscription = move |subscription, ctx| {
        in_turn(
            subscription,
            ctx,
            Arc::clone(&queue),
            store.clone(),
            subscription::reconcile::reconcile,
        )
    };
    let subscriptions = Controller::for_stream(own, caches.subscriptions)
        .with_config(config())
        .reconcile_on(told_subscriptions)
        .reconcile_on(told)
        .graceful_shutdown_on(stop.clone())
        .run(reconcile_subscription, never, Arc::clone(&ctx))
        .for_each(|_| future::ready(()));

    // Whoever runs ends well; whoever waits does not begin any more.
    let close = async {
        stop.await;
        ctx.queues.tenants.close();
        ctx.queues.subscriptions.close();
        future::pending::<()>().await;
    };
    tokio::select! {
        _ = future::join(tenants, subscriptions) => {}
        () = follow => {}
        () = dead_letters => {}
        () = close => {}
    }
}

/// Tells one kind of what happened to the other. That is done by the very watch that fills the cache, never by one that may be
/// ahead of it: whoever looked too soon would not be told again.
#[derive(Clone)]
struct Tell {
    tenants: mpsc::UnboundedSender<ObjectRef<Tenant>>,
    subscriptions: mpsc::UnboundedSender<ObjectRef<EventSubscription>>,
    known: Store<EventSubscription>,
}

/// Those who were told.
type Told<K> = mpsc::UnboundedReceiver<ObjectRef<K>>;

impl Tell {
    fn new(known: Store<EventSubscription>) -> (Self, Told<Tenant>, Told<EventSubscription>) {
        let (tenants, told_tenants) = mpsc::unbounded();
        let (subscriptions, told_subscriptions) = mpsc::unbounded();
        let tell = Self {
            tenants,
            subscriptions,
            known,
        };
        (tell, told_tenants, told_subscriptions)
    }

    fn tenant_of(&self, one: &EventSubscription) {
        // Nobody listens at the end of the process, here and below.
        let _ = self
            .tenants
            .unbounded_send(ObjectRef::new(&one.spec.tenant_ref.name));
    }

    fn subscriptions_of(&self, tenant: &Tenant) {
        self.subscriptions(|one| Some(&one.spec.tenant_ref.name) == tenant.metadata.name.as_ref());
    }

    fn subscriptions_in(&self, namespace: Option<&str>) {
        self.subscriptions(|one| one.metadata.namespace.as_deref() == namespace);
    }

    /// Those whose objects in Pub/Sub are the same: one of them may have waited for this one's end.
    fn rivals_of(&self, one: &EventSubscription) {
        self.subscriptions(|other| are_rivals(one, other));
    }

    fn subscriptions(&self, wanted: impl Fn(&EventSubscription) -> bool) {
        for one in self.known.state_filter(|one| wanted(one)) {
            let _ = self.subscriptions.unbounded_send(ObjectRef::from_obj(&*one));
        }
    }
}

/// The changes of Tenants that matter; their EventSubscriptions are told of them, and not of what is only status.
fn tenant_changes(
    client: &Client,
    writer: Writer<Tenant>,
    queue: Arc<Queue<ObjectRef<Tenant>>>,
    tell: Tell,
) -> impl Stream<Item = Result<Tenant, watcher::Error>> + Send + 'static {
    let tell_too = tell.clone();
    let changes = own_changes(client, writer, move |change| match change {
        Change::There(_) => {}
        Change::Gone(tenant) => tell_too.subscriptions_of(tenant),
    });
    changes.inspect_ok(move |tenant| {
        queue.hurry(&ObjectRef::from_obj(tenant));
        tell.subscriptions_of(tenant);
    })
}

/// The changes of EventSubscriptions that matter; Tenants are told of all, since they sum up status, and those for the same
/// topic of the end of one.
fn subscription_changes(
    client: &Client,
    writer: Writer<EventSubscription>,
    queue: Arc<Queue<ObjectRef<EventSubscription>>>,
    tell: Tell,
) -> impl Stream<Item = Result<EventSubscription, watcher::Error>> + Send + 'static {
    let changes = own_changes(client, writer, move |change| {
        tell.tenant_of(change.object());
        if let Change::Gone(one) = change {
            tell.rivals_of(one);
        }
    });
    changes.inspect_ok(move |one| queue.hurry(&ObjectRef::from_obj(one)))
}

/// Reconciles an object when its turn comes; as it is then, since it may have waited for long. One that makes the operator
/// panic is tried again later, and stops nobody else.
async fn in_turn<K, F>(
    object: Arc<K>,
    ctx: Arc<Context>,
    queue: Arc<Queue<ObjectRef<K>>>,
    store: Store<K>,
    reconcile: impl FnOnce(Arc<K>, Arc<Context>) -> F,
) -> Result<Action, Infallible>
where
    K: Conditioned + Clone + 'static,
    F: Future<Output = Result<Action, Infallible>>,
{
    let key = ObjectRef::from_obj(&*object);
    let lane = Lane::of(&*object);
    drop(object);
    let Some(_place) = queue.enter(key.clone(), lane).await else {
        return Ok(Action::await_change());
    };
    let Some(newest) = store.get(&key) else {
        return Ok(Action::await_change());
    };
    let started = Instant::now();
    // On the heap only now: thousands may wait. What it shares with others is behind locks, which are not poisoned.
    let ended = AssertUnwindSafe(Box::pin(reconcile(Arc::clone(&newest), Arc::clone(&ctx))))
        .catch_unwind()
        .await;
    match ended {
        Ok(action) => action,
        Err(_panic) => {
            let failure = Failure {
                class: Class::Bug,
                reason: Reason::InternalError,
                // What it said stands in the log; it may quote anything.
                message: "The operator panicked over it; its log says where. Please report this.".to_owned(),
            };
            Ok(ctx.end(&*newest, started, Err(failure)).await)
        }
    }
}

/// A reconcile's failure is its own outcome; there is no other.
#[allow(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    reason = "kube calls it so"
)]
fn never<K, C>(_: Arc<K>, error: &Infallible, _: Arc<C>) -> Action {
    match *error {}
}

/// What may change the work to be done; not status, so that our own writes trigger nothing.
#[allow(clippy::unnecessary_wraps, reason = "kube's predicates may have no opinion")]
fn relevant<K: Resource>(object: &K) -> Option<u64> {
    let meta = object.meta();
    let mut hasher = DefaultHasher::new();
    (
        &meta.uid,
        meta.generation,
        &meta.annotations,
        &meta.labels,
        &meta.finalizers,
    )
        .hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    Some(hasher.finish())
}

/// The changes of a kind that matter, with its cache kept; `tell` hears of all.
fn own_changes<K>(
    client: &Client,
    writer: Writer<K>,
    tell: impl Fn(&Change<K>) + Send + 'static,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let cache = writer.as_reader();
    let seen = once_cached(decoded::watch(client).reflect(writer), cache)
        .inspect_ok(tell)
        .try_filter_map(|change| {
            future::ready(Ok(match change {
                Change::There(object) => Some(object),
                Change::Gone(_) => None,
            }))
        })
        .predicate_filter(relevant, PredicateConfig::default());
    tireless(K::kind(&()).into_owned(), seen)
}
