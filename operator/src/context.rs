//! What every reconcile has at hand.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crds::{EventSubscription, Tenant};
use events::TopicName;
use kube::{
    Client, Resource, ResourceExt as _,
    runtime::{
        events::{Event, EventType, Recorder},
        reflector::{ObjectRef, Store},
    },
};
use parking_lot::Mutex;
use rand::Rng as _;
use tokio::{sync::watch, time::Instant};

use crate::{
    failure::Failure,
    kubernetes::{Children, namespaced::Namespaced, repairs::Repairs},
    metrics::{Metrics, OK},
    monitoring::{Fleet, backlog::Backlogs},
    pubsub::{PubSub, inventory::Inventory},
    queue::Queue,
    settings::Settings,
    tenant::{brake::Brakes, places::Places, wave::Wave},
    turns::Turns,
};

/// Clients, caches and settings.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Pub/Sub, for writes.
    pub pubsub: Arc<dyn PubSub>,
    /// Pub/Sub, for looking.
    pub inventory: Inventory,
    /// How old the oldest message of a subscription is, as measured.
    pub fleet: Fleet,
    /// How many messages wait in a subscription, as measured.
    pub backlogs: Arc<Backlogs>,
    /// The configuration.
    pub settings: Settings,
    /// Numbers about ourselves.
    pub metrics: Arc<Metrics>,
    /// All Tenants.
    pub tenants: Store<Tenant>,
    /// All EventSubscriptions.
    pub subscriptions: Namespaced<EventSubscription>,
    /// All that was made in Kubernetes.
    pub children: Children,
    /// Becomes true when all caches have been filled once. A store's own wait wakes only the one who asked last.
    pub caches_filled: watch::Receiver<bool>,
    /// Kubernetes events.
    pub recorder: Recorder,
    /// How often each object failed in a row.
    pub retries: Retries,
    /// To which Tenants a change of the settings came.
    pub brakes: Brakes,
    /// Where the subscriptions of Tenants were found that have no binding yet.
    pub places: Places,
    /// What was put right lately.
    pub repairs: Repairs,
    /// Whose worker may change now.
    pub wave: Wave,
    /// Who may write to a topic now.
    pub turns: Turns<TopicName>,
    /// Who is reconciled next.
    pub queues: Queues,
}

impl Context {
    /// Waits until every cache has been filled once. Whoever decides before would take for missing what is only not known
    /// yet, and after each start write all of it again.
    ///
    /// # Errors
    /// At the end of the process.
    pub async fn filled(&self) -> Result<(), Failure> {
        let mut filled = self.caches_filled.clone();
        match filled.wait_for(|filled| *filled).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::transient("The operator ends.")),
        }
    }

    /// Ends a reconcile: counts it, logs it, tells people, and says after how long to come back even if nothing changes.
    pub async fn end<K>(
        &self,
        object: &K,
        started: Instant,
        result: Result<Next, Failure>,
    ) -> Option<Duration>
    where
        K: Resource<DynamicType = ()>,
    {
        let kind = K::kind(&());
        let name = object.name_any();
        let namespace = object.namespace().unwrap_or_default();
        let id = format!("{kind}/{namespace}/{name}");
        let outcome = result.as_ref().err().map_or(OK, |failure| failure.class.as_str());
        self.metrics.reconciled(&kind, outcome, started.elapsed());
        match result {
            Ok(next) => {
                self.retries.forget(&id);
                match next {
                    Next::Resync => Some(jittered(self.settings.resync)),
                    Next::Soon(wait) => Some(wait),
                    Next::SoonOrResync(wait) => Some(jittered(wait.min(self.settings.resync))),
                    Next::Change => None,
                }
            }
            Err(failure) => {
                let failures = self.retries.count(&id, object.meta().generation);
                let wait = failure.class.retry_after(failures);
                let treatment = failure.class.treatment();
                if treatment.stalled {
                    tracing::warn!(%kind, namespace, name, reason = %failure.reason, class = failure.class.as_str(), failures, retry_seconds = wait.as_secs(), message = failure.message);
                } else {
                    tracing::info!(%kind, namespace, name, reason = %failure.reason, class = failure.class.as_str(), failures, retry_seconds = wait.as_secs(), message = failure.message);
                }
                if treatment.event {
                    self.tell(
                        object,
                        EventType::Warning,
                        failure.reason.as_str(),
                        failure.message,
                    )
                    .await;
                }
                Some(wait)
            }
        }
    }

    /// Writes a Kubernetes event; one that cannot be written is only logged.
    pub async fn tell<K>(&self, object: &K, type_: EventType, reason: &str, note: String)
    where
        K: Resource<DynamicType = ()>,
    {
        // The API server's limit for a note is 1 kB.
        let note = Some(note.chars().take(1000).collect());
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note,
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await {
            tracing::info!(%error, "A Kubernetes event could not be written.");
        }
    }
}

/// How many objects of a kind are worked on at a time.
const PLACES: usize = 16;

/// The queue of each kind.
pub struct Queues {
    /// Of Tenants.
    pub tenants: Arc<Queue<ObjectRef<Tenant>>>,
    /// Of EventSubscriptions.
    pub subscriptions: Arc<Queue<ObjectRef<EventSubscription>>>,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            tenants: Queue::new(PLACES),
            subscriptions: Queue::new(PLACES),
        }
    }
}

/// When to come back after a good end.
#[derive(Debug, Clone, Copy)]
pub enum Next {
    /// At the next resync.
    Resync,
    /// After so long.
    Soon(Duration),
    /// After so long, or at the next resync if that is sooner.
    SoonOrResync(Duration),
    /// Only when something changes.
    Change,
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.9..1.1))
}

/// Counts failures in a row; a new generation starts anew.
#[derive(Default)]
pub struct Retries {
    counts: Mutex<HashMap<String, (Option<i64>, u32)>>,
}

impl Retries {
    fn count(&self, id: &str, generation: Option<i64>) -> u32 {
        let mut counts = self.counts.lock();
        let entry = counts.entry(id.to_owned()).or_insert((generation, 0));
        if entry.0 != generation {
            *entry = (generation, 0);
        }
        entry.1 += 1;
        entry.1
    }

    fn forget(&self, id: &str) {
        self.counts.lock().remove(id);
    }
}
