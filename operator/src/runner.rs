//! Runs reconciles: those that are due, when it is their turn.
//!
//! Not kube's `Controller`, which has a future for each object that waits and polls all of them whenever anything happens: with
//! thousands in the line of a first sync that was nearly half of the operator's processor time, and the watches that share its
//! task came late. What waits here is a key in our queue; what is due later is kept by kube's scheduler.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use crds::{Conditioned, Reason};
use futures::{
    FutureExt as _, StreamExt as _,
    channel::mpsc,
    future,
    stream::{self, BoxStream},
};
use kube::{
    Resource,
    runtime::{
        reflector::{ObjectRef, Store},
        scheduler::{ScheduleRequest, scheduler},
    },
};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    context::Context,
    failure::{Class, Failure},
    queue::{Lane, Place, Queue},
};

/// What makes an object be looked at. Watches are large, so they are on the heap.
pub struct Triggers<K: Resource<DynamicType = ()> + 'static> {
    /// Those that somebody wrote, as they are then.
    pub written: BoxStream<'static, K>,
    /// Those around which something else changed.
    pub else_changed: BoxStream<'static, ObjectRef<K>>,
    /// So long is gathered what changes around an object: much of it comes in bursts, and one look does for all.
    pub gather: Duration,
}

/// Looks at each object that something triggers, one look at a time for each, and comes back to it when the look said so. Ends
/// when the queue is closed and the last look has ended; if it is dropped before, looks are given up where they are.
pub async fn run<K, F>(
    triggers: Triggers<K>,
    queue: Arc<Queue<ObjectRef<K>>>,
    store: Store<K>,
    ctx: Arc<Context>,
    reconcile: impl Fn(Arc<K>, Arc<Context>) -> F,
) where
    K: Conditioned + Clone + Send + Sync + 'static,
    F: Future<Output = Option<Duration>> + Send + 'static,
{
    let (again, later) = mpsc::unbounded();
    let Triggers {
        written,
        else_changed,
        gather,
    } = triggers;
    let soon = else_changed.map(|message| ScheduleRequest {
        message,
        run_at: Instant::now() + gather,
    });
    let at_once = written.for_each(|object| {
        queue.add(ObjectRef::from_obj(&object), Lane::Edits.unless_kept(&object));
        future::ready(())
    });
    let due = scheduler(stream::select(soon, later));
    let in_time = due.for_each(|key| {
        // What is not there yet triggers when it is; what is gone needs nothing.
        if let Some(object) = store.get(&key) {
            queue.add(key, Lane::Changes.unless_kept(&*object));
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
                            // On the heap: it is far too large to be handed on by value.
                            let ended = reconcile(Arc::clone(&newest), Arc::clone(&ctx)).boxed();
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
    tokio::select! {
        () = work => {}
        _ = future::join(at_once, in_time) => {}
    }
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
