//! What a story makes, and that it is taken away again however the story ends.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, resume_unwind},
    time::{Duration, Instant},
};

use event_operator::pubsub::{
    Attachment, Code, Expiration, PubSub as _, PubSubError, Resource, SubscriptionConfig, TopicConfig,
};
use events::{SubscriptionName, TopicName};
use futures::FutureExt as _;
use google_cloud_gax::error::{Error, rpc};
use pubsub_emulator::{IamMode, Settings};

use super::service::Service;

/// On everything that a story makes, with the run's name: what a killed run leaves behind is found by it.
pub(super) const LABEL: &str = "event-operator-test";

/// Tells a story, and takes away what it made however it ended. The settings are those of the emulator.
pub(super) async fn tell(name: &'static str, settings: Settings, story: impl AsyncFnOnce(&Service)) {
    let service = Service::connect(name, settings).await;
    if let Err(panic) = told(&service, story).await {
        resume_unwind(panic);
    }
    service.nothing_is_left();
}

async fn told(service: &Service, story: impl AsyncFnOnce(&Service)) -> Result<(), Box<dyn Any + Send>> {
    let told = AssertUnwindSafe(story(service)).catch_unwind().await;
    service.clear().await;
    told
}

impl Service {
    /// A topic of this run, not made yet.
    pub(super) fn topic(&self, name: &str) -> TopicConfig {
        TopicConfig {
            name: TopicName::new(&self.project, &format!("{}-{name}", self.run)).unwrap(),
            labels: [(LABEL.to_owned(), self.run.clone())].into(),
            regions: Vec::new(),
            kms_key: None,
        }
    }

    /// A subscription of this run that lets everything through, not made yet. It is as the operator's are, but for what a
    /// story says otherwise: failed messages come again at once.
    pub(super) fn subscription(&self, name: &str, topic: &TopicName) -> SubscriptionConfig {
        SubscriptionConfig {
            name: SubscriptionName::new(&self.project, &format!("{}-{name}", self.run)).unwrap(),
            attachment: Attachment::Topic(topic.clone()),
            filter: String::new(),
            ordered: false,
            ack_deadline: Duration::from_secs(10),
            retention: Duration::from_secs(600),
            backoff: None,
            dead_letter: None,
            expiration: Expiration::Never,
            exactly_once: false,
            labels: [(LABEL.to_owned(), self.run.clone())].into(),
        }
    }

    /// Makes a topic, as the operator does.
    pub(super) async fn make_topic(&self, topic: &TopicConfig) {
        self.remember(Resource::Topic(topic.name.clone()));
        let make = async || made(self.pubsub.create_topic(topic).await);
        self.patiently("the topic is made", make).await;
    }

    /// Makes a subscription, as the operator does, once its topic is seen.
    pub(super) async fn make_subscription(&self, subscription: &SubscriptionConfig) {
        self.remember(Resource::Subscription(subscription.name.clone()));
        let make = async || made(self.pubsub.create_subscription(subscription).await);
        self.patiently("the subscription is made", make).await;
    }

    /// It is taken away even when no list shows it yet.
    pub(super) fn remember(&self, resource: Resource) {
        self.made.lock().push(resource);
    }

    /// Takes away what is known by name, and what the lists show with this run's label: what the operator made. Google's
    /// lists lag, so that they are asked again for a while.
    async fn clear(&self) {
        self.set_iam(IamMode::Off);
        let (quiet, patience) = self.either((0, 60), (10, 120));
        let begun = Instant::now();
        let mut all = std::mem::take(&mut *self.made.lock());
        loop {
            all.extend(self.labelled().await);
            let none_is_listed = all.is_empty();
            // Subscriptions are greater than topics, and go first.
            all.sort();
            all.dedup();
            for one in all.drain(..).rev() {
                self.delete(&one).await;
            }
            let passed = begun.elapsed().as_secs();
            if (none_is_listed && passed >= quiet) || passed >= patience {
                return;
            }
            tokio::time::sleep(self.pace()).await;
        }
    }

    async fn labelled(&self) -> Vec<Resource> {
        let ours = |value: Option<&String>| value == Some(&self.run);
        let topics = self.listed_topics().await.unwrap_or_default().into_iter();
        let topics = topics.filter(|one| ours(one.labels.get(LABEL)));
        let subscriptions = self.listed_subscriptions().await.unwrap_or_default().into_iter();
        let subscriptions = subscriptions.filter(|one| ours(one.labels.get(LABEL)));
        topics
            .map(|one| Resource::Topic(one.name))
            .chain(subscriptions.map(|one| Resource::Subscription(one.name)))
            .collect()
    }

    async fn delete(&self, resource: &Resource) {
        let deleted = match resource {
            Resource::Topic(name) => {
                let delete = self.topics.delete_topic().set_topic(name.to_string());
                delete.send().await
            }
            Resource::Subscription(name) => {
                let delete = self.subscriptions.delete_subscription();
                delete.set_subscription(name.to_string()).send().await
            }
        };
        let Err(error) = deleted else { return };
        let code = error.status().map(|status| status.code);
        if code != Some(rpc::Code::NotFound) {
            self.left_behind(resource, &error);
        }
    }

    /// Google's lists lag, so that this is asked of the emulator alone.
    fn nothing_is_left(&self) {
        if let Some(emulator) = &self.emulator {
            assert_eq!(emulator.topics(), Vec::<String>::new());
            assert_eq!(emulator.subscriptions(), Vec::<String>::new());
        }
    }

    #[allow(clippy::print_stdout, reason = "somebody has to take it away by hand")]
    fn left_behind(&self, what: &Resource, error: &Error) {
        println!("left behind: {what} of {}: {error}", self.story);
    }
}

/// What is there was made by a call whose answer was lost: names are this run's own.
fn made<T>(answer: Result<T, PubSubError>) -> Result<(), PubSubError> {
    match answer {
        Err(error) if error.code != Code::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn what_a_story_made_is_taken_away_when_it_fails() {
    let service = Service::connect("a failing one", Settings::default()).await;
    if service.emulator.is_none() {
        return service.skipped("it is about these stories, and not about Google");
    }
    let ended = told(&service, async |service| {
        // The one is known by name, the other only by its label.
        service.make_topic(&service.topic("known")).await;
        service
            .pubsub
            .create_topic(&service.topic("labelled"))
            .await
            .unwrap();
        panic!("as planned");
    })
    .await;
    assert!(ended.is_err());
    service.nothing_is_left();
}
