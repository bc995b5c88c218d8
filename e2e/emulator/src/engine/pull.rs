//! Pulling, and what clients answer: ack, nack, extend.

use super::{Engine, subscription::Subscription, unserved};
use crate::{
    limits::{DEFAULT_OUTSTANDING_BYTES, DEFAULT_OUTSTANDING_MESSAGES, MAX_ACK_EXTENSION_SECONDS},
    pb,
    queue::{AckId, Delivery, Limit, OwnerId},
    status::{Detail, Result, Status},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a pull waits for a first message. The service's wait is "bounded" but not documented.
const PULL_WAIT: Duration = Duration::from_secs(20);

/// Someone who takes messages: a stream, or one pull. Dropping it frees its place, not its leases.
pub(crate) struct Puller {
    engine: Weak<Engine>,
    pub(crate) subscription: Arc<Subscription>,
    owner: OwnerId,
    wake: Arc<Notify>,
    hold: Option<Duration>,
}

impl Puller {
    /// Takes what is ready and fits.
    pub(crate) fn take(&self) -> Vec<Delivery> {
        let Some(_engine) = self.engine.upgrade() else {
            return Vec::new();
        };
        let now = Instant::now();
        self.subscription.queue(|queue| {
            let hold = self.hold.unwrap_or_else(|| queue.rules().ack_deadline);
            queue.lease(now, self.owner, hold)
        })
    }

    /// Returns when there may be something to take.
    pub(crate) async fn ready(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn set_hold(&mut self, seconds: i32) {
        self.hold = u64::try_from(seconds)
            .ok()
            .filter(|s| *s > 0)
            .map(Duration::from_secs);
    }

    pub(crate) fn properties(&self) -> pb::streaming_pull_response::SubscriptionProperties {
        self.subscription
            .queue(|queue| pb::streaming_pull_response::SubscriptionProperties {
                exactly_once_delivery_enabled: queue.rules().exactly_once,
                message_ordering_enabled: queue.rules().ordering,
            })
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        if let Some(_engine) = self.engine.upgrade() {
            self.subscription.touch(Instant::now());
        }
        self.subscription.queue(|queue| queue.detach(self.owner));
    }
}

/// What a pull takes.
pub(crate) struct Pulled {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) received: Vec<Delivery>,
}

/// Ack ids by what became of them.
#[derive(Debug, Default)]
pub(crate) struct Feedback {
    pub(crate) done: Vec<String>,
    pub(crate) invalid: Vec<String>,
}

impl Feedback {
    fn push(&mut self, text: String, valid: bool) {
        let side = if valid { &mut self.done } else { &mut self.invalid };
        side.push(text);
    }
}

impl Engine {
    /// Limits of zero or less mean "no limit of the client's own"; a client without a name is nobody.
    pub(crate) fn attach(
        &self,
        subscription: &str,
        messages: i64,
        bytes: i64,
        client: &str,
    ) -> Result<Puller> {
        let subscription = self.subscription(subscription)?;
        {
            let config = subscription.config.read();
            if config.detached {
                return Err(Status::precondition("Cannot pull from a detached subscription."));
            }
            if config
                .push_config
                .as_ref()
                .is_some_and(|push| !push.push_endpoint.is_empty())
            {
                return Err(Status::precondition(
                    "This operation is not supported for push subscriptions.",
                ));
            }
            unserved::check_pull(&config)?;
        }
        let own =
            |limit: i64, default: usize| usize::try_from(limit).ok().filter(|l| *l > 0).unwrap_or(default);
        let limit = Limit {
            messages: own(messages, DEFAULT_OUTSTANDING_MESSAGES),
            bytes: own(bytes, DEFAULT_OUTSTANDING_BYTES),
        };
        subscription.touch(Instant::now());
        let (owner, wake) = subscription.queue(|queue| queue.attach(limit, client));
        Ok(Puller {
            engine: self.me.clone(),
            subscription,
            owner,
            wake,
            hold: None,
        })
    }

    pub(crate) async fn pull(&self, request: &pb::PullRequest) -> Result<Pulled> {
        if request.max_messages <= 0 {
            return Err(Status::invalid("The max_messages must be greater than zero."));
        }
        let puller = self.attach(&request.subscription, i64::from(request.max_messages), 0, "")?;
        let pulled = |received| Pulled {
            subscription: puller.subscription.clone(),
            received,
        };
        let first = puller.take();
        #[allow(deprecated, reason = "clients still send it")]
        if !first.is_empty() || request.return_immediately {
            return Ok(pulled(first));
        }
        let deadline = Instant::now() + PULL_WAIT;
        loop {
            tokio::select! {
                () = puller.ready() => {}
                () = puller.subscription.gone.cancelled() => return Err(Self::gone(&puller.subscription)),
                () = tokio::time::sleep_until(deadline) => return Ok(pulled(Vec::new())),
            }
            let taken = puller.take();
            if !taken.is_empty() {
                return Ok(pulled(taken));
            }
        }
    }

    /// Why a puller lost its subscription.
    pub(crate) fn gone(subscription: &Subscription) -> Status {
        if subscription.config.read().detached {
            Status::precondition("Cannot pull from a detached subscription.")
        } else {
            Status::not_found(subscription.name.as_str())
        }
    }

    pub(crate) fn acknowledge(&self, request: pb::AcknowledgeRequest) -> Result<()> {
        let subscription = self.subscription(&request.subscription)?;
        check_named(&request.ack_ids)?;
        let feedback = Self::ack(&subscription, request.ack_ids)?;
        Self::confirm(&subscription, feedback)
    }

    pub(crate) fn modify_ack_deadline(&self, request: pb::ModifyAckDeadlineRequest) -> Result<()> {
        let seconds = extension(request.ack_deadline_seconds)?;
        let subscription = self.subscription(&request.subscription)?;
        check_named(&request.ack_ids)?;
        let ids = request.ack_ids.into_iter().map(|id| (id, seconds)).collect();
        let feedback = self.extend(&subscription, ids)?;
        Self::confirm(&subscription, feedback)
    }

    /// # Errors
    /// A text that never was an ack id; then none of them is acknowledged.
    pub(crate) fn ack(subscription: &Subscription, texts: Vec<String>) -> Result<Feedback> {
        let ids = texts.iter().map(parsed).collect::<Result<Vec<_>>>()?;
        let mut feedback = Feedback::default();
        subscription.queue(|queue| {
            for (text, id) in texts.into_iter().zip(ids) {
                feedback.push(text, queue.ack(id));
            }
        });
        Ok(feedback)
    }

    /// Extends leases; zero seconds is a nack.
    ///
    /// # Errors
    /// A text that never was an ack id; then none of the leases is changed.
    pub(crate) fn extend(
        &self,
        subscription: &Subscription,
        texts: Vec<(String, Duration)>,
    ) -> Result<Feedback> {
        let ids = texts
            .iter()
            .map(|(text, _)| parsed(text))
            .collect::<Result<Vec<_>>>()?;
        let now = Instant::now();
        let forwards = texts.iter().any(|(_, seconds)| seconds.is_zero()) && self.forwards(subscription);
        let mut feedback = Feedback::default();
        let letters = subscription.queue(|queue| {
            let mut letters = Vec::new();
            let mut changes: Vec<_> = texts.into_iter().zip(ids).collect();
            queue.sort_nacks(&mut changes, |(_, id)| *id);
            for ((text, seconds), id) in changes {
                let valid = if seconds.is_zero() {
                    let (valid, letter) = queue.nack(id, now, forwards);
                    letters.extend(letter);
                    valid
                } else {
                    queue.extend(id, now + seconds)
                };
                feedback.push(text, valid);
            }
            queue.wake();
            letters
        });
        self.forward(subscription, &letters);
        Ok(feedback)
    }

    /// At least once, an ack of something unknown is fine. Exactly once, the client must be told.
    fn confirm(subscription: &Subscription, feedback: Feedback) -> Result<()> {
        let exactly_once = subscription.queue(|queue| queue.rules().exactly_once);
        if !exactly_once || feedback.invalid.is_empty() {
            return Ok(());
        }
        let metadata: BTreeMap<String, String> = feedback
            .invalid
            .into_iter()
            .map(|id| (id, "PERMANENT_FAILURE_INVALID_ACK_ID".to_owned()))
            .collect();
        let message = "Some acknowledgement ids in the request were invalid. This could be because the acknowledgement ids have \
                       expired or the acknowledgement ids were malformed.";
        Err(Status::invalid(message).with(Detail::ErrorInfo {
            reason: "EXACTLY_ONCE_ACKID_FAILURE".to_owned(),
            domain: "pubsub.googleapis.com".to_owned(),
            metadata,
        }))
    }
}

fn parsed(text: impl AsRef<str>) -> Result<AckId> {
    text.as_ref().parse().map_err(|()| {
        Status::invalid(
            "You have passed an invalid ack ID to the service: it never was one of this service's.",
        )
    })
}

/// `ack_ids`: "Required. Must not be empty."
fn check_named(ids: &[String]) -> Result<()> {
    if ids.is_empty() {
        return Err(Status::invalid("ack_ids must not be empty."));
    }
    Ok(())
}

/// Seconds of a modifyAckDeadline.
pub(crate) fn extension(seconds: i32) -> Result<Duration> {
    u64::try_from(seconds)
        .ok()
        .filter(|_| seconds <= MAX_ACK_EXTENSION_SECONDS)
        .map(Duration::from_secs)
        .ok_or_else(|| Status::invalid(format!("Invalid ack deadline given ({seconds}). It must be between 0 and {MAX_ACK_EXTENSION_SECONDS}.")))
}
