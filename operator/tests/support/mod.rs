//! A Pub/Sub of values for tests of the pure stages: plans are carried out on maps.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "for tests, and each test file uses its part"
)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crds::{EventSubscription, EventSubscriptionSpec, SubscriptionSettings, Tenant, TenantRef, TenantSpec};
use event_operator::{
    failure::Failure,
    pubsub::{Policy, Resource, SubscriptionConfig, SubscriptionField, TopicConfig, TopicField},
    settings::{ConfigFile, Settings},
    subscription::{
        desired::{Desired, Principals, desired},
        observe::Observed,
        plan::{Action, Plan, plan},
        validate::{Surroundings, Valid, validate},
    },
};
use events::{SubscriptionName, TopicName};
use jiff::Timestamp;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(crate) fn settings() -> Settings {
    let mut file = ConfigFile::parse(include_str!("../../../config/operator.yaml")).unwrap();
    file.project_id = Some("acme-events".into());
    file.into_settings("cluster-uid").unwrap()
}

pub(crate) fn tenant(name: &str) -> Tenant {
    let mut tenant = Tenant::new(name, TenantSpec::default());
    tenant.metadata.uid = Some(format!("uid-of-{name}"));
    tenant.metadata.generation = Some(1);
    tenant
}

pub(crate) fn subscription(tenant: &str, topic: &str, more: &str) -> EventSubscription {
    let settings: SubscriptionSettings = serde_yaml::from_str(&format!("topic: {topic}\n{more}")).unwrap();
    let spec = EventSubscriptionSpec {
        tenant_ref: TenantRef { name: tenant.into() },
        settings,
    };
    let mut subscription = EventSubscription::new(topic, spec);
    subscription.metadata.namespace = Some(tenant.into());
    subscription.metadata.uid = Some(format!("uid-of-{tenant}-{topic}"));
    subscription.metadata.generation = Some(1);
    subscription
}

pub(crate) fn around(tenant: Tenant) -> Surroundings {
    let namespace_tenant = tenant.metadata.name.clone();
    Surroundings {
        tenant: Some(Arc::new(tenant)),
        namespace_tenant,
        siblings: vec![],
    }
}

pub(crate) fn valid(subscription: &EventSubscription) -> Result<Valid, Failure> {
    validate(
        subscription,
        &around(tenant(&subscription.spec.tenant_ref.name)),
        &settings(),
    )
}

pub(crate) fn wanted(valid: &Valid) -> Desired {
    desired(
        valid,
        &Principals::new(1234, 1234, "acme-events.svc.id.goog", "uid-of-worker"),
        &settings(),
    )
}

/// What is in Pub/Sub.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct World {
    pub(crate) topics: BTreeMap<TopicName, TopicConfig>,
    pub(crate) subscriptions: BTreeMap<SubscriptionName, SubscriptionConfig>,
    pub(crate) policies: BTreeMap<Resource, Policy>,
    pub(crate) writes: Vec<Action>,
}

impl World {
    pub(crate) fn observe(&self, desired: &Desired) -> Observed {
        let dead_letter = desired.dead_letter.as_ref();
        let policy = |resource: Resource| {
            self.policies
                .get(&resource)
                .cloned()
                .unwrap_or_else(Policy::unset)
        };
        Observed {
            topic: self.topics.get(&desired.topic.name).cloned(),
            subscription: self.subscriptions.get(&desired.subscription.name).cloned(),
            subscription_policy: policy(Resource::Subscription(desired.subscription.name.clone())),
            dead_letter_topic: dead_letter.and_then(|one| self.topics.get(&one.topic.name).cloned()),
            dead_letter_topic_policy: dead_letter.map_or_else(Policy::unset, |one| {
                policy(Resource::Topic(one.topic.name.clone()))
            }),
            dead_letter_subscription: dead_letter
                .and_then(|one| self.subscriptions.get(&one.subscription.name).cloned()),
        }
    }

    pub(crate) fn plan(&self, valid: &Valid) -> Result<Plan, Failure> {
        let desired = wanted(valid);
        plan(
            &desired,
            &self.observe(&desired),
            &valid.stamp,
            &valid.rules,
            now(),
        )
    }

    /// Carries out the first steps of a plan.
    pub(crate) fn apply(&mut self, plan: &Plan, steps: usize) {
        for step in plan.steps.iter().take(steps) {
            self.write(&step.action);
        }
    }

    fn write(&mut self, action: &Action) {
        self.writes.push(action.clone());
        match action {
            Action::CreateTopic(topic) => {
                assert!(
                    self.topics.insert(topic.name.clone(), topic.clone()).is_none(),
                    "made twice: {}",
                    topic.name
                );
            }
            Action::UpdateTopic(topic, fields) => {
                let found = self.topics.get_mut(&topic.name).unwrap();
                for field in fields {
                    match field {
                        TopicField::Labels => found.labels.clone_from(&topic.labels),
                        TopicField::Regions => found.regions.clone_from(&topic.regions),
                    }
                }
            }
            Action::CreateSubscription(one) => {
                let before = self.subscriptions.insert(one.name.clone(), one.clone());
                assert!(before.is_none(), "made twice: {}", one.name);
            }
            Action::UpdateSubscription(one, fields) => {
                let found = self.subscriptions.get_mut(&one.name).unwrap();
                for field in fields {
                    match field {
                        SubscriptionField::AckDeadline => found.ack_deadline = one.ack_deadline,
                        SubscriptionField::Retention => found.retention = one.retention,
                        SubscriptionField::Backoff => found.backoff = one.backoff,
                        SubscriptionField::DeadLetter => found.dead_letter.clone_from(&one.dead_letter),
                        SubscriptionField::Expiration => found.expiration = one.expiration,
                        SubscriptionField::ExactlyOnce => found.exactly_once = one.exactly_once,
                        SubscriptionField::Labels => found.labels.clone_from(&one.labels),
                    }
                }
            }
            Action::SetPolicy { resource, policy } => {
                let before = self.policies.get(resource).cloned().unwrap_or_else(Policy::unset);
                assert_eq!(before.etag, policy.etag, "a policy was written over a newer one");
                let mut after = policy.clone();
                after.etag = vec![before.etag.first().copied().unwrap_or(0) + 1];
                self.policies.insert(resource.clone(), after);
            }
            Action::DeleteSubscription(name) => {
                self.subscriptions.remove(name);
                self.policies.remove(&Resource::Subscription(name.clone()));
            }
        }
    }
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
