//! One pull per wanted subscription, no more and no fewer, as the list changes.

use std::{collections::HashMap, sync::Arc};

use events::SubscriptionName;
use google_cloud_pubsub::client::Subscriber;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{process::Pipeline, pull::Pull, subscriptions::Subscription, supervise::supervised};

struct Running {
    subscription: Subscription,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Pulls what the list says until the worker stops; returns when nothing pulls any more.
pub(crate) async fn pull_all(
    pipeline: Arc<Pipeline>,
    subscriber: Subscriber,
    mut wanted: watch::Receiver<Vec<Subscription>>,
    back: watch::Receiver<u64>,
) {
    let mut running: HashMap<SubscriptionName, Running> = HashMap::new();
    loop {
        let list: Vec<Subscription> = wanted.borrow_and_update().clone();
        let mut keep: HashMap<SubscriptionName, Running> = HashMap::new();
        let mut start = Vec::new();
        for subscription in list.into_iter().filter(|subscription| !subscription.suspended) {
            match running.remove(&subscription.name) {
                Some(same) if same.subscription == subscription => {
                    keep.insert(subscription.name.clone(), same);
                }
                Some(other) => {
                    // Ordered or not is a property of the stream: the old one ends before the new one begins.
                    end(other).await;
                    start.push(subscription);
                }
                None => start.push(subscription),
            }
        }
        for (name, gone) in running.drain() {
            tracing::info!(subscription = %name, "Pulls no more.");
            end(gone).await;
        }
        for subscription in start {
            tracing::info!(subscription = %subscription.name, ordered = subscription.ordered, "Pulls.");
            let stop = pipeline.drain.stopping.child_token();
            let pull = Pull {
                pipeline: Arc::clone(&pipeline),
                subscriber: subscriber.clone(),
                subscription: subscription.clone(),
                back: back.clone(),
                stop: stop.clone(),
            };
            let task = tokio::spawn(async move {
                let (health, metrics) = (&pull.pipeline.health, &pull.pipeline.metrics);
                supervised("pull", health, metrics, &pull.stop, || pull.clone().run()).await;
            });
            keep.insert(
                subscription.name.clone(),
                Running {
                    subscription,
                    stop,
                    task,
                },
            );
        }
        running = keep;
        let count = i64::try_from(running.len()).unwrap_or(i64::MAX);
        pipeline.metrics.subscriptions.set(count);
        let changed = pipeline.drain.unless_stopping(wanted.changed()).await;
        if !matches!(changed, Some(Ok(()))) {
            break;
        }
    }
    // A fixed list has no sender that could change it, and is pulled until the worker stops.
    pipeline.drain.stopping.cancelled().await;
    for (_, last) in running {
        end(last).await;
    }
}

/// A pull ends with whoever keeps it, so that none goes on unseen beside its successor.
impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn end(mut running: Running) {
    running.stop.cancel();
    if (&mut running.task).await.is_err() {
        tracing::error!(subscription = %running.subscription.name, "Pulling ended with a panic.");
    }
}
