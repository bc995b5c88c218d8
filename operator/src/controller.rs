//! What triggers a reconcile: kube wiring only. Every trigger leads to the same level-triggered look, so that it does
//! not matter which of them is missed, merged or seen twice.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use crds::{ConditionType, Conditioned as _, EventSubscription, Reason, Tenant, condition};
use futures::{Stream, StreamExt as _, TryStreamExt as _, channel::mpsc, future, stream};
use kube::{
    Client, Resource,
    runtime::{
        PredicateConfig, WatchStreamExt as _,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::{self, Event},
    },
};

use crate::{
    context::Context,
    kubernetes::{
        Kind,
        children::{Changes, Filling},
        decoded,
        keda::Following,
        namespaced::{Filler, Namespaced},
        watch::{Change, once_cached, tireless},
    },
    runner::{self, Triggers},
    subscription::{self, dead_letters, validate::are_rivals},
    tenant::{self, validate::tenant_namespace},
};

/// The subscriptions of a Tenant are worked on at the same time, and its objects are made one after the other.
const GATHER: Duration = Duration::from_millis(200);

/// How many that were measured to be otherwise wait to be looked at; who measures waits then.
const NEWS: usize = 64;

/// The caches of both kinds, and the writers that fill them.
pub struct Caches {
    /// All Tenants.
    pub tenants: Store<Tenant>,
    /// All EventSubscriptions.
    pub subscriptions: Namespaced<EventSubscription>,
    tenant_writer: Writer<Tenant>,
    subscription_filler: Filler<EventSubscription>,
}

impl Default for Caches {
    fn default() -> Self {
        let (tenants, tenant_writer) = reflector::store();
        let (subscriptions, subscription_filler) = Namespaced::new();
        Self {
            tenants,
            subscriptions,
            tenant_writer,
            subscription_filler,
        }
    }
}

/// Runs both controllers until `stop` is done, and then lets running reconciles end.
pub async fn run(ctx: Arc<Context>, caches: Caches, children: Filling, stop: impl Future<Output = ()>) {
    let client = ctx.client.clone();
    let (tell, told_tenants, told_subscriptions) =
        Tell::new(caches.tenants.clone(), caches.subscriptions.clone());
    let (news, told) = mpsc::channel(NEWS);
    let dead_letters = dead_letters::follow(Arc::clone(&ctx), news);

    let Following {
        follow,
        changes,
        turns,
    } = children.scaled;
    let of_children = children
        .changes
        .into_iter()
        .chain([(Kind::ScaledObject, changes)])
        .map(|(kind, changes)| tenants_of(kind, changes, tell.clone()).boxed());
    let known = caches.tenants.clone();
    // When KEDA comes or goes, every Tenant is looked at.
    let all = turns.flat_map(move |()| stream::iter(references(known.state())));
    let triggers = Triggers {
        written: tenant_changes(&client, caches.tenant_writer, tell.clone()).boxed(),
        else_changed: stream::select_all(of_children.chain([told_tenants.boxed(), all.boxed()])).boxed(),
        gather: GATHER,
    };
    let tenants = runner::run(
        triggers,
        Arc::clone(&ctx.queues.tenants),
        caches.tenants,
        Arc::clone(&ctx),
        tenant::reconcile::reconcile,
    );

    let triggers = Triggers {
        written: subscription_changes(&client, caches.subscription_filler, tell).boxed(),
        else_changed: stream::select(told_subscriptions, told).boxed(),
        gather: Duration::ZERO,
    };
    let subscriptions = runner::run(
        triggers,
        Arc::clone(&ctx.queues.subscriptions),
        caches.subscriptions.all().clone(),
        Arc::clone(&ctx),
        subscription::reconcile::reconcile,
    );

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

/// The Tenants whose objects in Kubernetes changed; EventSubscriptions are told of what matters to them as well.
fn tenants_of(
    kind: Kind,
    changes: Changes,
    tell: Tell,
) -> impl Stream<Item = ObjectRef<Tenant>> + Send + 'static {
    changes.filter_map(move |object| {
        if kind == Kind::ServiceAccount {
            tell.subscriptions_in(object.namespace());
        }
        // Its label says for which Tenant those inside may speak.
        if kind == Kind::Namespace {
            tell.subscriptions_in(object.name());
            tell.tenants_that_wait_for(object.name());
        }
        future::ready(object.tenant().map(ObjectRef::new))
    })
}

fn references<K: Resource<DynamicType = ()>>(all: Vec<Arc<K>>) -> impl Iterator<Item = ObjectRef<K>> {
    all.into_iter().map(|one| ObjectRef::from_obj(&*one))
}

/// Tells one kind of what happened to the other. That is done by the very watch that fills the cache, never by one that may be
/// ahead of it: whoever looked too soon would not be told again.
#[derive(Clone)]
struct Tell {
    tenants: mpsc::UnboundedSender<ObjectRef<Tenant>>,
    subscriptions: mpsc::UnboundedSender<ObjectRef<EventSubscription>>,
    known_tenants: Store<Tenant>,
    known: Namespaced<EventSubscription>,
}

/// Those who were told.
type Told<K> = mpsc::UnboundedReceiver<ObjectRef<K>>;

impl Tell {
    fn new(
        known_tenants: Store<Tenant>,
        known: Namespaced<EventSubscription>,
    ) -> (Self, Told<Tenant>, Told<EventSubscription>) {
        let (tenants, told_tenants) = mpsc::unbounded();
        let (subscriptions, told_subscriptions) = mpsc::unbounded();
        let tell = Self {
            tenants,
            subscriptions,
            known_tenants,
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

    /// Tenants that wait for the end of this one, or for a change of it: they ask for its id or its namespace.
    fn tenants_behind(&self, winner: &Tenant) {
        self.tell_tenants(|one| waits_behind(one, winner));
    }

    /// Tenants that a namespace is not, or was not, given to.
    fn tenants_that_wait_for(&self, namespace: Option<&str>) {
        self.tell_tenants(|one| is_refused(one) && Some(tenant_namespace(one)) == namespace);
    }

    fn tell_tenants(&self, which: impl Fn(&Tenant) -> bool) {
        for one in references(self.known_tenants.state_filter(which)) {
            let _ = self.tenants.unbounded_send(one);
        }
    }

    /// Wherever they are: one in another's namespace is told as well that its Tenant is there.
    fn subscriptions_of(&self, tenant: &Tenant) {
        let theirs =
            |one: &EventSubscription| Some(&one.spec.tenant_ref.name) == tenant.metadata.name.as_ref();
        self.tell(self.known.all().state_filter(theirs));
    }

    fn subscriptions_in(&self, namespace: Option<&str>) {
        self.tell(self.known.of(namespace.unwrap_or_default()));
    }

    /// Those whose objects in Pub/Sub are the same: one of them may have waited for this one's end.
    fn rivals_of(&self, one: &EventSubscription) {
        let mut rivals = self
            .known
            .of(one.metadata.namespace.as_deref().unwrap_or_default());
        rivals.retain(|other| are_rivals(one, other));
        self.tell(rivals);
    }

    fn tell(&self, subscriptions: Vec<Arc<EventSubscription>>) {
        for one in references(subscriptions) {
            let _ = self.subscriptions.unbounded_send(one);
        }
    }
}

/// Whether a Tenant was refused because another has what it asks for.
fn is_refused(tenant: &Tenant) -> bool {
    let ready = condition::find(tenant.conditions(), ConditionType::Ready);
    let reasons = [Reason::DuplicateTenantId, Reason::NamespaceConflict].map(Reason::as_str);
    ready.is_some_and(|ready| reasons.contains(&ready.reason.as_str()))
}

/// Whether a Tenant was refused for what this other one asks for too.
fn waits_behind(tenant: &Tenant, winner: &Tenant) -> bool {
    let id = |one: &Tenant| one.spec.id.clone().or_else(|| one.metadata.name.clone());
    tenant.metadata.uid != winner.metadata.uid
        && is_refused(tenant)
        && (id(tenant) == id(winner) || tenant_namespace(tenant) == tenant_namespace(winner))
}

/// The changes of Tenants that matter; their EventSubscriptions are told of them, and not of what is only status.
fn tenant_changes(
    client: &Client,
    writer: Writer<Tenant>,
    tell: Tell,
) -> impl Stream<Item = Tenant> + Send + 'static {
    let tell_too = tell.clone();
    let cache = writer.as_reader();
    let seen = decoded::watch(client).reflect(writer);
    let changes = own_changes(seen, cache, move |change| {
        tell_too.tenants_behind(change.object());
        if let Change::Gone(tenant) = change {
            tell_too.subscriptions_of(tenant);
        }
    });
    changes.inspect(move |tenant| tell.subscriptions_of(tenant))
}

/// The changes of EventSubscriptions that matter; Tenants are told of all, since they sum up status, and those for the same
/// topic of the end of one.
fn subscription_changes(
    client: &Client,
    filler: Filler<EventSubscription>,
    tell: Tell,
) -> impl Stream<Item = EventSubscription> + Send + 'static {
    let cache = tell.known.all().clone();
    let seen = filler.fill(decoded::watch(client));
    own_changes(seen, cache, move |change| {
        tell.tenant_of(change.object());
        if let Change::Gone(one) = change {
            tell.rivals_of(one);
        }
    })
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

/// The changes of a kind that matter, of all that went into its cache; `tell` hears of all.
fn own_changes<K>(
    seen: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    cache: Store<K>,
    tell: impl Fn(&Change<K>) + Send + 'static,
) -> impl Stream<Item = K> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let seen = once_cached(seen, cache)
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
