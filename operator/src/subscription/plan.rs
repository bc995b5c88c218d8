//! Pure: what has to be written so that what is becomes what should be. A [`Plan`] is a value: it can be printed,
//! counted, compared, and stopped after any step.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`difference`] | what does one object need? |
//! | [`pulled`] | which subscription is the worker's now, and what becomes of those before it? |

mod difference;
mod pulled;

use std::{fmt, time::Duration};

use crds::ConditionType;
use events::SubscriptionName;
use jiff::Timestamp;

use self::{
    difference::{TopicNeeds, grant, owned, subscription, topic},
    pulled::vacate,
};
use super::{
    desired::Desired,
    observe::{FormerDeadLetters, Observed, Unlisted},
    ownership::{self, Claim, Role, Rules, Stamp},
};
use crate::{
    failure::Failure,
    pubsub::{Policy, Resource, SubscriptionConfig, SubscriptionField, TopicConfig, TopicField},
};

/// One write to Pub/Sub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a topic.
    CreateTopic(TopicConfig),
    /// Change some fields of a topic.
    UpdateTopic(TopicConfig, Vec<TopicField>),
    /// Make a subscription.
    CreateSubscription(SubscriptionConfig),
    /// Change some fields of a subscription.
    UpdateSubscription(SubscriptionConfig, Vec<SubscriptionField>),
    /// Add members to a policy, and take some away.
    SetPolicy {
        /// Whose policy.
        resource: Resource,
        /// The whole policy to write, with the etag of the one it was made from.
        policy: Policy,
    },
    /// Delete a subscription.
    DeleteSubscription(SubscriptionName),
}

/// A write, and the condition that waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The condition that is not true before it is done.
    pub proves: ConditionType,
    /// The write.
    pub action: Action,
}

/// Writes in their order, and what there will be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// The subscription that is the worker's from now on; none in a plan that ends things.
    pub current: Option<SubscriptionName>,
    /// Those whose place it took, as long as they are not empty.
    pub draining: Vec<Draining>,
    /// What keeps dead letters in places that it was moved from.
    pub former_dead_letters: Vec<SubscriptionName>,
    /// What is not as asked and must not or cannot be changed by this operator, with the condition that says so.
    pub differs: Vec<(ConditionType, String)>,
    /// A subscription that status knows of and that somebody deleted, with its messages.
    pub lost: Option<SubscriptionName>,
    /// Projects that it was moved from and that could not be listed: what status names there is there still, as far as is known.
    pub unlisted: Vec<Unlisted>,
}

/// A subscription that was succeeded by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draining {
    /// Its name.
    pub name: SubscriptionName,
    /// Since when, once that is written down.
    pub switched_at: Option<Timestamp>,
    /// Whether it listens to another topic than its successor: then all of it is handled.
    pub in_full: bool,
    /// What it waits for.
    pub why: String,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether it writes to topics, which all tenants share: such plans are carried out one at a time.
    #[must_use]
    pub fn touches_topics(&self) -> bool {
        self.steps.iter().any(|step| match &step.action {
            Action::CreateTopic(_) | Action::UpdateTopic(..) => true,
            Action::SetPolicy { resource, .. } => matches!(resource, Resource::Topic(_)),
            Action::CreateSubscription(_)
            | Action::UpdateSubscription(..)
            | Action::DeleteSubscription(_) => false,
        })
    }

    fn add_topic(&mut self, proves: ConditionType, needs: TopicNeeds) {
        self.add(proves, needs.action);
        self.differs
            .extend(needs.differs.map(|difference| (proves, difference)));
    }

    fn add(&mut self, proves: ConditionType, action: Option<Action>) {
        self.steps.extend(action.map(|action| Step { proves, action }));
    }
}

/// What a plan depends on beside what is wanted and what is there.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What may be taken over.
    pub rules: &'a Rules,
    /// The subscription that was current, as status has it.
    pub before: Option<&'a SubscriptionName>,
    /// How far after a switch a measurement has to be to prove anything.
    pub drain_margin: Duration,
    /// The time.
    pub now: Timestamp,
}

/// Compares. The order of the steps keeps every moment safe: a dead-letter topic gets its subscription before anything
/// can be forwarded to it (without one, forwarded messages are lost), the service agent gets its right to publish
/// before the worker's subscription can forward, and rights on the worker's subscription come last, when nothing that
/// is pulled from it can get lost.
///
/// # Errors
/// [`Failure`] of class Invalid when an object belongs to somebody else or would have to be replaced; then nothing at
/// all is written.
pub fn plan(
    desired: &Desired,
    observed: &Observed,
    stamp: &Stamp,
    about: &About<'_>,
) -> Result<Plan, Failure> {
    let rules = about.rules;
    let mut plan = Plan {
        unlisted: seen_before(observed, about)?,
        ..Plan::default()
    };
    plan.add_topic(
        ConditionType::TopicReady,
        topic(&desired.topic, observed.topic.as_ref(), rules)?,
    );
    if let Some(wanted) = &desired.dead_letter {
        use ConditionType::DeadLetterReady;
        plan.add_topic(
            DeadLetterReady,
            topic(&wanted.topic, observed.dead_letter_topic.as_ref(), rules)?,
        );
        let found = observed.dead_letter_subscription.as_ref();
        if let Some(found) = found {
            owned(stamp.claim(found, rules, about.now), found)?;
        }
        plan.add(DeadLetterReady, subscription(&wanted.subscription, found)?);
        let resource = Resource::Topic(wanted.topic.name.clone());
        plan.add(
            DeadLetterReady,
            grant(
                resource,
                &observed.dead_letter_topic_policy,
                std::slice::from_ref(&wanted.topic_grant),
            ),
        );
    }
    pulled::plan(&mut plan, desired, observed, stamp, about)?;
    former_dead_letters(&mut plan, desired, observed, stamp, about);
    Ok(plan)
}

/// A place that cannot be looked at may be passed over once the switch from it is done: then status names what is there.
fn seen_before(observed: &Observed, about: &About<'_>) -> Result<Vec<Unlisted>, Failure> {
    let is_switched = |one: &&Unlisted| {
        about
            .before
            .is_some_and(|before| *before.project() != one.project)
    };
    match observed.unlisted.iter().find(|one| !is_switched(one)) {
        Some(one) => Err(one.why.clone()),
        None => Ok(observed.unlisted.clone()),
    }
}

/// Dead letters of places that were left stay where they are and are shown, until they are taken and nothing can come after
/// them.
fn former_dead_letters(
    plan: &mut Plan,
    desired: &Desired,
    observed: &Observed,
    stamp: &Stamp,
    about: &About<'_>,
) {
    let may_come = !plan.unlisted.is_empty() || !plan.draining.is_empty();
    for FormerDeadLetters { config, waiting } in &observed.former_dead_letters {
        let is_ours = stamp.claim(config, about.rules, about.now) == Claim::Ours
            && Role::of(&config.labels) == Some(Role::DeadLetter);
        if !is_ours {
            continue;
        }
        if !may_come && *waiting == Ok(Some(0)) {
            plan.add(ConditionType::Draining, Some(vacate(config, about.now)));
            continue;
        }
        let wanted = desired.subscription.labels.clone().into_iter();
        let wanted = wanted.chain(stamp.labels(Role::DeadLetter)).collect();
        let labels = ownership::merged(&config.labels, &wanted);
        if labels != config.labels {
            let marked = SubscriptionConfig {
                labels,
                ..config.clone()
            };
            let action = Action::UpdateSubscription(marked, vec![SubscriptionField::Labels]);
            plan.add(ConditionType::Draining, Some(action));
        }
        plan.former_dead_letters.push(config.name.clone());
    }
}

impl Action {
    /// What it does, in a word for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::CreateTopic(_) => "create_topic",
            Self::UpdateTopic(..) => "update_topic",
            Self::CreateSubscription(_) => "create_subscription",
            Self::UpdateSubscription(..) => "update_subscription",
            Self::SetPolicy { .. } => "set_policy",
            Self::DeleteSubscription(_) => "delete_subscription",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTopic(topic) => write!(f, "create topic {}", topic.name.id()),
            Self::UpdateTopic(topic, fields) => write!(f, "update {fields:?} of topic {}", topic.name.id()),
            Self::CreateSubscription(one) => write!(f, "create subscription {}", one.name.id()),
            Self::UpdateSubscription(one, fields) => {
                write!(f, "update {fields:?} of subscription {}", one.name.id())
            }
            Self::SetPolicy {
                resource: Resource::Topic(name),
                ..
            } => write!(f, "grant access to topic {}", name.id()),
            Self::SetPolicy {
                resource: Resource::Subscription(name),
                ..
            } => {
                write!(f, "set access to subscription {}", name.id())
            }
            Self::DeleteSubscription(name) => write!(f, "delete subscription {}", name.id()),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { "; " }, step.action)?;
        }
        Ok(())
    }
}
