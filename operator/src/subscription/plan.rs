//! Pure: what has to be written so that what is becomes what should be. A [`Plan`] is a value: it can be printed,
//! counted, compared, and stopped after any step.

use std::fmt;

use crds::{ConditionType, Reason};
use events::SubscriptionName;
use jiff::Timestamp;

use super::{
    desired::Desired,
    observe::Observed,
    ownership::{self, Claim, Rules, Stamp},
};
use crate::{
    failure::Failure,
    pubsub::{
        Attachment, Grant, Policy, Resource, SubscriptionConfig, SubscriptionField, TopicConfig, TopicField,
    },
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

/// Writes in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
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

    /// Whether it makes this subscription.
    #[must_use]
    pub fn creates(&self, name: &SubscriptionName) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(&step.action, Action::CreateSubscription(one) if one.name == *name))
    }

    fn add(&mut self, proves: ConditionType, action: Option<Action>) {
        self.steps.extend(action.map(|action| Step { proves, action }));
    }
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
    rules: &Rules,
    now: Timestamp,
) -> Result<Plan, Failure> {
    let owned = |found: &SubscriptionConfig| match stamp.claim(&found.labels, rules, now) {
        Claim::Ours => Ok(()),
        Claim::Foreign(why) => Err(conflict(format!("Subscription {}: {why}.", found.name))),
    };
    let mut plan = Plan::default();
    plan.add(
        ConditionType::TopicReady,
        topic(&desired.topic, observed.topic.as_ref(), rules)?,
    );
    if let Some(wanted) = &desired.dead_letter {
        use ConditionType::DeadLetterReady;
        plan.add(
            DeadLetterReady,
            topic(&wanted.topic, observed.dead_letter_topic.as_ref(), rules)?,
        );
        let found = observed.dead_letter_subscription.as_ref();
        found.map_or(Ok(()), owned)?;
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
    let found = observed.subscription.as_ref();
    found.map_or(Ok(()), owned)?;
    plan.add(
        ConditionType::SubscriptionReady,
        subscription(&desired.subscription, found)?,
    );
    let resource = Resource::Subscription(desired.subscription.name.clone());
    plan.add(
        ConditionType::AccessReady,
        grant(
            resource,
            &observed.subscription_policy,
            &desired.subscription_grants,
        ),
    );
    Ok(plan)
}

fn conflict(message: String) -> Failure {
    Failure::invalid(Reason::ResourceConflict, message)
}

fn replacement(name: impl fmt::Display, what: &str) -> Failure {
    Failure::invalid(
        Reason::ReplacementRequired,
        format!("Subscription {name}: {what} Nothing was changed, and its messages are kept."),
    )
}

fn topic(
    wanted: &TopicConfig,
    found: Option<&TopicConfig>,
    rules: &Rules,
) -> Result<Option<Action>, Failure> {
    let Some(found) = found else {
        return Ok(Some(Action::CreateTopic(wanted.clone())));
    };
    let managed = found
        .labels
        .get(ownership::key::MANAGED_BY)
        .is_some_and(|by| by == ownership::OPERATOR);
    if !managed && !rules.adopt {
        return Err(conflict(format!(
            "Topic {}: it exists and was not made by this operator; to take it over, annotate the Tenant with events.livingtwin.io/adopt=true.",
            wanted.name
        )));
    }
    let labels = ownership::merged(&found.labels, &wanted.labels);
    let mut fields = Vec::new();
    if labels != found.labels {
        fields.push(TopicField::Labels);
    }
    // No wish is no difference: an organisation's policy fills regions in by itself.
    if !wanted.regions.is_empty() && wanted.regions != found.regions {
        fields.push(TopicField::Regions);
    }
    Ok((!fields.is_empty()).then(|| {
        Action::UpdateTopic(
            TopicConfig {
                labels,
                ..wanted.clone()
            },
            fields,
        )
    }))
}

fn subscription(
    wanted: &SubscriptionConfig,
    found: Option<&SubscriptionConfig>,
) -> Result<Option<Action>, Failure> {
    let Some(found) = found else {
        return Ok(Some(Action::CreateSubscription(wanted.clone())));
    };
    if found.attachment == Attachment::Lost {
        return Err(replacement(
            &wanted.name,
            "its topic was deleted or it was detached, so no message reaches it any more; delete it so that it is made anew.",
        ));
    }
    // Destructured, so that a new field does not compile before somebody has decided on it.
    let SubscriptionConfig {
        name: _,
        attachment,
        filter,
        ordered,
        ack_deadline,
        retention,
        backoff,
        dead_letter,
        expiration,
        exactly_once,
        labels,
    } = wanted;
    if *attachment != found.attachment || *filter != found.filter || *ordered != found.ordered {
        return Err(replacement(
            &wanted.name,
            "its topic, filter or message ordering differs from what is wanted, and Pub/Sub cannot change these in place; delete it once it is empty, so that it is made anew.",
        ));
    }
    let labels = ownership::merged(&found.labels, labels);
    let fields: Vec<SubscriptionField> = [
        (
            SubscriptionField::AckDeadline,
            *ack_deadline != found.ack_deadline,
        ),
        (SubscriptionField::Retention, *retention != found.retention),
        (SubscriptionField::Backoff, *backoff != found.backoff),
        (SubscriptionField::DeadLetter, *dead_letter != found.dead_letter),
        (SubscriptionField::Expiration, *expiration != found.expiration),
        (
            SubscriptionField::ExactlyOnce,
            *exactly_once != found.exactly_once,
        ),
        (SubscriptionField::Labels, labels != found.labels),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect();
    Ok((!fields.is_empty()).then(|| {
        Action::UpdateSubscription(
            SubscriptionConfig {
                labels,
                ..wanted.clone()
            },
            fields,
        )
    }))
}

fn grant(resource: Resource, policy: &Policy, grants: &[Grant]) -> Option<Action> {
    let missing = grants.iter().any(|grant| !policy.has(grant));
    missing.then(|| Action::SetPolicy {
        resource,
        policy: policy.changed(grants, &[]),
    })
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
