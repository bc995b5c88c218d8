//! One event, until there is a verdict: claim → handle → note the end, and again where nothing was decided.

mod admission;
mod call;

use std::{borrow::Cow, sync::Arc, time::Duration};

use admission::{GivenBack, Slots};
use call::Called;
use tokio::time::Instant;

use crate::{
    circuit::{Judgement, Next, Pass, Record, jittered},
    disposition::{LONGEST_HOLD, Verdict},
    failure::Unavailable,
    handle::{Event, Outcome},
    limits::Slot,
    message::{Lease, Message},
    note::{answered, finish, release},
    once::{Claim, End, Identity, Token},
    process::Pipeline,
    registry::Registered,
    report,
    window::FEWEST_ATTEMPTS,
};

/// Waits between two attempts at one event start here and double.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The same between the tries of an event that must not be overtaken.
const FIRST_WAIT_IN_ORDER: Duration = Duration::from_secs(1);
const LONGEST_WAIT_IN_ORDER: Duration = Duration::from_mins(10);
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
        let ended = match delivered.attempt(token, &mut record, admitted, took).await {
            Attempt::Undecided(unavailable) => {
                undecided += 1;
                report::waiting(event, &unavailable.reason);
                match delivered.decide(&record, &unavailable, undecided).await {
                    Err(GivenBack(verdict)) => return verdict,
                    Ok(Next::Again) => continue,
                    Ok(Next::Own) => Ok(Verdict::Retryable {
                        reason: unavailable.reason,
                        retry_after: unavailable.retry_after,
                    }),
                }
            }
            Attempt::Over(verdict) => Ok(verdict),
            Attempt::Wait(why) => Err(why),
        };
        let (pause, why) = match ended {
            Ok(Verdict::Retryable { reason, retry_after }) if message.in_order => {
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
            Ok(verdict) => return verdict,
            Err(why) => {
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

/// Tells events apart for as long as this process lives.
fn fingerprint(message_id: &str) -> u64 {
    use std::hash::Hasher as _;
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(message_id.as_bytes());
    hasher.finish()
}
