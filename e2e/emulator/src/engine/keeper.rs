//! One task per subscription that does what is due: leases, backoffs, retention, expiration.

use super::{Engine, subscription::Subscription};
use crate::{clock, pb};
use std::sync::{Arc, Weak};
use tokio::time::Instant;

impl Engine {
    pub(super) fn keep(&self, subscription: &Arc<Subscription>) {
        let (engine, kept) = (self.me.clone(), subscription.clone());
        let (stop, gone) = (self.stop.clone(), subscription.gone.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = run(engine, kept) => {}
                () = stop.cancelled() => {}
                () = gone.cancelled() => {}
            }
        });
    }

    /// When the subscription expires for want of use, if ever. An attached puller is use.
    fn expires(subscription: &Subscription) -> Option<Instant> {
        let ttl = subscription.config.read().expiration_policy.as_ref()?.ttl?;
        if subscription.queue(|queue| queue.pullers()) > 0 {
            subscription.touch(Instant::now());
        }
        let used = *subscription.used.lock();
        used.checked_add(clock::duration(&ttl)?)
    }

    fn do_due(&self, subscription: &Subscription) {
        let now = Instant::now();
        let forwards = self.forwards(subscription);
        let letters = subscription.queue(|queue| queue.tick(now, forwards));
        self.forward(subscription, &letters);
        if Self::expires(subscription).is_some_and(|at| at <= now) {
            tracing::info!(subscription = %subscription.name, "Expired after its time to live without use.");
            let name = subscription.name.to_string();
            // Only fails if somebody was faster.
            let _ = self.delete_subscription(&pb::DeleteSubscriptionRequest { subscription: name });
        }
    }
}

/// Holds the engine only while it works, so that dropping the emulator ends it.
async fn run(engine: Weak<Engine>, subscription: Arc<Subscription>) {
    loop {
        let due = match engine.upgrade() {
            Some(_) => [subscription.arm(), Engine::expires(&subscription)]
                .into_iter()
                .flatten()
                .min(),
            None => return,
        };
        let sleep = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = subscription.rearm.notified() => continue,
        }
        match engine.upgrade() {
            Some(engine) => engine.do_due(&subscription),
            None => return,
        }
    }
}
