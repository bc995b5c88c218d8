//! The part of a subscription's configuration that decides about deliveries.

use crate::message::Message;
use std::{sync::Arc, time::Duration};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) ack_deadline: Duration,
    pub(crate) retention: Duration,
    pub(crate) retain_acked: bool,
    pub(crate) ordering: bool,
    pub(crate) exactly_once: bool,
    /// What a redelivery takes after a nack, whatever the retry policy.
    pub(crate) redelivery: Duration,
    /// Without one, redelivery is immediate.
    pub(crate) retry: Option<RetryRule>,
    pub(crate) dead_letter: Option<DeadLetterRule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryRule {
    pub(crate) minimum: Duration,
    pub(crate) maximum: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetterRule {
    /// Full name of the dead-letter topic.
    pub(crate) topic: String,
    pub(crate) max_attempts: u32,
}

impl RetryRule {
    /// Doubles from the minimum to the maximum with each failure of the message.
    pub(crate) fn backoff(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.minimum
            .saturating_mul(1u32 << doublings)
            .min(self.maximum.max(self.minimum))
    }
}

impl Rules {
    pub(super) fn lane_of(&self, message: &Message) -> Option<Arc<str>> {
        (self.ordering && !message.ordering_key.is_empty()).then(|| Arc::from(&*message.ordering_key))
    }

    pub(super) fn backoff(&self, failures: u32) -> Duration {
        self.retry.map_or(Duration::ZERO, |retry| retry.backoff(failures))
    }

    pub(super) fn attempts_used_up(&self, attempts: u32) -> bool {
        self.dead_letter
            .as_ref()
            .is_some_and(|rule| attempts >= rule.max_attempts)
    }
}

#[cfg(test)]
impl Default for Rules {
    fn default() -> Self {
        Self {
            ack_deadline: Duration::from_secs(10),
            retention: Duration::from_secs(7 * 86_400),
            retain_acked: false,
            ordering: false,
            exactly_once: false,
            redelivery: Duration::ZERO,
            retry: None,
            dead_letter: None,
        }
    }
}
