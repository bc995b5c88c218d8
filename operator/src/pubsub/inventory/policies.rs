//! Who has rights on what, remembered: read slowly, one call for each object, where the rest costs a page for many.

use std::collections::HashSet;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Inventory;
use crate::pubsub::{Policy, PubSubError, Resource};

/// A policy, as it was read or written.
#[derive(Clone)]
pub(super) struct Seen {
    policy: Policy,
    at: Instant,
    /// The same, for people.
    time: Timestamp,
}

/// The etag of policies that were never set. Google documents none; a first write with the right one needs no read.
#[derive(Default)]
pub(super) struct NeverSet {
    /// Another one than [`Policy::unset`] has.
    etag: Option<Vec<u8>>,
    /// Resources on which the assumed one was refused.
    refused: HashSet<Resource>,
}

impl NeverSet {
    fn learn(&mut self, resource: &Resource, policy: &Policy) {
        // A policy with bindings was set by somebody else in the meantime, which is a refusal of another kind.
        if self.refused.remove(resource) && policy.bindings.is_empty() {
            self.etag = Some(policy.etag.clone());
        }
    }
}

impl Inventory {
    /// The policy: remembered, or read when that is too long ago.
    ///
    /// # Errors
    /// When it has to be read and cannot be.
    pub async fn policy(&self, resource: &Resource) -> Result<Policy, PubSubError> {
        if let Some(seen) = self.fresh_policy(resource) {
            return Ok(seen.policy);
        }
        let _turn = match resource {
            Resource::Topic(name) => Some(self.reading.take(name).await),
            Resource::Subscription(_) => None,
        };
        if let Some(seen) = self.fresh_policy(resource) {
            return Ok(seen.policy);
        }
        let policy = self.pubsub.policy(resource).await?;
        self.never_set.lock().learn(resource, &policy);
        self.note_policy(resource, policy.clone());
        Ok(policy)
    }

    /// A policy to be written, with the etag that this Pub/Sub answers for one that was never set, where it is such a policy.
    #[must_use]
    pub fn with_known_etag(&self, policy: &Policy) -> Policy {
        let mut policy = policy.clone();
        if let Some(etag) = &self.never_set.lock().etag
            && policy.etag == Policy::unset().etag
        {
            policy.etag.clone_from(etag);
        }
        policy
    }

    /// A write of a policy that was never set has met another etag. What is read of the resource next tells which one.
    pub fn doubt_never_set(&self, resource: &Resource, policy: &Policy) {
        if policy.etag == Policy::unset().etag {
            self.never_set.lock().refused.insert(resource.clone());
        }
    }

    fn fresh_policy(&self, resource: &Resource) -> Option<Seen> {
        let project = self.project(resource.project());
        let known = project.shelf.read().policies.get(resource).cloned();
        known
            .flatten()
            .filter(|seen| seen.at.elapsed() < self.policy_max_age)
    }

    /// Whether anything is known of its policy from this process's own looks and writes: that it was so, or is in doubt.
    #[must_use]
    pub fn met_policy(&self, resource: &Resource) -> bool {
        self.project(resource.project())
            .shelf
            .read()
            .policies
            .contains_key(resource)
    }

    /// When this process read or wrote the policy last, to the second, which is what status keeps.
    #[must_use]
    pub fn policy_seen_at(&self, resource: &Resource) -> Option<Timestamp> {
        let project = self.project(resource.project());
        let shelf = project.shelf.read();
        shelf.policies.get(resource)?.as_ref().map(|seen| seen.time)
    }

    /// Remembers a policy.
    pub fn note_policy(&self, resource: &Resource, policy: Policy) {
        let now = Timestamp::now();
        let seen = Seen {
            policy,
            at: Instant::now(),
            time: Timestamp::from_second(now.as_second()).unwrap_or(now),
        };
        self.project(resource.project())
            .shelf
            .write()
            .policies
            .insert(resource.clone(), Some(seen));
    }
}
