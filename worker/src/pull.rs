//! I/O: one stream per subscription, from the client to the pipeline.

use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use events::SubscriptionName;
use futures::FutureExt;
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::{Error, client::Subscriber, subscriber::MessageStream};
use tokio::{
    sync::watch,
    task::coop,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    circuit::jittered,
    lanes::Lanes,
    lease::{Held, delivery},
    limits::{MOST_OUTSTANDING, MOST_OUTSTANDING_BYTES, Slot, wants_resize},
    message::Delivery,
    metrics::NO_CODE,
    process::{Pipeline, process},
    subscriptions::Subscription,
};

/// A lease is kept while its message waits, for hours if the handler is down: every wait has a bound of its own or
/// an end in sight. The longest retention Pub/Sub has.
const MAX_LEASE: Duration = Duration::from_hours(31 * 24);
/// A stream without an error for so long is open, or Pub/Sub is not reachable, which is noticed elsewhere.
const FINE_AFTER: Duration = Duration::from_secs(2);
/// A stream that is to be closed is read until nothing has come for so long: more than the 100 ms for which the client keeps
/// acknowledgements, which make room for more, and a round trip; less than a stop would notice. What is under way when a stream is closed stays leased to nobody until its ack deadline.
const QUIET: Duration = Duration::from_millis(250);
/// The longest that closing waits for a stream to become quiet.
const LAST_READ: Duration = Duration::from_secs(2);
/// Longer than the client keeps acknowledgements before Pub/Sub, told of them, sends more.
const FILL: Duration = Duration::from_millis(250);
/// A subscription that has too little to fill its stream is not held up for it all the time.
const FILL_AGAIN: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A subscription that is missing or forbidden is for people to mend, which takes minutes.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// One subscription's way into the pipeline.
#[derive(Clone)]
pub(crate) struct Pull {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) subscriber: Subscriber,
    pub(crate) subscription: Subscription,
    /// Changes when Pub/Sub was away and is back.
    pub(crate) back: watch::Receiver<u64>,
    /// Cancelled when the subscription is no longer wanted, or the worker stops.
    pub(crate) stop: CancellationToken,
}

/// A stream, and what was taken out of it but not started.
struct Stream {
    messages: MessageStream,
    /// What Pub/Sub lets it have outstanding; fixed for the life of a stream.
    limit: usize,
    held: Held,
    /// The client does not say when a stream is open; it says within milliseconds when it cannot be.
    fine_at: Instant,
    fine: bool,
    /// Not before then is it held up to be filled.
    fill_at: Instant,
    /// Why it ended, for who reads on.
    error: Option<Error>,
}

/// Why a stream is read no more.
enum End {
    /// The subscription is not wanted, or the worker stops.
    Stopped,
    /// The client gave up on it.
    Failed(Error),
    /// The handlers' pace asks for another limit.
    Resized,
}

impl Pull {
    /// Pulls until told to stop. A stream that fails is built anew: the client ends it for good on a missing
    /// subscription or right, which may come (back) later.
    pub(crate) async fn run(mut self) {
        let lanes = Lanes::new(&self.pipeline, &self.subscription);
        let held = Held::default();
        let mut fetched = VecDeque::new();
        let mut wait = FIRST_WAIT;
        while !self.stop.is_cancelled() {
            let start = Instant::now();
            let mut stream = self.open(&held);
            let end = self.read(&mut stream, &mut fetched, &lanes).await;
            if matches!(end, End::Stopped) {
                self.read_out(&mut stream, &mut fetched).await;
            }
            self.fetch(&mut stream, &mut fetched);
            // Closed first: what is given back must not be delivered to this very stream again.
            self.close(stream);
            if matches!(end, End::Stopped) {
                self.work_off(&mut fetched, &lanes).await;
                lanes.close();
            }
            let End::Failed(error) = end else { continue };
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

    /// Messages that a stream should have outstanding: what the handlers' pace asks for, and as many as wait for something
    /// else, which do not count.
    fn wanted(&self, held: &Held) -> usize {
        let base = self.pipeline.limits.outstanding();
        base.saturating_add(held.waiting())
            .min(MOST_OUTSTANDING.max(base))
    }

    fn open(&self, held: &Held) -> Stream {
        let limit = self.wanted(held);
        let outstanding = i64::try_from(limit).unwrap_or(i64::MAX);
        let gauge = &self.pipeline.metrics.outstanding_limit;
        gauge.with_label_values(&[self.name().id()]).set(outstanding);
        let messages = self
            .subscriber
            .subscribe(self.name().to_string())
            .set_max_outstanding_messages(outstanding)
            .set_max_outstanding_bytes(MOST_OUTSTANDING_BYTES)
            .set_max_lease(MAX_LEASE)
            .set_max_lease_extension(self.pipeline.lease)
            .build();
        Stream {
            messages,
            limit,
            held: held.clone(),
            fine_at: Instant::now() + FINE_AFTER,
            fine: false,
            fill_at: Instant::now(),
            error: None,
        }
    }

    async fn read(&mut self, stream: &mut Stream, fetched: &mut VecDeque<Delivery>, lanes: &Lanes) -> End {
        loop {
            let mut delivery = match fetched.pop_front() {
                Some(delivery) => delivery,
                None => match self.next(stream).await {
                    Ok(delivery) => delivery,
                    Err(end) => return end,
                },
            };
            if wants_resize(stream.limit, self.wanted(&stream.held)) {
                fetched.push_front(delivery);
                if self.fill(stream, fetched).await {
                    return End::Resized;
                }
                let Some(first) = fetched.pop_front() else {
                    continue;
                };
                delivery = first;
            }
            if self.stop.is_cancelled() {
                fetched.push_front(delivery);
                return End::Stopped;
            }
            let slot = self.pipeline.limits.slot();
            let Some(slot) = self.stop.run_until_cancelled(slot).await else {
                fetched.push_front(delivery);
                return End::Stopped;
            };
            self.start(delivery, slot, lanes);
        }
    }

    async fn next(&mut self, stream: &mut Stream) -> Result<Delivery, End> {
        if let Some(error) = stream.error.take() {
            return Err(End::Failed(error));
        }
        let mut full = false;
        loop {
            // Dropping a pending next() drops the client's backoff with it, so it is done only when Pub/Sub is back.
            let next = stream.messages.next();
            tokio::pin!(next);
            let next = loop {
                tokio::select! {
                    biased;
                    // Not at once: dropping this future while the stream opens would lose what comes with it.
                    () = self.stop.cancelled() => match timeout(QUIET, &mut next).await {
                        Ok(last) => break Some(last),
                        Err(_quiet) => return Err(End::Stopped),
                    },
                    Ok(()) = self.back.changed() => break None,
                    () = sleep_until(stream.fine_at), if !stream.fine => {
                        stream.fine = true;
                        self.pipeline.health.fine(&self.who());
                    }
                    next = &mut next => break Some(next),
                    // Messages that wait are in the way of others: a wider stream, once nothing is under way in this one.
                    () = stream.held.clogged(stream.limit), if !full => match timeout(FILL, &mut next).await {
                        Ok(next) => break Some(next),
                        Err(_quiet) if self.pipeline.limits.window.is_full() => {
                            full = true;
                            tracing::warn!(subscription = %self.subscription.name, "No more events can wait; none is fetched.");
                        }
                        Err(_quiet) => return Err(End::Resized),
                    },
                }
            };
            return match next {
                None => continue,
                Some(Some(Ok((message, handler)))) => {
                    if !std::mem::replace(&mut stream.fine, true) {
                        self.pipeline.health.fine(&self.who());
                    }
                    self.pipeline.metrics.received.inc();
                    Ok(delivery(&self.subscription, &stream.held, message, handler))
                }
                Some(Some(Err(error))) => Err(End::Failed(error)),
                Some(None) => Err(End::Stopped),
            };
        }
    }

    /// Waits a moment, without handling anything, for the stream to have its fill: only then is nothing under way that
    /// closing it would lose. Handlers that answer at once never let it fill by themselves.
    async fn fill(&self, stream: &mut Stream, fetched: &mut VecDeque<Delivery>) -> bool {
        self.fetch(stream, fetched);
        let now = Instant::now();
        if now >= stream.fill_at {
            stream.fill_at = now + FILL_AGAIN;
            while stream.held.count() < stream.limit && now.elapsed() < FILL && !self.stop.is_cancelled() {
                tokio::time::sleep(FILL / 50).await;
                self.fetch(stream, fetched);
            }
        }
        stream.held.count() >= stream.limit
    }

    /// Takes what the client has fetched already, without waiting for more.
    fn fetch(&self, stream: &mut Stream, fetched: &mut VecDeque<Delivery>) {
        while stream.error.is_none() {
            // Not within the task's budget: a stream that has more is not to be taken for one that has not.
            match coop::unconstrained(stream.messages.next()).now_or_never() {
                Some(Some(Ok((message, handler)))) => {
                    self.pipeline.metrics.received.inc();
                    fetched.push_back(delivery(&self.subscription, &stream.held, message, handler));
                }
                Some(Some(Err(error))) => stream.error = Some(error),
                Some(None) | None => return,
            }
        }
    }

    /// Reads a stream that is to be closed until it is quiet. No handler is started meanwhile, so Pub/Sub has little to
    /// send, and nothing once the stream has its fill.
    async fn read_out(&self, stream: &mut Stream, fetched: &mut VecDeque<Delivery>) {
        let deadline = Instant::now() + LAST_READ;
        while stream.error.is_none() && stream.held.count() < stream.limit && Instant::now() < deadline {
            match timeout(QUIET, stream.messages.next()).await {
                Ok(Some(Ok((message, handler)))) => {
                    self.pipeline.metrics.received.inc();
                    fetched.push_back(delivery(&self.subscription, &stream.held, message, handler));
                }
                Ok(Some(Err(error))) => stream.error = Some(error),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Starts a delivery's way through the pipeline, and that of those which queue behind it.
    fn start(&self, delivery: Delivery, slot: Slot, lanes: &Lanes) {
        let pipeline = Arc::clone(&self.pipeline);
        if delivery.message.in_order {
            if let Some(delivery) = lanes.queue(delivery) {
                let tasks = &self.pipeline.drain.deliveries;
                tasks.spawn(lanes.clone().run(pipeline, delivery, slot));
            }
            return;
        }
        let at_once = pipeline.limits.answers_at_once();
        let mut way = Box::pin(async move {
            // A panic of ours ends this delivery, and no other.
            let _ = AssertUnwindSafe(process(&pipeline, delivery, slot))
                .catch_unwind()
                .await;
        });
        if at_once && way.as_mut().now_or_never().is_some() {
            return;
        }
        self.pipeline.drain.deliveries.spawn(way);
    }

    /// At a stop, what was fetched is handled if that is a matter of moments: giving it back would cost each message
    /// a delivery attempt that no handler spent. The rest is given back now.
    async fn work_off(&self, fetched: &mut VecDeque<Delivery>, lanes: &Lanes) {
        let limits = &self.pipeline.limits;
        let deadline = Instant::now() + self.pipeline.drain.grace / 2;
        while let Some(delivery) = fetched.pop_front() {
            let fits = limits.mean().is_some_and(|mean| Instant::now() + mean < deadline);
            let slot = if fits && self.pipeline.registry.all_there() {
                timeout_at(deadline, limits.slot()).await.ok()
            } else {
                None
            };
            if let Some(slot) = slot {
                self.start(delivery, slot, lanes);
            } else if let Some(delivery) = lanes.queue_behind(delivery) {
                self.pipeline.metrics.released.inc();
                delivery.lease.nack();
            }
        }
    }

    /// Closes a stream. What is being handled keeps its lease until it is settled; acknowledgements are flushed.
    fn close(&self, stream: Stream) {
        let shutdown = stream.messages.shutdown_token();
        drop(stream);
        let streams = &self.pipeline.drain.streams;
        streams.spawn(async move { shutdown.shutdown().await });
    }

    fn failed(&self, error: &Error) {
        let code = error.status().map(|status| status.code);
        let label = code.map_or_else(|| NO_CODE.to_owned(), |code| code.to_string());
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
            %subscription, code = label, %error, advice,
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
