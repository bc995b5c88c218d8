//! Pure: what one object needs to be as wanted: nothing, a write, or somebody's decision.

use std::fmt;

use crds::Reason;
use events::SubscriptionName;

use super::Action;
use crate::{
    failure::Failure,
    pubsub::{
        Attachment, Grant, Policy, Resource, SubscriptionConfig, SubscriptionField, TopicConfig, TopicField,
        policy::SUBSCRIBER,
    },
    subscription::{
        access::Access,
        desired::Desired,
        ownership::{self, Claim, Rules},
    },
};

pub(super) fn owned(claim: Claim, found: &SubscriptionConfig) -> Result<(), Failure> {
    match claim {
        Claim::Ours => Ok(()),
        Claim::Foreign(why) => Err(conflict(format!("Subscription {}: {why}.", found.name))),
    }
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

/// What a topic needs: a write, or somebody's decision, because it is not as wanted and must not or cannot be changed.
#[derive(Debug, Default)]
pub(super) struct TopicNeeds {
    pub(super) action: Option<Action>,
    pub(super) differs: Option<String>,
}

/// A topic is shared by all tenants, and by clusters where several share a project: the cluster in its stamp writes it, the
/// others compare it and say what differs. One from before there was a stamp is stamped by the first that comes.
pub(super) fn topic(
    wanted: &TopicConfig,
    found: Option<&TopicConfig>,
    rules: &Rules,
) -> Result<TopicNeeds, Failure> {
    let Some(found) = found else {
        return Ok(TopicNeeds {
            action: Some(Action::CreateTopic(wanted.clone())),
            differs: None,
        });
    };
    let label = |topic: &TopicConfig, key: &str| topic.labels.get(key).cloned();
    let managed = label(found, ownership::key::MANAGED_BY).as_deref() == Some(ownership::OPERATOR);
    if !managed && !rules.adopt {
        return Err(conflict(format!(
            "Topic {}: it exists and was not made by this operator; to take it over, annotate the Tenant with events.livingtwin.io/adopt=true.",
            wanted.name
        )));
    }
    let mut differences = Vec::new();
    // Pub/Sub takes a key at creation only (https://cloud.google.com/pubsub/docs/encryption).
    if wanted.kms_key.is_some() && wanted.kms_key != found.kms_key {
        differences.push(format!(
            "it is encrypted with {}, and kmsKeyName asks for {}, which Pub/Sub takes at creation only",
            key_name(found),
            key_name(wanted)
        ));
    }
    // No wish is no difference: an organisation's policy fills regions in by itself.
    let other_regions = !wanted.regions.is_empty() && wanted.regions != found.regions;
    let owner = label(found, ownership::key::CLUSTER).filter(|_| managed);
    let is_ours = owner.as_ref().is_none_or(|owner| {
        Some(owner) == wanted.labels.get(ownership::key::CLUSTER) || rules.adopt_from.contains(owner)
    });
    let mut fields = Vec::new();
    if is_ours {
        if ownership::merged(&found.labels, &wanted.labels) != found.labels {
            fields.push(TopicField::Labels);
        }
        if other_regions {
            fields.push(TopicField::Regions);
        }
    } else if other_regions {
        differences.push(format!(
            "it stores messages in {:?}, regions asks for {:?}, and it is written by the operator of cluster {:?}",
            found.regions,
            wanted.regions,
            owner.unwrap_or_default()
        ));
    }
    Ok(TopicNeeds {
        action: (!fields.is_empty()).then(|| {
            let labels = ownership::merged(&found.labels, &wanted.labels);
            Action::UpdateTopic(
                TopicConfig {
                    labels,
                    ..wanted.clone()
                },
                fields,
            )
        }),
        differs: (!differences.is_empty())
            .then(|| format!("Topic {}: {}.", wanted.name, differences.join("; "))),
    })
}

fn key_name(topic: &TopicConfig) -> String {
    topic
        .kms_key
        .clone()
        .unwrap_or_else(|| "Google's own key".to_owned())
}

pub(super) fn subscription(
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

/// Rights on a subscription that is pulled: those wanted, and none of another worker of ours. One known by its name, or a
/// ServiceAccount that was made again, would otherwise leave a right behind that somebody else may inherit.
pub(super) fn access(
    name: SubscriptionName,
    access: &Access,
    grants: &[Grant],
    desired: &Desired,
) -> Option<Action> {
    let policy = access.policy()?;
    let stale: Vec<_> = policy
        .bindings
        .iter()
        .filter(|binding| binding.role == SUBSCRIBER && binding.condition.is_none())
        .flat_map(|binding| &binding.members)
        .filter(|member| desired.identity.is_worker(member))
        .filter(|member| !grants.iter().any(|grant| grant.member == **member))
        .map(|member| Grant {
            role: SUBSCRIBER,
            member: member.clone(),
        })
        .collect();
    let missing = grants.iter().any(|grant| !policy.has(grant));
    (missing || !stale.is_empty()).then(|| Action::SetPolicy {
        resource: Resource::Subscription(name),
        policy: policy.changed(grants, &stale),
    })
}

pub(super) fn grant(resource: Resource, policy: &Policy, grants: &[Grant]) -> Option<Action> {
    let missing = grants.iter().any(|grant| !policy.has(grant));
    missing.then(|| Action::SetPolicy {
        resource,
        policy: policy.changed(grants, &[]),
    })
}
