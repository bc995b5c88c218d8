//! What triggers a reconcile: kube wiring only. Every trigger leads to the same level-triggered look, so that it does
//! not matter which of them is missed, merged or seen twice.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crds::{EventSubscription, Tenant, label};
use futures::{StreamExt as _, future};
use kube::{
    Api, Resource, ResourceExt as _,
    api::DynamicObject,
    runtime::{
        Config, Controller, PredicateConfig, WatchStreamExt as _,
        controller::Action,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher,
    },
};

use crate::{
    context::Context,
    kubernetes::{Kind, children::Changes},
    subscription, tenant,
};

/// How many objects of a kind are worked on at a time; kube's own default is without bound.
const CONCURRENCY: u16 = 16;

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
    children: Vec<(Kind, Changes)>,
    stop: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) {
    let config = || Config::default().concurrency(CONCURRENCY);
    let client = ctx.client.clone();

    let own = own_changes(Api::<Tenant>::all(client.clone()), caches.tenant_writer);
    let mut tenants = Controller::for_stream(own, caches.tenants.clone())
        .with_config(config())
        // Not filtered: a Tenant sums up the status of its EventSubscriptions.
        .watches(
            Api::<EventSubscription>::all(client.clone()),
            watcher::Config::default(),
            tenant_of_subscription,
        );
    for (kind, changes) in children {
        tenants = tenants.watches_stream_with(changes, tenant_of_child, kind.api_resource());
    }
    let tenants = tenants
        .graceful_shutdown_on(stop.clone())
        .run(tenant::reconcile::reconcile, never, Arc::clone(&ctx))
        .for_each(|_| future::ready(()));

    let own = own_changes(
        Api::<EventSubscription>::all(client.clone()),
        caches.subscription_writer,
    );
    let store = caches.subscriptions.clone();
    let of_tenant = move |tenant: Tenant| {
        subscriptions_where(&store, |one| one.spec.tenant_ref.name == tenant.name_any())
    };
    let store = caches.subscriptions.clone();
    let of_namespace = move |object: DynamicObject| {
        subscriptions_where(&store, |one| one.metadata.namespace == object.metadata.namespace)
    };
    let subscriptions = Controller::for_stream(own, caches.subscriptions)
        .with_config(config())
        .watches_stream(
            own_changes(Api::<Tenant>::all(client.clone()), Writer::default()),
            of_tenant,
        )
        .watches_with(
            Api::all_with(client, &Kind::ServiceAccount.api_resource()),
            Kind::ServiceAccount.api_resource(),
            watcher::Config::default().labels(label::TENANT),
            of_namespace,
        )
        .graceful_shutdown_on(stop)
        .run(subscription::reconcile::reconcile, never, ctx)
        .for_each(|_| future::ready(()));

    future::join(tenants, subscriptions).await;
}

/// A reconcile's failure is its own outcome; there is no other.
#[allow(
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    reason = "kube calls it so"
)]
fn never<K, C>(_: Arc<K>, error: &std::convert::Infallible, _: Arc<C>) -> Action {
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

/// The changes of a kind that matter, with its cache kept.
fn own_changes<K>(
    api: Api<K>,
    writer: Writer<K>,
) -> impl futures::Stream<Item = Result<K, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .predicate_filter(relevant, PredicateConfig::default())
}

#[allow(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "kube's mappers are called so"
)]
fn tenant_of_subscription(subscription: EventSubscription) -> Option<ObjectRef<Tenant>> {
    Some(ObjectRef::new(&subscription.spec.tenant_ref.name))
}

#[allow(clippy::needless_pass_by_value, reason = "kube's mappers are called so")]
fn tenant_of_child(object: DynamicObject) -> Option<ObjectRef<Tenant>> {
    object
        .labels()
        .get(label::TENANT)
        .map(|name| ObjectRef::new(name))
}

fn subscriptions_where(
    store: &Store<EventSubscription>,
    wanted: impl Fn(&EventSubscription) -> bool,
) -> Vec<ObjectRef<EventSubscription>> {
    store
        .state_filter(|one| wanted(one))
        .iter()
        .map(|one| ObjectRef::from_obj(&**one))
        .collect()
}
