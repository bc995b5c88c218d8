//! Looking inside, for tests and the control API. None of this is logged as a call.

use super::Engine;
use crate::{
    iam, pb,
    queue::Totals,
    status::{Code, Result},
};
use serde::Serialize;

/// The state of a subscription that its API does not show.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionStats {
    /// Full name.
    pub name: String,
    /// Unacknowledged messages, leased ones included.
    pub backlog: usize,
    /// Leased messages.
    pub outstanding: usize,
    /// Attached streams and waiting pulls.
    pub pullers: usize,
    /// Age in seconds of the oldest unacknowledged message.
    pub oldest_unacked_seconds: Option<u64>,
    /// True while dead letters would be forwarded: topic and both grants are there.
    pub forwards_dead_letters: bool,
    /// Since its creation.
    pub totals: Totals,
}

impl Engine {
    pub(crate) fn stats(&self, name: &str) -> Result<SubscriptionStats> {
        let subscription = self.subscription(name)?;
        let forwards_dead_letters = self.forwards(&subscription);
        let wall = self.clock.wall_now();
        Ok(subscription.queue(|queue| SubscriptionStats {
            name: name.to_owned(),
            backlog: queue.backlog(),
            outstanding: queue.outstanding(),
            pullers: queue.pullers(),
            oldest_unacked_seconds: queue
                .oldest()
                .map(|at| wall.duration_since(at).unwrap_or_default().as_secs()),
            forwards_dead_letters,
            totals: queue.totals,
        }))
    }

    pub(crate) fn all_stats(&self) -> Vec<SubscriptionStats> {
        let names: Vec<String> = self
            .registry
            .read()
            .subscriptions
            .keys()
            .map(ToString::to_string)
            .collect();
        names.iter().filter_map(|name| self.stats(name).ok()).collect()
    }

    /// Configuration regardless of any read-after-write gap.
    pub(crate) fn subscription_config(&self, name: &str) -> Option<pb::Subscription> {
        self.subscription(name)
            .ok()
            .map(|subscription| self.show(&subscription))
    }

    pub(crate) fn topic_config(&self, name: &str) -> Option<pb::Topic> {
        self.topic(name).ok().map(|topic| topic.config.read().clone())
    }

    pub(crate) fn policy(&self, resource: &str) -> Option<iam::pb::Policy> {
        self.get_policy(&iam::pb::GetIamPolicyRequest {
            resource: resource.to_owned(),
            options: None,
        })
        .ok()
    }

    /// Ends open streams with a code.
    pub(crate) fn break_streams(&self, code: Code) -> usize {
        let registry = self.registry.read();
        registry
            .subscriptions
            .values()
            .map(|subscription| {
                let streams = subscription.breaks.receiver_count();
                subscription.breaks.send_replace(Some(code));
                streams
            })
            .sum()
    }

    pub(crate) fn topic_names(&self) -> Vec<String> {
        self.registry
            .read()
            .topics
            .keys()
            .map(ToString::to_string)
            .collect()
    }

    pub(crate) fn subscription_names(&self) -> Vec<String> {
        self.registry
            .read()
            .subscriptions
            .keys()
            .map(ToString::to_string)
            .collect()
    }
}
