//! The official client's handler of a message, as our [`Lease`], and its message as our [`Message`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use google_cloud_pubsub::{model, subscriber::handler::Handler};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::{
    message::{Delivery, Lease, Message, NotConfirmed},
    subscriptions::Subscription,
};

/// How long an exactly-once acknowledgement may take to be confirmed. The client would try for ten minutes; the
/// event is noted as done, so waiting longer gains nothing.
const CONFIRM: Duration = Duration::from_secs(30);

/// Counts the messages of one subscription that are not settled, as Pub/Sub's flow control does: a stream takes over what the
/// one before it of the same client holds (`StreamingPullRequest.client_id`).
#[derive(Debug, Default, Clone)]
pub(crate) struct Held(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: AtomicUsize,
    /// Those of them that wait for something other than a slot.
    waiting: AtomicUsize,
    /// Told when more of them wait.
    more: Notify,
}

impl Held {
    pub(crate) fn count(&self) -> usize {
        self.0.all.load(Ordering::Acquire)
    }

    /// Those that wait for something other than a slot.
    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Acquire)
    }

    fn one(&self) -> One {
        self.0.all.fetch_add(1, Ordering::AcqRel);
        One {
            counts: Arc::clone(&self.0),
            waits: AtomicBool::new(false),
        }
    }

    /// Returns when so many of the messages wait that hardly any room is left for others.
    pub(crate) async fn clogged(&self, limit: usize) {
        loop {
            let more = self.0.more.notified();
            if self.waiting() * 2 >= limit {
                return;
            }
            more.await;
        }
    }
}

/// One message that counts until it is settled.
struct One {
    counts: Arc<Counts>,
    waits: AtomicBool,
}

impl One {
    fn waits(&self, waits: bool) {
        if self.waits.swap(waits, Ordering::AcqRel) == waits {
            return;
        }
        if waits {
            self.counts.waiting.fetch_add(1, Ordering::AcqRel);
            self.counts.more.notify_one();
        } else {
            self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.waits(false);
        self.counts.all.fetch_sub(1, Ordering::AcqRel);
    }
}

struct GoogleLease {
    handler: Handler,
    held: One,
}

#[async_trait]
impl Lease for GoogleLease {
    async fn ack(self: Box<Self>) -> Result<(), NotConfirmed> {
        let Handler::ExactlyOnce(handler) = self.handler else {
            self.handler.ack();
            return Ok(());
        };
        match tokio::time::timeout(CONFIRM, handler.confirmed_ack()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(NotConfirmed(error.to_string())),
            Err(_elapsed) => Err(NotConfirmed("no answer in time".to_owned())),
        }
    }

    fn nack(self: Box<Self>) {
        self.handler.nack();
    }

    fn waits(&self, waits: bool) {
        self.held.waits(waits);
    }
}

/// A delivery from what the client yields.
pub(crate) fn delivery(
    subscription: &Subscription,
    held: &Held,
    message: model::Message,
    handler: Handler,
) -> Delivery {
    let published_at = message
        .publish_time
        .and_then(|time| Timestamp::new(time.seconds(), time.nanos()).ok());
    Delivery {
        message: Message {
            subscription: subscription.name.clone(),
            message_id: message.message_id,
            data: message.data,
            attributes: message.attributes,
            // Without a time nothing is known, and it is handled.
            superseded: published_at
                .zip(subscription.handle_until)
                .is_some_and(|(published, until)| published > until),
            published_at,
            in_order: subscription.ordered && !message.ordering_key.is_empty(),
            ordering_key: message.ordering_key,
            max_delivery_attempts: subscription.max_delivery_attempts,
            delivery_attempt: handler
                .delivery_attempt()
                .and_then(|attempt| u32::try_from(attempt).ok()),
        },
        lease: Box::new(GoogleLease {
            handler,
            held: held.one(),
        }),
    }
}
