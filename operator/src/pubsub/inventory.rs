//! What exists in a project, remembered: listed page by page once per resync for the whole fleet, and corrected by every
//! write this process makes. Looking at one object costs nothing.

mod known;
mod owned;
mod pages;
mod policies;

use std::{collections::HashMap, sync::Arc, time::Duration};

use events::{ProjectId, SubscriptionName, TopicName};
use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;

use crate::{settings::Settings, subscription::ownership::key, turns::Turns};

pub use self::owned::Owner;
use self::{
    known::Known,
    owned::Owned,
    pages::Pages,
    policies::{NeverSet, Seen},
};
use super::{Code, PubSub, PubSubError, Resource, SubscriptionConfig, TopicConfig};

/// What is remembered of all projects.
pub struct Inventory {
    pubsub: Arc<dyn PubSub>,
    max_age: Duration,
    policy_max_age: Duration,
    visibility_lag: Duration,
    projects: Mutex<HashMap<ProjectId, Arc<Project>>>,
    numbers: Mutex<HashMap<ProjectId, u64>>,
    /// Policies of topics that are being read: all tenants want the same ones.
    reading: Turns<TopicName>,
    never_set: Mutex<NeverSet>,
}

#[derive(Default)]
struct Project {
    /// Held while listing, so that a thousand reconciles list once.
    listing: tokio::sync::Mutex<()>,
    shelf: RwLock<Shelf>,
}

#[derive(Default)]
struct Shelf {
    listed: Option<Instant>,
    topics: Known<TopicName, TopicConfig>,
    subscriptions: Known<SubscriptionName, SubscriptionConfig>,
    /// Subscriptions by the owner in their labels, so that a thousand owners do not each look through all.
    owned: Owned,
    /// `None`: in doubt.
    policies: HashMap<Resource, Option<Seen>>,
}

impl Shelf {
    fn write_subscription(&mut self, name: &SubscriptionName, value: Option<SubscriptionConfig>) {
        self.owned
            .change(self.subscriptions.objects.get(name), value.as_ref());
        self.subscriptions.write(name, value);
    }

    fn index(&mut self) {
        self.owned = Owned::of(self.subscriptions.objects.values());
    }
}

impl Inventory {
    /// An empty inventory that looks as often as the settings say.
    #[must_use]
    pub fn new(pubsub: Arc<dyn PubSub>, settings: &Settings) -> Self {
        Self {
            pubsub,
            max_age: settings.resync,
            policy_max_age: settings.iam_resync,
            visibility_lag: settings.visibility_lag,
            projects: Mutex::default(),
            numbers: Mutex::default(),
            reading: Turns::default(),
            never_set: Mutex::default(),
        }
    }

    fn project(&self, project: &ProjectId) -> Arc<Project> {
        Arc::clone(self.projects.lock().entry(project.clone()).or_default())
    }

    /// Lists the project if that is due. An error leaves what was known; it never means "nothing there".
    ///
    /// # Errors
    /// When a page cannot be had.
    pub async fn refresh(&self, id: &ProjectId) -> Result<(), PubSubError> {
        let project = self.project(id);
        let _turn = project.listing.lock().await;
        let fresh = project
            .shelf
            .read()
            .listed
            .is_some_and(|at| at.elapsed() < self.max_age);
        if fresh {
            return Ok(());
        }
        let begun = Instant::now();
        let mut topics = Pages::default();
        while let Some(token) = topics.next() {
            topics.add(self.pubsub.list_topics(id, &token).await?);
        }
        let mut subscriptions = Pages::default();
        while let Some(token) = subscriptions.next() {
            subscriptions.add(self.pubsub.list_subscriptions(id, &token).await?);
        }
        let (topics, subscriptions) = (topics.items, subscriptions.items);
        tracing::debug!(project = %id, topics = topics.len(), subscriptions = subscriptions.len(), "Listed the project.");
        let mut shelf = project.shelf.write();
        shelf.topics.replace(
            topics
                .into_iter()
                .map(|topic| (topic.name.clone(), topic))
                .collect(),
            begun,
            self.visibility_lag,
        );
        shelf.subscriptions.replace(
            subscriptions
                .into_iter()
                .map(|one| (one.name.clone(), one))
                .collect(),
            begun,
            self.visibility_lag,
        );
        shelf.index();
        shelf.listed = Some(begun);
        Ok(())
    }

    /// The topic, if it exists as far as is known; read by itself when that is in doubt.
    ///
    /// # Errors
    /// When it has to be read and cannot be.
    pub async fn topic(&self, name: &TopicName) -> Result<Option<TopicConfig>, PubSubError> {
        let project = self.project(name.project());
        if project.shelf.read().topics.in_doubt.contains(name) {
            let found = absent_is_none(self.pubsub.topic(name).await)?;
            project.shelf.write().topics.write(name, found);
        }
        Ok(project.shelf.read().topics.objects.get(name).cloned())
    }

    /// The subscription, if it exists as far as is known; read by itself when that is in doubt.
    ///
    /// # Errors
    /// When it has to be read and cannot be.
    pub async fn subscription(
        &self,
        name: &SubscriptionName,
    ) -> Result<Option<SubscriptionConfig>, PubSubError> {
        let project = self.project(name.project());
        if project.shelf.read().subscriptions.in_doubt.contains(name) {
            let found = absent_is_none(self.pubsub.subscription(name).await)?;
            project.shelf.write().write_subscription(name, found);
        }
        Ok(project.shelf.read().subscriptions.objects.get(name).cloned())
    }

    /// The subscription as it was listed or written last, even if that is in doubt.
    #[must_use]
    pub fn remembered(&self, name: &SubscriptionName) -> Option<SubscriptionConfig> {
        let project = self.project(name.project());
        let shelf = project.shelf.read();
        shelf.subscriptions.objects.get(name).cloned()
    }

    /// The subscriptions of a project whose labels are as `wanted` says, as far as is known. Those in doubt whose ids begin
    /// with `prefix` are read first: whoever made them may have been one of ours.
    ///
    /// # Errors
    /// When one has to be read and cannot be.
    pub async fn owned(
        &self,
        id: &ProjectId,
        prefix: &str,
        owner: &Owner,
    ) -> Result<Vec<SubscriptionConfig>, PubSubError> {
        self.settle(id, prefix).await?;
        let project = self.project(id);
        let shelf = project.shelf.read();
        Ok(shelf
            .owned
            .names(owner)
            .filter_map(|name| shelf.subscriptions.objects.get(name).cloned())
            .collect())
    }

    /// The subscriptions of a project that a cluster's operator made for a Tenant, whatever topic they are for.
    ///
    /// # Errors
    /// When one has to be read and cannot be.
    pub async fn stamped(
        &self,
        id: &ProjectId,
        cluster: &str,
        tenant: &str,
    ) -> Result<Vec<SubscriptionConfig>, PubSubError> {
        self.settle(id, "").await?;
        Ok(self.remembered_of(id, cluster, tenant))
    }

    /// The same as they were listed or written last, even if that is in doubt; asks nobody.
    #[must_use]
    pub fn remembered_of(&self, id: &ProjectId, cluster: &str, tenant: &str) -> Vec<SubscriptionConfig> {
        let is_its =
            |one: &&SubscriptionConfig| one.labels.get(key::CLUSTER).map(String::as_str) == Some(cluster);
        let project = self.project(id);
        let shelf = project.shelf.read();
        shelf
            .owned
            .names_of_tenant(tenant)
            .filter_map(|name| shelf.subscriptions.objects.get(name))
            .filter(is_its)
            .cloned()
            .collect()
    }

    /// Reads the subscriptions in doubt whose ids begin with `prefix`.
    async fn settle(&self, id: &ProjectId, prefix: &str) -> Result<(), PubSubError> {
        let in_doubt: Vec<_> = {
            let project = self.project(id);
            let shelf = project.shelf.read();
            let names = shelf.subscriptions.in_doubt.iter();
            names
                .filter(|name| name.id().starts_with(prefix))
                .cloned()
                .collect()
        };
        for name in in_doubt {
            self.subscription(&name).await?;
        }
        Ok(())
    }

    /// Shows every subscription that is remembered, of all projects.
    pub fn visit_subscriptions(&self, mut see: impl FnMut(&SubscriptionConfig)) {
        let projects: Vec<_> = self.projects.lock().values().map(Arc::clone).collect();
        for project in projects {
            project
                .shelf
                .read()
                .subscriptions
                .objects
                .values()
                .for_each(&mut see);
        }
    }

    /// The number of a project, asked for once.
    ///
    /// # Errors
    /// When it has to be asked for and cannot be.
    pub async fn project_number(&self, project: &ProjectId) -> Result<u64, PubSubError> {
        if let Some(number) = self.numbers.lock().get(project) {
            return Ok(*number);
        }
        let number = self.pubsub.project_number(project).await?;
        self.numbers.lock().insert(project.clone(), number);
        Ok(number)
    }

    /// Says a project's number, so that it need not be asked for.
    pub fn note_project_number(&self, project: &ProjectId, number: u64) {
        self.numbers.lock().insert(project.clone(), number);
    }

    /// Remembers what the server made of a topic.
    pub fn note_topic(&self, topic: TopicConfig) {
        let project = self.project(topic.name.project());
        let name = topic.name.clone();
        project.shelf.write().topics.write(&name, Some(topic));
    }

    /// Remembers what the server made of a subscription.
    pub fn note_subscription(&self, subscription: SubscriptionConfig) {
        let project = self.project(subscription.name.project());
        let name = subscription.name.clone();
        project
            .shelf
            .write()
            .write_subscription(&name, Some(subscription));
    }

    /// Remembers that a subscription is gone, and its policy with it.
    pub fn note_deleted(&self, name: &SubscriptionName) {
        let project = self.project(name.project());
        let mut shelf = project.shelf.write();
        shelf.write_subscription(name, None);
        shelf.policies.remove(&Resource::Subscription(name.clone()));
    }

    /// A write failed in a way that leaves open what is there now: the next look reads this object by itself.
    pub fn doubt(&self, resource: &Resource) {
        let project = self.project(resource.project());
        let mut shelf = project.shelf.write();
        shelf.policies.insert(resource.clone(), None);
        match resource {
            Resource::Topic(name) => shelf.topics.in_doubt.insert(name.clone()),
            Resource::Subscription(name) => shelf.subscriptions.in_doubt.insert(name.clone()),
        };
    }
}

fn absent_is_none<T>(answer: Result<T, PubSubError>) -> Result<Option<T>, PubSubError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
