//! KEDA's ScaledObjects, which a cluster has or has not: the kind itself is watched, and its objects while there are any to
//! watch. So KEDA may come and go, and the operator need not be started again.

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use kube::{
    Api, Client,
    api::DynamicObject,
    core::GroupVersionKind,
    discovery::ApiResource,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, Store, store::Writer},
        watcher::{self, Event, watch_object},
    },
};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::{
    children::{Changes, watched},
    manifest::Kind,
    remembered::Remembered,
};

/// The definition of the kind.
const DEFINITION: &str = "scaledobjects.keda.sh";

/// Whether there are ScaledObjects.
#[derive(Clone, Default)]
enum State {
    /// Nobody knows yet. Who took that for "no" would take the number of workers out of KEDA's hands at each start.
    #[default]
    Unknown,
    Absent,
    Present(Store<Remembered>),
}

/// The ScaledObjects of ours, if there are such things.
#[derive(Clone)]
pub struct ScaledObjects(watch::Receiver<State>);

/// What has to go on for [`ScaledObjects`] to be right.
pub struct Following {
    /// Watches; to be polled for as long as the operator runs.
    pub follow: BoxFuture<'static, ()>,
    /// The changes of objects.
    pub changes: Changes,
    /// One for each time the kind comes or goes.
    pub turns: stream::BoxStream<'static, ()>,
}

impl ScaledObjects {
    /// Begins to watch, once [`Following::follow`] is polled.
    #[must_use]
    pub fn watch(client: &Client) -> (Self, Following) {
        let (state, known) = watch::channel(State::Unknown);
        let (tell, told) = mpsc::unbounded_channel();
        let follower = Follower {
            client: client.clone(),
            state,
            tell,
        };
        let changes = stream::unfold(told, async |mut told| Some((told.recv().await?, told)));
        let turns = stream::unfold(known.clone(), async |mut known| {
            known.changed().await.ok()?;
            Some(((), known))
        });
        let following = Following {
            follow: follower.run().boxed(),
            changes: changes.boxed(),
            turns: turns.boxed(),
        };
        (Self(known), following)
    }

    /// Waits until it is known whether there are any, and which.
    ///
    /// # Errors
    /// When the watching ended before.
    pub async fn wait_until_ready(&self) -> Result<(), watch::error::RecvError> {
        let mut known = self.0.clone();
        known
            .wait_for(|state| !matches!(state, State::Unknown))
            .await
            .map(|_| ())
    }

    /// Whether the cluster has them.
    #[must_use]
    pub fn exist(&self) -> bool {
        matches!(*self.0.borrow(), State::Present(_))
    }

    pub(super) fn store(&self) -> Option<Store<Remembered>> {
        match &*self.0.borrow() {
            State::Present(store) => Some(store.clone()),
            State::Unknown | State::Absent => None,
        }
    }
}

struct Follower {
    client: Client,
    state: watch::Sender<State>,
    tell: mpsc::UnboundedSender<Remembered>,
}

/// The objects' cache, and what fills it.
struct Objects {
    store: Store<Remembered>,
    events: stream::BoxStream<'static, Result<Event<Remembered>, watcher::Error>>,
}

impl Follower {
    async fn run(self) {
        let definitions: Api<DynamicObject> = Api::all_with(self.client.clone(), &definition_resource());
        let definition = watch_object(definitions, DEFINITION).default_backoff();
        let mut definition = std::pin::pin!(definition);
        let mut objects: Option<Objects> = None;
        loop {
            tokio::select! {
                seen = definition.next() => match seen {
                    Some(Ok(seen)) if seen.as_ref().is_some_and(is_served) => {
                        // Which state it is, is known when the first list is there.
                        objects.get_or_insert_with(|| self.objects());
                    }
                    Some(Ok(_)) => {
                        objects = None;
                        self.is(State::Absent);
                    }
                    Some(Err(error)) => tracing::debug!(%error, "The definition of ScaledObjects could not be watched."),
                    // Watches do not end; should this one, what is known stays.
                    None => std::future::pending().await,
                },
                (event, store) = next(&mut objects) => self.see(event, store),
            }
        }
    }

    fn objects(&self) -> Objects {
        let writer = Writer::new(Kind::ScaledObject);
        let store = writer.as_reader();
        let seen = watched(&self.client, Kind::ScaledObject);
        let events = reflector::reflector(writer, seen).default_backoff();
        Objects {
            store,
            events: events.boxed(),
        }
    }

    fn see(&self, event: Result<Event<Remembered>, watcher::Error>, store: Store<Remembered>) {
        let change = match event {
            Ok(Event::Init) => return,
            Ok(Event::InitDone) => return self.is(State::Present(store)),
            Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => object,
            Err(error) => {
                if is_forbidden(&error) {
                    tracing::warn!(
                        "This cluster has KEDA, and the operator may not list its scaledobjects.keda.sh: workers are not scaled."
                    );
                    self.is(State::Absent);
                }
                return;
            }
        };
        // Nobody listens any more when the operator ends.
        let _ = self.tell.send(change);
    }

    /// Says so, and wakes those who wait only when that is new.
    fn is(&self, now: State) {
        self.state.send_if_modified(|state| {
            let same = matches!(
                (&*state, &now),
                (State::Absent, State::Absent) | (State::Present(_), State::Present(_))
            );
            if !same {
                let there = matches!(now, State::Present(_));
                tracing::info!(there, "KEDA's ScaledObjects were looked for.");
                *state = now;
            }
            !same
        });
    }
}

async fn next(
    objects: &mut Option<Objects>,
) -> (Result<Event<Remembered>, watcher::Error>, Store<Remembered>) {
    if let Some(objects) = objects
        && let Some(event) = objects.events.next().await
    {
        return (event, objects.store.clone());
    }
    std::future::pending().await
}

/// Whether objects of the kind can be made. A definition that is being deleted takes none, and takes its objects along.
fn is_served(definition: &DynamicObject) -> bool {
    let established = definition
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|one| is(one, "type", "Established") && is(one, "status", "True"));
    let version = Kind::ScaledObject.api_resource().version;
    let served = definition
        .data
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|one| is(one, "name", &version) && one.get("served") == Some(&Value::Bool(true)));
    definition.metadata.deletion_timestamp.is_none() && established && served
}

fn is(object: &Value, key: &str, text: &str) -> bool {
    object.get(key).and_then(Value::as_str) == Some(text)
}

#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "only the API server's own word counts here"
)]
fn is_forbidden(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 403,
        _ => false,
    }
}

fn definition_resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        "customresourcedefinitions",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(established: &str, version: &str, served: bool) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": DEFINITION},
            "spec": {"versions": [{"name": version, "served": served}]},
            "status": {"conditions": [{"type": "Established", "status": established}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_kind_is_there_when_objects_of_it_can_be_made() {
        assert!(is_served(&definition("True", "v1alpha1", true)));
        assert!(!is_served(&definition("False", "v1alpha1", true)));
        assert!(!is_served(&definition("True", "v1alpha1", false)));
        assert!(!is_served(&definition("True", "v2", true)));
        let mut going = definition("True", "v1alpha1", true);
        going.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        assert!(!is_served(&going));
    }
}
