//! I/O: one stream per subscription, from the client to the pipeline.

use std::{sync::Arc, time::Duration};

use events::SubscriptionName;
use futures::FutureExt;
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::{Error, client::Subscriber, subscriber::MessageStream};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    circuit::jittered,
    lanes::Lanes,
    lease::delivery,
    limits::MOST_OUTSTANDING_BYTES,
    message::Delivery,
    process::{Pipeline, process},
    subscriptions::Subscription,
};

/// A lease is kept while its message waits, for hours if the handler is down: every wait has a bound of its own or
/// an end in sight. The longest retention Pub/Sub has.
const MAX_LEASE: Duration = Duration::from_hours(31 * 24);
/// What an extension asks for: a worker that was killed leaves its messages to others after this long.
const LEASE: Duration = Duration::from_mins(1);
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A subscription that is missing or forbidden is for people to mend, which takes minutes.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Why a stream is read no more.
enum End {
    /// The subscription is not wanted, or the worker stops.
    Stopped,
    /// The client gave up on it.
    Failed(Error),
}

/// One subscription's way into the pipeline.
pub(crate) struct Pull {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) subscriber: Subscriber,
    pub(crate) subscription: Subscription,
    /// Changes when Pub/Sub was away and is back.
    pub(crate) back: watch::Receiver<u64>,
    /// Cancelled when the subscription is no longer wanted, or the worker stops.
    pub(crate) stop: CancellationToken,
}

impl Pull {
    /// Pulls until told to stop. A stream that fails is built anew: the client ends it for good on a missing
    /// subscription or right, which may come (back) later.
    pub(crate) async fn run(mut self) {
        let lanes = self.subscription.ordered.then(Lanes::default);
        let mut wait = FIRST_WAIT;
        while !self.stop.is_cancelled() {
            let start = Instant::now();
            let mut stream = self.open();
            let end = self.read(&mut stream, lanes.as_ref()).await;
            self.close(stream);
            let End::Failed(error) = end else { break };
            if start.elapsed() > LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            self.failed(&error);
            let pause = tokio::time::sleep(jittered(wait));
            let _ = self.stop.run_until_cancelled(pause).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        self.pipeline.health.fine(&self.who());
    }

    fn open(&self) -> MessageStream {
        let outstanding = i64::try_from(self.pipeline.limits.outstanding()).unwrap_or(i64::MAX);
        let name = self.name().to_string();
        let limit = &self.pipeline.metrics.outstanding_limit;
        limit.with_label_values(&[self.name().id()]).set(outstanding);
        self.subscriber
            .subscribe(name)
            .set_max_outstanding_messages(outstanding)
            .set_max_outstanding_bytes(MOST_OUTSTANDING_BYTES)
            .set_max_lease(MAX_LEASE)
            .set_max_lease_extension(LEASE)
            .build()
    }

    async fn read(&mut self, stream: &mut MessageStream, lanes: Option<&Lanes>) -> End {
        loop {
            let next = tokio::select! {
                biased;
                () = self.stop.cancelled() => return End::Stopped,
                // Leaving this select drops the pending next(), and with it the client's backoff.
                Ok(()) = self.back.changed() => continue,
                next = stream.next() => next,
            };
            let delivery = match next {
                Some(Ok((message, handler))) => delivery(self.name(), message, handler),
                Some(Err(error)) => return End::Failed(error),
                None => return End::Stopped,
            };
            self.pipeline.health.fine(&self.who());
            self.pipeline.metrics.received.inc();
            let Some(delivery) = (match lanes {
                Some(lanes) if !delivery.message.ordering_key.is_empty() => lanes.queue(delivery),
                _ => Some(delivery),
            }) else {
                continue;
            };
            self.start(delivery, lanes.cloned()).await;
        }
    }

    /// Starts a delivery's way through the pipeline as soon as there is leave for it; until then nothing more is
    /// taken from the stream, whose own buffer keeps the leases.
    async fn start(&self, delivery: Delivery, lanes: Option<Lanes>) {
        let admitted = self.stop.run_until_cancelled(self.pipeline.limits.admit()).await;
        let Some(mut leave) = admitted else {
            return delivery.lease.nack();
        };
        let pipeline = Arc::clone(&self.pipeline);
        let mut delivery = delivery;
        self.pipeline.drain.deliveries.spawn(async move {
            loop {
                let key = delivery.message.ordering_key.clone();
                let done = process(&pipeline, delivery, leave).await;
                let Some(next) = lanes.as_ref().and_then(|lanes| lanes.next(&key, done)) else {
                    return;
                };
                let admitted = pipeline.drain.unless_stopping(pipeline.limits.admit()).await;
                let Some(next_leave) = admitted else {
                    next.lease.nack();
                    if let Some(lanes) = &lanes {
                        lanes.next(&key, false);
                    }
                    return;
                };
                (delivery, leave) = (next, next_leave);
            }
        });
    }

    /// Closes a stream: what it had fetched is given back now, what is being handled keeps its lease until it is
    /// settled, and acknowledgements are flushed.
    fn close(&self, mut stream: MessageStream) {
        let shutdown = stream.shutdown_token();
        // The client would give fetched messages back only when the last handler ends.
        while let Some(Some(Ok(fetched))) = stream.next().now_or_never() {
            self.pipeline.metrics.released.inc();
            drop(fetched);
        }
        drop(stream);
        self.pipeline
            .drain
            .streams
            .spawn(async move { shutdown.shutdown().await });
    }

    fn failed(&self, error: &Error) {
        let code = error.status().map(|status| status.code);
        let label = code.map_or_else(|| "TRANSPORT".to_owned(), |code| code.to_string());
        let metric = &self.pipeline.metrics.stream_errors;
        metric.with_label_values(&[label.as_str()]).inc();
        let subscription = self.name();
        let advice = match code {
            Some(Code::NotFound) => "the subscription does not exist",
            Some(Code::PermissionDenied) => "the worker may not consume it: grant roles/pubsub.subscriber",
            Some(Code::Unauthenticated) => "the worker's credentials are not accepted",
            Some(Code::FailedPrecondition) => "it cannot be pulled: is it detached, or a push subscription?",
            _ => "the stream failed",
        };
        self.pipeline.health.blocked(self.who(), advice);
        tracing::warn!(
            %subscription, code = label, error = %chain(error), advice,
            "A subscription cannot be pulled; trying again."
        );
    }

    fn name(&self) -> &SubscriptionName {
        &self.subscription.name
    }

    fn who(&self) -> String {
        format!("subscription {}", self.name())
    }
}

/// An error with what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
