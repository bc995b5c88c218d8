//! I/O, reads only: what is in Pub/Sub now. From the inventory, so that looking costs pages and not objects; an error
//! here ends the reconcile, so that "could not look" never becomes "is not there".

use std::collections::BTreeSet;

use events::ProjectId;

use super::{
    access::{Access, Earlier},
    desired::{Desired, Former},
    finalize::Kept,
    ownership::{Role, Stamp, key},
    succession::listens_elsewhere,
};
use crate::{
    failure::Failure,
    monitoring::{Fleet, Oldest, Unread, backlog::Backlogs},
    pubsub::{
        Policy, PubSubError, Resource, SubscriptionConfig, TopicConfig,
        inventory::{Inventory, Owner},
    },
};

/// What is there; `None` is certainly absent.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The topic.
    pub topic: Option<TopicConfig>,
    /// The subscriptions that are pulled: the one that has the wanted name, whosever it is, and all that carry this
    /// EventSubscription's stamp.
    pub pulled: Vec<Pulled>,
    /// The dead-letter topic.
    pub dead_letter_topic: Option<TopicConfig>,
    /// Who has rights on it.
    pub dead_letter_topic_policy: Policy,
    /// What keeps the dead letters.
    pub dead_letter_subscription: Option<SubscriptionConfig>,
    /// What kept them in places that it was moved from.
    pub former_dead_letters: Vec<FormerDeadLetters>,
    /// Projects of such places that could not be listed: nothing of what is there is known.
    pub unlisted: Vec<Unlisted>,
}

/// A project that could not be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlisted {
    /// The project.
    pub project: ProjectId,
    /// Why.
    pub why: Failure,
}

/// What kept the dead letters in a place that an EventSubscription was moved from.
#[derive(Debug, Clone)]
pub struct FormerDeadLetters {
    /// The subscription.
    pub config: SubscriptionConfig,
    /// How many messages were measured in it last, if any measurement is known.
    pub waiting: Result<Option<u64>, Unread>,
}

/// One subscription that is pulled.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The subscription.
    pub config: SubscriptionConfig,
    /// Who has rights on it.
    pub access: Access,
    /// What Monitoring says of its oldest message; asked only once another has taken its place.
    pub oldest: Result<Option<Oldest>, Unread>,
    /// How many messages Monitoring counted that were delivered from it within its retention; asked only once another has
    /// taken its place that listens to another topic.
    pub delivered: Result<Option<u64>, Unread>,
}

/// What Cloud Monitoring measured.
#[derive(Clone, Copy)]
pub struct Measured<'a> {
    /// Of subscriptions whose place another took.
    pub fleet: &'a Fleet,
    /// Of backlogs.
    pub backlogs: &'a Backlogs,
}

/// Looks.
///
/// # Errors
/// When anything in Pub/Sub cannot be looked at, but for a place that was left. Monitoring only ever adds evidence, so that it
/// may be down.
pub async fn observe(
    inventory: &Inventory,
    measured: Measured<'_>,
    desired: &Desired,
    stamp: &Stamp,
    earlier: &Earlier<'_>,
) -> Result<Observed, PubSubError> {
    inventory.refresh(desired.topic.name.project()).await?;
    inventory.refresh(desired.subscription.name.project()).await?;
    let unlisted = unlisted(inventory, desired).await;
    let (dead_letter_topic, dead_letter_subscription) = match &desired.dead_letter {
        Some(wanted) => (
            inventory.topic(&wanted.topic.name).await?,
            inventory.subscription(&wanted.subscription.name).await?,
        ),
        None => (None, None),
    };
    let mut pulled = Vec::new();
    for config in subscriptions(inventory, desired, stamp, &unlisted).await? {
        pulled.push(Pulled {
            access: access(inventory, &config, desired, earlier).await?,
            oldest: match config.labels.contains_key(key::SWITCHED_AT) {
                true => measured.fleet.oldest(&config.name).await,
                false => Ok(None),
            },
            delivered: match is_left(&config, desired) {
                true => measured.fleet.delivered(&config.name, config.retention).await,
                false => Ok(None),
            },
            config,
        });
    }
    let mut former_dead_letters = Vec::new();
    let listed = |former: &&Former| unlisted.iter().all(|one| one.project != former.project);
    for former in desired.former.iter().filter(listed) {
        let name = &former.dead_letter_subscription;
        if let Some(config) = inventory.subscription(name).await? {
            let known = measured.backlogs.known(name.project());
            former_dead_letters.push(FormerDeadLetters {
                waiting: known.map(|known| known.messages(name)),
                config,
            });
        }
    }
    Ok(Observed {
        topic: inventory.topic(&desired.topic.name).await?,
        pulled,
        dead_letter_topic_policy: match &dead_letter_topic {
            Some(found) => inventory.policy(&Resource::Topic(found.name.clone())).await?,
            None => Policy::unset(),
        },
        dead_letter_topic,
        dead_letter_subscription,
        former_dead_letters,
        unlisted,
    })
}

/// Lists the projects of the places that it was moved from. A project that was deleted, or whose rights are gone, must not keep the
/// current place from being looked after.
async fn unlisted(inventory: &Inventory, desired: &Desired) -> Vec<Unlisted> {
    let mut unlisted = Vec::new();
    for project in former_projects(desired) {
        if let Err(error) = inventory.refresh(project).await {
            unlisted.push(Unlisted {
                project: project.clone(),
                why: error.into(),
            });
        }
    }
    unlisted
}

/// The other projects that it was moved from.
fn former_projects(desired: &Desired) -> BTreeSet<&ProjectId> {
    let former = desired.former.iter().map(|former| &former.project);
    former
        .filter(|project| *project != desired.subscription.name.project())
        .collect()
}

/// Whether another subscription took its place, in another topic.
fn is_left(config: &SubscriptionConfig, desired: &Desired) -> bool {
    config.labels.contains_key(key::SWITCHED_AT) && listens_elsewhere(config, &desired.subscription)
}

/// What this process saw or wrote itself counts more than what status says of an earlier one.
async fn access(
    inventory: &Inventory,
    config: &SubscriptionConfig,
    desired: &Desired,
    earlier: &Earlier<'_>,
) -> Result<Access, PubSubError> {
    let resource = Resource::Subscription(config.name.clone());
    if !inventory.met_policy(&resource) && earlier.saw(config, &desired.subscription_grants) {
        return Ok(Access::Verified);
    }
    inventory.policy(&resource).await.map(Access::Read)
}

async fn subscriptions(
    inventory: &Inventory,
    desired: &Desired,
    stamp: &Stamp,
    unlisted: &[Unlisted],
) -> Result<Vec<SubscriptionConfig>, PubSubError> {
    let name = &desired.subscription.name;
    let owner = Owner::named(stamp);
    let mut found = inventory.owned(name.project(), &desired.prefix, &owner).await?;
    let is_listed = |project: &&ProjectId| unlisted.iter().all(|one| one.project != **project);
    for project in former_projects(desired).into_iter().filter(is_listed) {
        found.extend(inventory.owned(project, "", &owner).await?);
    }
    found.retain(|one| Role::is_pulled(&one.labels));
    if !found.iter().any(|one| one.name == *name) {
        found.extend(inventory.subscription(name).await?);
    }
    Ok(found)
}

/// What is to be let go: with its policy where somebody may have been given rights on it.
///
/// # Errors
/// When the policy has to be read and cannot be.
pub async fn kept(
    inventory: &Inventory,
    config: SubscriptionConfig,
    is_pulled: bool,
) -> Result<Kept, PubSubError> {
    let policy = match is_pulled {
        true => {
            let resource = Resource::Subscription(config.name.clone());
            Some(inventory.policy(&resource).await?)
        }
        false => None,
    };
    Ok(Kept { config, policy })
}
