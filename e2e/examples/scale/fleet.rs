//! All Tenants and EventSubscriptions as a user sees them, watched: to list thousands again and again would be most of the
//! load.

use crds::{ConditionType, EventSubscription, Tenant, condition};
use futures::{StreamExt as _, future};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

/// How many objects there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Objects {
    pub(crate) tenants: usize,
    pub(crate) subscriptions: usize,
}

/// The caches.
pub(crate) struct Fleet {
    tenants: Store<Tenant>,
    subscriptions: Store<EventSubscription>,
}

impl Fleet {
    /// Watched by tasks of this set.
    pub(crate) fn watch(client: &Client, tasks: &mut JoinSet<()>) -> Self {
        Self {
            tenants: cache(client, tasks),
            subscriptions: cache(client, tasks),
        }
    }

    /// One Tenant that is not Ready, and what is said of it.
    pub(crate) fn waiting(&self) -> Option<String> {
        let tenants = self.tenants.state();
        tenants.iter().find_map(|one| {
            let conditions = one.status.as_ref().map(|status| status.conditions.as_slice());
            let ready = condition::find(conditions.unwrap_or_default(), ConditionType::Ready);
            match ready {
                Some(ready) if ready.status == "True" => None,
                Some(ready) => Some(format!("{}: {}", one.name_any(), ready.message)),
                None => Some(format!("{}: no status", one.name_any())),
            }
        })
    }

    /// Those that are Ready, as was said of their newest generation.
    pub(crate) fn ready(&self) -> Objects {
        let is_ready =
            |conditions: &[_], generation| condition::holds(conditions, ConditionType::Ready, generation);
        let tenants = self.tenants.state_filter(|one| {
            let status = one.status.as_ref();
            status.is_some_and(|status| is_ready(&status.conditions, one.metadata.generation))
        });
        let subscriptions = self.subscriptions.state_filter(|one| {
            let status = one.status.as_ref();
            status.is_some_and(|status| is_ready(&status.conditions, one.metadata.generation))
        });
        Objects {
            tenants: tenants.len(),
            subscriptions: subscriptions.len(),
        }
    }
}

fn cache<K>(client: &Client, tasks: &mut JoinSet<()>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let changes = watcher(Api::<K>::all(client.clone()), watcher::Config::default()).default_backoff();
    tasks.spawn(reflector::reflector(writer, changes).for_each(|_| future::ready(())));
    store
}
