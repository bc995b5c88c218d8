//! The messages of one ordering key: one at its head, and those that queue behind it.

use std::{collections::VecDeque, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{
    message::{Delivery, Lease, Message, NotConfirmed},
    window::{Waiting, may_be_given_back},
};

/// Where the head is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Head {
    Running,
    /// It was given back then, and comes again.
    GivenBack(Instant),
}

/// One key.
pub(super) struct Lane {
    pub(super) head: Head,
    head_id: String,
    pub(super) queue: VecDeque<Queued>,
    /// Tells one giving back from another.
    pub(super) serial: u64,
    /// How long the head was away last.
    away: Option<Duration>,
}

/// A message that waits for an earlier one.
pub(super) struct Queued {
    pub(super) delivery: Delivery,
    waiting: Waiting,
}

impl Queued {
    pub(super) fn new(delivery: Delivery, waiting: Waiting) -> Self {
        delivery.lease.waits(true);
        Self { delivery, waiting }
    }
}

impl Lane {
    /// A lane whose head runs.
    pub(super) fn of(head: &Message) -> Self {
        Self {
            head: Head::Running,
            head_id: head.message_id.clone(),
            queue: VecDeque::new(),
            serial: 0,
            away: None,
        }
    }

    /// Whether it is the head that was given back.
    pub(super) fn comes_again(&self, message: &Message) -> bool {
        matches!(self.head, Head::GivenBack(_)) && self.head_id == message.message_id
    }

    /// A message becomes the head.
    pub(super) fn run(&mut self, message: &Message) {
        if let Head::GivenBack(since) = self.head {
            self.away = Some(since.elapsed());
        }
        if self.head_id != message.message_id {
            self.away = None;
            self.head_id.clone_from(&message.message_id);
        }
        self.head = Head::Running;
        self.serial += 1;
    }

    /// The head is given back; returns how long it may be away. Backoffs double at most.
    pub(super) fn given_back(&mut self, now: Instant, longest: Duration) -> Duration {
        self.head = Head::GivenBack(now);
        self.serial += 1;
        self.away.map_or(longest, |away| (away * 2).min(longest))
    }

    /// A message that is queued and comes again gets its new lease; returns one that is not queued.
    pub(super) fn replace(&mut self, delivery: Delivery) -> Option<Delivery> {
        let same = |queued: &Queued| queued.delivery.message.message_id == delivery.message.message_id;
        let Some(at) = self.queue.iter().position(same) else {
            return Some(delivery);
        };
        let Some(Queued {
            delivery: old,
            waiting,
        }) = self.queue.remove(at)
        else {
            return Some(delivery);
        };
        let lease = Box::new(Both {
            new: delivery.lease,
            old: old.lease,
        });
        let message = delivery.message;
        self.queue
            .insert(at, Queued::new(Delivery { message, lease }, waiting));
        None
    }

    pub(super) fn push(&mut self, queued: Queued) {
        // The head's own second delivery goes before all that follow it.
        match queued.delivery.message.message_id == self.head_id {
            true => self.queue.push_front(queued),
            false => self.queue.push_back(queued),
        }
    }

    /// The next one, which becomes the head.
    pub(super) fn pop(&mut self) -> Option<Delivery> {
        let Queued { delivery, .. } = self.queue.pop_front()?;
        delivery.lease.waits(false);
        self.run(&delivery.message);
        Some(delivery)
    }

    /// Takes out what can be given back without being dead-lettered for it.
    pub(super) fn take_those_that_may_go(&mut self) -> Vec<Queued> {
        let (may_go, held): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(|queued| {
                let message = &queued.delivery.message;
                may_be_given_back(message.delivery_attempt, message.max_delivery_attempts)
            });
        self.queue = held.into();
        may_go
    }
}

/// Two leases of one message. The older one counts for nothing once Pub/Sub has delivered the message again, but is
/// settled alike: giving it back now could be taken for the new one.
struct Both {
    new: Box<dyn Lease>,
    old: Box<dyn Lease>,
}

#[async_trait]
impl Lease for Both {
    async fn ack(self: Box<Self>) -> Result<(), NotConfirmed> {
        let settled = self.new.ack().await;
        let _ = self.old.ack().await;
        settled
    }

    fn nack(self: Box<Self>) {
        self.new.nack();
        self.old.nack();
    }

    fn waits(&self, waits: bool) {
        self.new.waits(waits);
        self.old.waits(waits);
    }
}
