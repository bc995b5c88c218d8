//! An emulator and the official clients against it.

pub(crate) mod cluster;
pub(crate) mod process;
pub(crate) mod streaming;
#[allow(dead_code, reason = "the differential suite uses the rest")]
pub(crate) mod wire;

use google_cloud_auth::credentials::anonymous;
use google_cloud_pubsub::client::{SchemaService, Subscriber, SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::{Subscription, Topic};
use pubsub_emulator::{Emulator, Settings, iam_pb, pb};
use std::time::Duration;

pub(crate) const PROJECT: &str = "living-twin";

pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
    pub(crate) topics: TopicAdmin,
    pub(crate) subscriptions: SubscriptionAdmin,
    /// Carries the policies of every kind of resource.
    pub(crate) policies: SchemaService,
}

pub(crate) fn topic(id: &str) -> String {
    format!("projects/{PROJECT}/topics/{id}")
}

pub(crate) fn subscription(id: &str) -> String {
    format!("projects/{PROJECT}/subscriptions/{id}")
}

/// A client builder's last steps, the same for each kind of client.
macro_rules! connect {
    ($client:ty, $endpoint:expr) => {
        <$client>::builder()
            .with_endpoint($endpoint)
            .with_credentials(anonymous::Builder::new().build())
            .build()
            .await
            .expect("a client")
    };
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let emulator = Emulator::builder()
            .settings(settings)
            .start()
            .await
            .expect("a free port on loopback");
        let endpoint = emulator.endpoint();
        Self {
            topics: connect!(TopicAdmin, &endpoint),
            subscriptions: connect!(SubscriptionAdmin, &endpoint),
            policies: connect!(SchemaService, &endpoint),
            emulator,
        }
    }

    pub(crate) async fn subscriber(&self) -> Subscriber {
        connect!(Subscriber, self.emulator.endpoint())
    }

    pub(crate) async fn create_topic(&self, id: &str) -> Topic {
        self.topics
            .create_topic()
            .set_name(topic(id))
            .send()
            .await
            .expect("created")
    }

    pub(crate) async fn create(
        &self,
        id: &str,
        topic_id: &str,
        change: impl FnOnce(Subscription) -> Subscription,
    ) -> Subscription {
        let request = change(
            Subscription::new()
                .set_name(subscription(id))
                .set_topic(topic(topic_id)),
        );
        let builder = self.subscriptions.create_subscription().with_request(request);
        builder.send().await.expect("created")
    }

    pub(crate) fn publish(&self, topic_id: &str, data: &str, attributes: &[(&str, &str)]) -> String {
        let message = message(data, attributes);
        self.emulator
            .publish(&topic(topic_id), vec![message])
            .expect("published")
            .remove(0)
    }

    pub(crate) fn grant(&self, resource: &str, role: &str, member: &str) {
        let mut policy = self.emulator.policy(resource).expect("a resource");
        policy.bindings.push(iam_pb::Binding {
            role: role.to_owned(),
            members: vec![member.to_owned()],
            condition: None,
        });
        self.emulator.set_policy(resource, policy).expect("granted");
    }

    pub(crate) async fn backlog_is(&self, id: &str, expected: usize) {
        eventually(&format!("a backlog of {expected} in {id}"), || {
            self.emulator
                .stats(&subscription(id))
                .is_ok_and(|stats| stats.backlog == expected)
        })
        .await;
    }
}

pub(crate) fn message(data: &str, attributes: &[(&str, &str)]) -> pb::PubsubMessage {
    pb::PubsubMessage {
        data: data.as_bytes().to_vec().into(),
        attributes: attributes
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..Default::default()
    }
}

/// Waits for a condition, and fails after ten seconds.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap_or_else(|_| panic!("waited too long for {what}"));
}
