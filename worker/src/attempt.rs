//! One event, until there is a verdict: claim → handle → note the end, and again where nothing was decided.

use std::{borrow::Cow, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::{
    sync::{OwnedSemaphorePermit, TryAcquireError},
    time::{Instant, timeout},
};

use crate::{
    circuit::{DECIDED_AFTER, Failure, Judgement, Next, Pass, Record, jittered},
    disposition::{LONGEST_HOLD, Verdict},
    failure::Unavailable,
    handle::{Event, Outcome},
    limits::Slot,
    message::{Lease, Message},
    note::{answered, finish, release},
    once::{Claim, End, Identity, Noted, Token},
    process::Pipeline,
    registry::Registered,
    report,
    window::{FEWEST_ATTEMPTS, Waiting, may_be_given_back},
};

/// A claim is kept up this many times in its life, so that it survives a store that is away for most of it.
const RENEWALS: u32 = 3;
/// Waits between two attempts at one event start here and double.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The same for an event whose failure waits to be decided: it is tried again often enough to see a blip end.
const FIRST_PENDING_WAIT: Duration = Duration::from_secs(2);
/// The same between the tries of an event that must not be overtaken.
const FIRST_WAIT_IN_ORDER: Duration = Duration::from_secs(1);
const LONGEST_WAIT_IN_ORDER: Duration = Duration::from_mins(10);
/// A handler whose claim was lost may still stop its work in this time.
const CANCEL_GRACE: Duration = Duration::from_secs(5);
const TIMED_OUT: &str = "the handler took longer than WORKER_TIMEOUT";

/// One delivery of an event, and the handler it goes to.
#[derive(Clone, Copy)]
pub(crate) struct Delivered<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) event: &'a Event,
    pub(crate) message: &'a Message,
    pub(crate) lease: &'a dyn Lease,
    pub(crate) handler: &'a Registered,
}

/// What came of one attempt.
enum Attempt {
    Over(Verdict),
    /// The store has no answer, or another delivery is being handled: wait.
    Wait(Cow<'static, str>),
    /// The failure waits to be decided.
    Undecided(Unavailable),
}

/// Why an event that waits goes on without a verdict of its handler.
struct GivenBack(Verdict);

/// A slot of the worker's, and one of the handler's where it has its own.
struct Slots {
    _worker: Slot,
    _handler: Option<OwnedSemaphorePermit>,
}

/// Attempt after attempt, until there is a verdict or the worker stops. `took` becomes what the last call took.
pub(crate) async fn handle_once(
    delivered: &Delivered<'_>,
    slot: Slot,
    took: &mut Option<Duration>,
) -> Verdict {
    let Delivered { event, message, .. } = *delivered;
    let token = Token::fresh();
    let mut record = Record::new(fingerprint(&message.message_id));
    let mut slot = Some(slot);
    let (mut waits, mut undecided, mut failures) = (0, 0, 0);
    loop {
        let admitted = match delivered.admit(&record, slot.take()).await {
            Ok(admitted) => admitted,
            Err(GivenBack(verdict)) => return verdict,
        };
        let attempt = match delivered.attempt(token, &mut record, admitted, took).await {
            Attempt::Undecided(unavailable) => {
                undecided += 1;
                report::waiting(event, &unavailable.reason);
                match delivered.decide(&record, &unavailable, undecided).await {
                    Err(GivenBack(verdict)) => return verdict,
                    Ok(Next::Again) => continue,
                    Ok(Next::Own) => Attempt::Over(Verdict::Retryable {
                        reason: unavailable.reason,
                        retry_after: unavailable.retry_after,
                    }),
                }
            }
            decided @ (Attempt::Over(_) | Attempt::Wait(_)) => decided,
        };
        let (pause, why) = match attempt {
            Attempt::Over(Verdict::Retryable { reason, retry_after }) if message.in_order => {
                failures += 1;
                if exhausted(message, failures) {
                    return delivered.exhausted(token, reason, retry_after).await;
                }
                let least = doubled(FIRST_WAIT_IN_ORDER, failures - 1, LONGEST_WAIT_IN_ORDER);
                (
                    retry_after.unwrap_or_default().min(LONGEST_HOLD).max(least),
                    reason,
                )
            }
            Attempt::Over(verdict) => return verdict,
            Attempt::Undecided(unavailable) => (Duration::ZERO, unavailable.reason),
            Attempt::Wait(why) => {
                waits += 1;
                (jittered(doubled(FIRST_WAIT, waits - 1, LONGEST_WAIT)), why)
            }
        };
        report::waiting(event, &why);
        if let Err(GivenBack(verdict)) = delivered.pause(tokio::time::sleep(pause)).await {
            return verdict;
        }
    }
}

impl Delivered<'_> {
    /// Waits for the circuit and a slot. The slot that the delivery came with is given up while the circuit is open.
    async fn admit(&self, record: &Record, slot: Option<Slot>) -> Result<(Pass, Slots), GivenBack> {
        let circuit = &self.handler.circuit;
        if let Some(worker) = slot
            && circuit.is_closed()
            && let Ok(handler) = self.try_own_slot()
        {
            let pass = circuit.enter(record).await;
            return Ok((
                pass,
                Slots {
                    _worker: worker,
                    _handler: handler,
                },
            ));
        }
        let admitted = async {
            loop {
                let pass = circuit.enter(record).await;
                let handler = self.own_slot().await;
                let worker = self.pipeline.limits.slot().await;
                // It may have opened while we waited for the slot.
                if pass.is_probe() || circuit.is_closed() {
                    return (
                        pass,
                        Slots {
                            _worker: worker,
                            _handler: handler,
                        },
                    );
                }
            }
        };
        self.pause(admitted).await
    }

    /// The handler's own slot, where it has slots of its own; an error when they are taken.
    fn try_own_slot(&self) -> Result<Option<OwnedSemaphorePermit>, TryAcquireError> {
        match &self.handler.slots {
            None => Ok(None),
            Some(slots) => Arc::clone(slots).try_acquire_owned().map(Some),
        }
    }

    async fn own_slot(&self) -> Option<OwnedSemaphorePermit> {
        match &self.handler.slots {
            None => None,
            Some(slots) => Arc::clone(slots).acquire_owned().await.ok(),
        }
    }

    /// Waits without a slot, with the lease kept, unless the worker stops or too many events wait.
    async fn pause<T>(&self, until: impl Future<Output = T>) -> Result<T, GivenBack> {
        let (pipeline, message) = (self.pipeline, self.message);
        let may_go =
            !message.in_order && may_be_given_back(message.delivery_attempt, message.max_delivery_attempts);
        let mut waiting: Waiting = pipeline.limits.window.wait(self.event.bytes(), may_go);
        self.lease.waits(true);
        pipeline.metrics.waiting.set(count(pipeline));
        let ended = tokio::select! {
            biased;
            () = pipeline.drain.stopping.cancelled() => Err(GivenBack(Verdict::Released)),
            ended = until => Ok(ended),
            () = waiting.asked_to_go() => Err(GivenBack(Verdict::Displaced)),
        };
        self.lease.waits(false);
        drop(waiting);
        pipeline.metrics.waiting.set(count(pipeline));
        ended
    }

    /// Waits for what decides a failure, and no longer than until it would decide itself.
    async fn decide(
        &self,
        record: &Record,
        unavailable: &Unavailable,
        undecided: u32,
    ) -> Result<Next, GivenBack> {
        let pause = jittered(doubled(FIRST_PENDING_WAIT, undecided - 1, DECIDED_AFTER / 2));
        let pause = pause.max(unavailable.retry_after.unwrap_or_default().min(LONGEST_HOLD));
        let failure: Failure = unavailable.failure();
        self.pause(self.handler.circuit.decide(record, failure, pause))
            .await
    }

    /// An event that must not be overtaken has failed as often as its subscription allows. That is noted, so that it is not
    /// called again on its way to the dead letters.
    async fn exhausted(
        &self,
        token: Token,
        reason: Cow<'static, str>,
        retry_after: Option<Duration>,
    ) -> Verdict {
        let verdict = Verdict::Retryable { reason, retry_after };
        let version = self.version();
        let identity = self.event.identity(&version);
        let store = &self.pipeline.store;
        let claim = answered(self.pipeline, store.claim(&identity, token, self.pipeline.lease)).await;
        match claim {
            Ok(Claim::Claimed) => {
                finish(self.pipeline, &identity, token, End::PermanentlyFailed, verdict).await
            }
            Ok(_) | Err(_) => verdict,
        }
    }

    /// The handler's version: its own, or that of the settings.
    fn version(&self) -> Arc<str> {
        let own = self.handler.handler.version();
        own.unwrap_or_else(|| Arc::clone(&self.pipeline.handler_version))
    }

    /// One attempt: claim → handle → note the end.
    async fn attempt(
        &self,
        token: Token,
        record: &mut Record,
        (mut pass, slots): (Pass, Slots),
        took: &mut Option<Duration>,
    ) -> Attempt {
        let (pipeline, event) = (self.pipeline, self.event);
        let version = self.version();
        let identity = event.identity(&version);
        match answered(pipeline, pipeline.store.claim(&identity, token, pipeline.lease)).await {
            Ok(Claim::Claimed) => {}
            Ok(Claim::Done) => return Attempt::Over(Verdict::Duplicate),
            Ok(Claim::PermanentlyFailed) => return Attempt::Over(Verdict::PermanentBefore),
            Ok(Claim::Conflict) => return Attempt::Over(Verdict::Conflict),
            Ok(Claim::InFlight) => {
                return Attempt::Wait("another delivery of the event is being handled".into());
            }
            Err(error) => return Attempt::Wait(error.to_string().into()),
        }
        pass.begin();
        let outcome = self.call(&identity, token, took).await;
        let judgement = match &outcome {
            Called::Answered(Outcome::Success) => {
                pass.succeeded(Instant::now());
                None
            }
            Called::Answered(Outcome::Retryable { .. } | Outcome::Permanent { .. }) => {
                pass.answered();
                None
            }
            Called::Answered(Outcome::Unavailable(unavailable)) => {
                pipeline.metrics.handler_unavailable.inc();
                Some(pass.failed(record, unavailable.failure(), unavailable.retry_after))
            }
            Called::Cut | Called::Lost => None,
        };
        // The next event may go while this one's end is noted.
        drop(slots);
        match outcome {
            Called::Answered(Outcome::Unavailable(unavailable)) => match judgement {
                Some(Judgement::Own) => self.end(unavailable.into_own(), &identity, token).await,
                Some(Judgement::Pending | Judgement::Outage) | None => {
                    release(pipeline, &identity, token).await;
                    Attempt::Undecided(unavailable)
                }
            },
            Called::Answered(outcome) => self.end(outcome, &identity, token).await,
            Called::Cut => {
                release(pipeline, &identity, token).await;
                Attempt::Over(Verdict::Released)
            }
            Called::Lost => Attempt::Over(Verdict::Overtaken),
        }
    }

    /// Notes what came of the event.
    async fn end(&self, outcome: Outcome, identity: &Identity<'_>, token: Token) -> Attempt {
        let pipeline = self.pipeline;
        Attempt::Over(match outcome {
            Outcome::Success => finish(pipeline, identity, token, End::Done, Verdict::Success).await,
            Outcome::Permanent { reason } => {
                let verdict = Verdict::Permanent { reason };
                finish(pipeline, identity, token, End::PermanentlyFailed, verdict).await
            }
            Outcome::Retryable { reason, retry_after } => {
                release(pipeline, identity, token).await;
                Verdict::Retryable { reason, retry_after }
            }
            Outcome::Unavailable(unavailable) => {
                release(pipeline, identity, token).await;
                return Attempt::Undecided(unavailable);
            }
        })
    }

    /// Calls the handler.
    async fn call(&self, identity: &Identity<'_>, token: Token, last: &mut Option<Duration>) -> Called {
        let (pipeline, event) = (self.pipeline, self.event);
        pipeline.metrics.in_flight.inc();
        let start = Instant::now();
        let limit = self
            .handler
            .timeout
            .map_or(pipeline.timeout, |own| own.min(pipeline.timeout));
        event.set_deadline(start + limit);
        // A handler that panicked may leave its own state broken, but nothing of ours: it gets the event by reference.
        let call = AssertUnwindSafe(timeout(limit, self.handler.handler.handle(event))).catch_unwind();
        let kept = self.keeping_the_claim(identity, token, call);
        let answer = pipeline.drain.cut.run_until_cancelled(kept).await;
        let took = start.elapsed();
        *last = Some(took);
        pipeline.metrics.in_flight.dec();
        let outcome = match answer {
            None => return Called::Cut,
            Some(None) => return Called::Lost,
            Some(Some(Ok(Ok(outcome)))) => outcome,
            Some(Some(Ok(Err(_elapsed)))) => {
                Outcome::Unavailable(Unavailable::new(TIMED_OUT).kind("timeout"))
            }
            Some(Some(Err(_panic))) => Outcome::retryable("the handler panicked"),
        };
        pipeline.limits.measured(took);
        let of_type = pipeline.metrics.of(&event.event_type);
        of_type.handler_seconds.observe(took.as_secs_f64());
        Called::Answered(outcome)
    }

    /// Keeps the claim up while the handler runs. None when the claim went to another delivery (this process stood still, or
    /// the store was away, for longer than it lives): the handler is told to stop, since the other runs beside it.
    async fn keeping_the_claim<T>(
        &self,
        identity: &Identity<'_>,
        token: Token,
        call: impl Future<Output = T>,
    ) -> Option<T> {
        let pipeline = self.pipeline;
        tokio::pin!(call);
        loop {
            // The handler first: most have ended before a timer needs to be set.
            tokio::select! {
                biased;
                answer = &mut call => return Some(answer),
                () = tokio::time::sleep(pipeline.lease / RENEWALS) => {}
            }
            let kept = answered(pipeline, pipeline.store.extend(identity, token, pipeline.lease));
            let kept = tokio::select! {
                biased;
                answer = &mut call => return Some(answer),
                kept = kept => kept,
            };
            if matches!(kept, Ok(Noted::TooLate)) {
                self.event.cancel();
                let _ = timeout(CANCEL_GRACE, call).await;
                return None;
            }
        }
    }
}

/// What came of a call.
enum Called {
    Answered(Outcome),
    /// The worker's grace ended first.
    Cut,
    /// The claim went to another delivery.
    Lost,
}

/// Whether an event that must not be overtaken has failed often enough. Without dead letters it never has: it stays at the
/// head of its key until its retention ends.
fn exhausted(message: &Message, failures: u32) -> bool {
    let most = message.max_delivery_attempts.unwrap_or(FEWEST_ATTEMPTS);
    message.delivery_attempt.is_some() && failures >= most
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first
        .saturating_mul(2u32.saturating_pow(times.min(16)))
        .min(longest)
}

fn count(pipeline: &Pipeline) -> i64 {
    i64::try_from(pipeline.limits.window.events()).unwrap_or(i64::MAX)
}

/// Tells events apart for as long as this process lives.
fn fingerprint(message_id: &str) -> u64 {
    use std::hash::Hasher as _;
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(message_id.as_bytes());
    hasher.finish()
}
