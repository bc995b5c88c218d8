//! A Pub/Sub of values for tests of the pure stages: plans are carried out on maps.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crds::{EventSubscription, EventSubscriptionSpec, SubscriptionSettings, Tenant, TenantRef, TenantSpec};
use event_operator::{
    failure::Failure,
    identity::Account,
    monitoring::{Oldest, Unread},
    pubsub::{Policy, Resource, SubscriptionConfig, SubscriptionField, TopicConfig, TopicField},
    settings::{ConfigFile, Settings},
    subscription::{
        access::Access,
        dead_letters::DeadLetters,
        desired::{Desired, Former, Principals, desired},
        finalize::Kept,
        observe::{FormerDeadLetters, Observed, Pulled},
        ownership::key,
        plan::{About, Action, Plan, plan},
        status::Known,
        validate::{Surroundings, Valid, validate},
    },
};
use events::{SubscriptionName, TopicName};
use jiff::Timestamp;

/// Nothing in the dead-letter subscription, and no look at the rights.
pub(crate) const UNKNOWN: Known = Known {
    dead_letters: DeadLetters::None,
    access: None,
};

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(crate) fn settings() -> Settings {
    settings_with("{}")
}

/// The default settings, but for these keys.
pub(crate) fn settings_with(more: &str) -> Settings {
    let mut keys: serde_yaml::Mapping =
        serde_yaml::from_str(include_str!("../../../../config/operator.yaml")).unwrap();
    keys.extend(serde_yaml::from_str::<serde_yaml::Mapping>(more).unwrap());
    let mut file = ConfigFile::parse(&serde_yaml::to_string(&keys).unwrap()).unwrap();
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
        found: None,
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

pub(crate) fn worker_member(settings: &Settings, uid: &str) -> String {
    let account = Account {
        namespace: "tenant-123",
        uid,
    };
    settings.identity.member(1234, account).unwrap()
}

pub(crate) fn wanted(valid: &Valid) -> Desired {
    wanted_with(valid, &settings())
}

pub(crate) fn wanted_with(valid: &Valid, settings: &Settings) -> Desired {
    let worker = worker_member(settings, "uid-of-worker");
    desired(valid, &Principals::new(1234, worker), settings)
}

/// What is in Pub/Sub.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct World {
    pub(crate) topics: BTreeMap<TopicName, TopicConfig>,
    pub(crate) subscriptions: BTreeMap<SubscriptionName, SubscriptionConfig>,
    pub(crate) policies: BTreeMap<Resource, Policy>,
    pub(crate) writes: Vec<Action>,
    /// What Monitoring says.
    pub(crate) oldest: BTreeMap<SubscriptionName, Result<Option<Oldest>, Unread>>,
    pub(crate) delivered: BTreeMap<SubscriptionName, u64>,
    pub(crate) waiting: BTreeMap<SubscriptionName, u64>,
}

impl World {
    /// The subscriptions, as they are when their EventSubscription goes.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        let policy = |config: &SubscriptionConfig| {
            let resource = Resource::Subscription(config.name.clone());
            self.policies.get(&resource).cloned()
        };
        self.subscriptions
            .values()
            .map(|config| Kept {
                policy: policy(config),
                config: config.clone(),
            })
            .collect()
    }

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
            pulled: self.pulled(desired),
            dead_letter_topic: dead_letter.and_then(|one| self.topics.get(&one.topic.name).cloned()),
            dead_letter_topic_policy: dead_letter.map_or_else(Policy::unset, |one| {
                policy(Resource::Topic(one.topic.name.clone()))
            }),
            dead_letter_subscription: dead_letter
                .and_then(|one| self.subscriptions.get(&one.subscription.name).cloned()),
            former_dead_letters: self.former_dead_letters(desired),
            unlisted: vec![],
        }
    }

    fn former_dead_letters(&self, desired: &Desired) -> Vec<FormerDeadLetters> {
        let found = |former: &Former| self.subscriptions.get(&former.dead_letter_subscription);
        let former = desired.former.iter().filter_map(found);
        former
            .map(|config| FormerDeadLetters {
                config: config.clone(),
                waiting: Ok(self.waiting.get(&config.name).copied()),
            })
            .collect()
    }

    /// By the name, and by the stamp.
    fn pulled(&self, desired: &Desired) -> Vec<Pulled> {
        let wanted = &desired.subscription;
        let label = |one: &SubscriptionConfig, key: &str| one.labels.get(key).cloned();
        let stamped = |one: &SubscriptionConfig| {
            [key::TENANT, key::SUBSCRIPTION, key::ROLE]
                .iter()
                .all(|key| label(one, key) == label(wanted, key))
        };
        let pulled = self
            .subscriptions
            .values()
            .filter(|one| one.name == wanted.name || stamped(one));
        pulled
            .map(|config| Pulled {
                config: config.clone(),
                access: Access::Read(
                    self.policies
                        .get(&Resource::Subscription(config.name.clone()))
                        .cloned()
                        .unwrap_or_else(Policy::unset),
                ),
                oldest: self.oldest.get(&config.name).cloned().unwrap_or(Ok(None)),
                delivered: Ok(self.delivered.get(&config.name).copied()),
            })
            .collect()
    }

    pub(crate) fn plan(&self, valid: &Valid) -> Result<Plan, Failure> {
        self.plan_after(valid, None, now())
    }

    /// The plan when this was the current subscription so far.
    pub(crate) fn plan_after(
        &self,
        valid: &Valid,
        before: Option<&SubscriptionName>,
        now: Timestamp,
    ) -> Result<Plan, Failure> {
        self.plan_for(valid, &wanted(valid), before, now)
    }

    /// The plan for this outcome.
    pub(crate) fn plan_for(
        &self,
        valid: &Valid,
        desired: &Desired,
        before: Option<&SubscriptionName>,
        now: Timestamp,
    ) -> Result<Plan, Failure> {
        let about = About {
            rules: &valid.rules,
            before,
            drain_margin: settings().drain.margin,
            now,
        };
        plan(desired, &self.observe(desired), &valid.stamp, &about)
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
