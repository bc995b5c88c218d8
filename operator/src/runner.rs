//! Runs reconciles: those that are due, when it is their turn.
//!
//! Not kube's `Controller`, which has a future for each object that waits and polls all of them whenever anything happens: with
//! thousands in the line of a first sync that took most of a processor, and the watches that share its task came minutes
//! late. What waits here is a key in our queue; what is due later is kept by kube's scheduler.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use crds::{Conditioned, Reason};
use futures::{FutureExt as _, Stream, StreamExt as _, channel::mpsc, future, stream};
use kube::runtime::{
    reflector::{ObjectRef, Store},
    scheduler::{ScheduleRequest, scheduler},
};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    context::Context,
    failure::{Class, Failure},
    queue::{Lane, Place, Queue},
};

/// Looks at each object that something triggers, one look at a time for each, and comes back to it when the look said so. Ends
/// when the queue is closed and the last look has ended; if it is dropped before, looks are given up where they are.
pub async fn run<K, F>(
    triggers: impl Stream<Item = ObjectRef<K>>,
    queue: Arc<Queue<ObjectRef<K>>>,
    store: Store<K>,
    ctx: Arc<Context>,
    reconcile: impl Fn(Arc<K>, Arc<Context>) -> F,
) where
    K: Conditioned + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Duration>> + Send + 'static,
{
    let (again, later) = mpsc::unbounded();
    let at_once = triggers.map(|message| ScheduleRequest {
        message,
        run_at: Instant::now(),
    });
    let due = scheduler(stream::select(at_once, later));
    let line_up = due.for_each(|key| {
        // What is not there yet triggers when it is; what is gone needs nothing.
        if let Some(object) = store.get(&key) {
            queue.add(key, Lane::of(&*object));
        }
        future::ready(())
    });
    let work = async {
        let mut looks = JoinSet::new();
        loop {
            tokio::select! {
                place = queue.next() => match place {
                    Some(place) => {
                        if let Some(newest) = store.get(place.key()) {
                            let ended = reconcile(Arc::clone(&newest), Arc::clone(&ctx));
                            looks.spawn(look(place, newest, Arc::clone(&ctx), ended, again.clone()));
                        }
                    }
                    None => break,
                },
                Some(_) = looks.join_next() => {}
            }
        }
        while looks.join_next().await.is_some() {}
    };
    future::select(std::pin::pin!(work), std::pin::pin!(line_up)).await;
}

/// One look. It ends well whatever happens: one that panics is tried again later, and stops nobody else.
async fn look<K>(
    place: Place<ObjectRef<K>>,
    object: Arc<K>,
    ctx: Arc<Context>,
    reconcile: impl Future<Output = Option<Duration>>,
    again: mpsc::UnboundedSender<ScheduleRequest<ObjectRef<K>>>,
) where
    K: Conditioned + Clone + Send + Sync + 'static,
{
    let started = Instant::now();
    // What it shares with others is behind locks, which are not poisoned.
    let ended = AssertUnwindSafe(reconcile).catch_unwind().await;
    let wait = match ended {
        Ok(wait) => wait,
        Err(_panic) => {
            let failure = Failure {
                class: Class::Bug,
                reason: Reason::InternalError,
                // What it said stands in the log; it may quote anything.
                message: "The operator panicked over it; its log says where. Please report this.".to_owned(),
            };
            ctx.end(&*object, started, Err(failure)).await
        }
    };
    if let Some(wait) = wait {
        // Nobody listens at the end of the process.
        let _ = again.unbounded_send(ScheduleRequest {
            message: place.key().clone(),
            run_at: Instant::now() + wait,
        });
    }
}
