//! Pure: what a valid EventSubscription comes to in Pub/Sub.

use std::collections::BTreeMap;

use events::{Filter, ProjectId, SubscriptionName};

use super::{
    ownership::{self, Role},
    validate::Valid,
};
use crate::{
    identity::Identity,
    pubsub::{
        Attachment, Backoff, DeadLetterPolicy, Expiration, Grant, SubscriptionConfig, TopicConfig,
        policy::{PUBLISHER, SUBSCRIBER},
    },
    settings::Settings,
};

/// Who is given rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principals {
    /// Pub/Sub's own service agent, which moves messages to the dead-letter topic.
    pub service_agent: String,
    /// The worker.
    pub worker: String,
}

impl Principals {
    /// The member of a project's Pub/Sub service agent
    /// (<https://cloud.google.com/pubsub/docs/handling-failures#grant_forwarding_permissions>), and that of a worker.
    #[must_use]
    pub fn new(subscriptions_project: u64, worker: String) -> Self {
        Self {
            service_agent: format!(
                "serviceAccount:service-{subscriptions_project}@gcp-sa-pubsub.iam.gserviceaccount.com"
            ),
            worker,
        }
    }
}

/// What should be in Pub/Sub.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The topic, shared by all tenants.
    pub topic: TopicConfig,
    /// The worker's subscription, under its first name; a successor has another.
    pub subscription: SubscriptionConfig,
    /// What the id of every subscription of this tenant on this topic that is pulled begins with.
    pub prefix: String,
    /// Rights on the worker's subscription.
    pub subscription_grants: Vec<Grant>,
    /// How a worker is told from others: no other worker keeps a right on it.
    pub identity: Identity,
    /// Where dead letters go, unless they are switched off.
    pub dead_letter: Option<DesiredDeadLetter>,
    /// What it had in places that it was moved from.
    pub former: Vec<Former>,
}

/// What an EventSubscription had in a place that it was moved from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The project of its subscriptions.
    pub project: ProjectId,
    /// What kept its dead letters.
    pub dead_letter_subscription: SubscriptionName,
}

/// Where dead letters go.
#[derive(Debug, Clone)]
pub struct DesiredDeadLetter {
    /// The dead-letter topic, shared by all tenants.
    pub topic: TopicConfig,
    /// The service agent's right to publish to it.
    pub topic_grant: Grant,
    /// What keeps this tenant's dead letters.
    pub subscription: SubscriptionConfig,
}

/// Composes it.
#[must_use]
pub fn desired(valid: &Valid, principals: &Principals, settings: &Settings) -> Desired {
    let topic = |name: &events::TopicName| TopicConfig {
        name: name.clone(),
        labels: with_ours(
            &settings.labels,
            [
                (ownership::key::MANAGED_BY, ownership::OPERATOR),
                (ownership::key::CLUSTER, &settings.cluster_id),
            ],
        ),
        regions: settings.regions.clone(),
        kms_key: settings.kms_key.clone(),
    };
    let mut labels = settings.labels.clone();
    labels.extend(valid.stamp.labels(Role::Worker));
    let subscription = SubscriptionConfig {
        name: valid.subscription.clone(),
        attachment: Attachment::Topic(valid.topic.clone()),
        filter: valid.filter.to_string(),
        ordered: valid.ordered,
        ack_deadline: valid.ack_deadline,
        retention: valid.retention,
        backoff: Some(Backoff {
            minimum: valid.minimum_backoff,
            maximum: valid.maximum_backoff,
        }),
        dead_letter: valid.dead_letter.as_ref().map(|dead_letter| DeadLetterPolicy {
            topic: dead_letter.topic.to_string(),
            max_delivery_attempts: dead_letter.max_delivery_attempts,
        }),
        expiration: Expiration::Never,
        exactly_once: valid.exactly_once,
        labels,
    };
    let mut grants = vec![Grant {
        role: SUBSCRIBER,
        member: principals.worker.clone(),
    }];
    if valid.dead_letter.is_some() {
        grants.push(Grant {
            role: SUBSCRIBER,
            member: principals.service_agent.clone(),
        });
    }
    Desired {
        topic: topic(&valid.topic),
        dead_letter: valid.dead_letter.as_ref().map(|dead_letter| DesiredDeadLetter {
            topic: topic(&dead_letter.topic),
            topic_grant: Grant {
                role: PUBLISHER,
                member: principals.service_agent.clone(),
            },
            subscription: SubscriptionConfig {
                name: dead_letter.subscription.clone(),
                attachment: Attachment::Topic(dead_letter.topic.clone()),
                // All of the tenant's: an edit of the event types must not strand older dead letters.
                filter: Filter::all_of(&valid.tenant).to_string(),
                retention: dead_letter.retention,
                // A dead letter waits for a person; were it pulled and failed, it comes back as slowly as can be.
                backoff: Some(Backoff {
                    minimum: MAX_BACKOFF,
                    maximum: MAX_BACKOFF,
                }),
                dead_letter: None,
                ordered: false,
                exactly_once: false,
                labels: {
                    let mut labels = subscription.labels.clone();
                    labels.extend(valid.stamp.labels(Role::DeadLetter));
                    labels
                },
                ..subscription.clone()
            },
        }),
        subscription,
        prefix: SubscriptionName::worker_prefix(&valid.topic, &valid.tenant),
        subscription_grants: grants,
        identity: settings.identity.of(&valid.standing),
        former: former(valid),
    }
}

/// A place whose names would be none that Pub/Sub takes never held anything.
fn former(valid: &Valid) -> Vec<Former> {
    let places = valid.standing.former.iter();
    places
        .filter_map(|place| {
            let topic = place.topic(&valid.stamp.subscription).ok()?;
            Some(Former {
                project: place.project.clone(),
                dead_letter_subscription: SubscriptionName::dead_letter(
                    &place.project,
                    &topic,
                    &valid.tenant,
                )
                .ok()?,
            })
        })
        .collect()
}

/// The longest back-off Pub/Sub takes
/// (<https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions#RetryPolicy>).
const MAX_BACKOFF: std::time::Duration = std::time::Duration::from_secs(600);

fn with_ours<const N: usize>(
    labels: &BTreeMap<String, String>,
    ours: [(&str, &str); N],
) -> BTreeMap<String, String> {
    let mut labels = labels.clone();
    labels.extend(ours.map(|(key, value)| (key.to_owned(), value.to_owned())));
    labels
}
