//! An emulator with the catalogue's topics, and a subscription to each.

use std::{collections::BTreeMap, time::Duration};

use events::{
    Catalogue, Connection, DomainEvent, EventFactory, ProjectId, Publisher, TenantId,
    publisher::PublisherBuilder,
};
use google_cloud_pubsub::client::Subscriber;
use pubsub_emulator::{Emulator, pb};

const PROJECT: &str = "acme-events";

pub(crate) struct Plane {
    pub(crate) emulator: Emulator,
}

/// A message as a subscriber sees it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) data: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

pub(crate) fn catalogue() -> Catalogue {
    let file = include_str!("../../../config/operator.yaml");
    Catalogue::from_yaml(file, Some(&ProjectId::parse(PROJECT).unwrap())).unwrap()
}

pub(crate) fn subscription(key: &str) -> String {
    format!("projects/{PROJECT}/subscriptions/living-twin-{key}-sub")
}

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("tenant-123").unwrap()
}

pub(crate) fn factory() -> EventFactory {
    EventFactory::new("ingest")
}

pub(crate) fn document(id: &str) -> DomainEvent {
    factory()
        .document_ingested(&tenant(), id, "Important Document", "pdf")
        .build()
}

pub(crate) fn publisher() -> PublisherBuilder {
    Publisher::builder(catalogue())
}

/// Topics and ordered subscriptions that are there before a test begins.
pub(crate) fn furnish(emulator: &Emulator) {
    for (key, name) in catalogue().topics() {
        emulator
            .create_topic(pb::Topic {
                name: name.to_string(),
                ..pb::Topic::default()
            })
            .unwrap();
        emulator
            .create_subscription(pb::Subscription {
                name: subscription(key),
                topic: name.to_string(),
                enable_message_ordering: true,
                ack_deadline_seconds: 60,
                ..pb::Subscription::default()
            })
            .unwrap();
    }
}

impl Plane {
    pub(crate) async fn start() -> Self {
        let emulator = Emulator::builder().start().await.unwrap();
        furnish(&emulator);
        Self { emulator }
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection::emulator(&self.emulator.address().to_string())
    }

    pub(crate) async fn publisher(&self, builder: PublisherBuilder) -> Publisher {
        builder.build(&self.connection()).await.unwrap()
    }

    /// The next so many messages of a topic, acknowledged.
    pub(crate) async fn receive(&self, key: &str, count: usize) -> Vec<Received> {
        receive(&self.connection(), key, count).await
    }

    /// How many messages of a topic nobody has received yet.
    pub(crate) fn backlog(&self, key: &str) -> u64 {
        self.emulator.stats(&subscription(key)).unwrap().backlog as u64
    }

    /// How many publish calls have come, with any result.
    pub(crate) fn publish_calls(&self) -> usize {
        let calls = self.emulator.calls();
        calls
            .iter()
            .filter(|call| call.method == "Publisher.Publish")
            .count()
    }
}

pub(crate) async fn receive(connection: &Connection, key: &str, count: usize) -> Vec<Received> {
    let subscriber = events::connect!(Subscriber::builder(), connection)
        .build()
        .await
        .unwrap();
    let mut stream = subscriber.subscribe(subscription(key)).build();
    let mut received = Vec::new();
    while received.len() < count {
        let next = tokio::time::timeout(Duration::from_secs(30), stream.next());
        let (message, handler) = next.await.unwrap().unwrap().unwrap();
        handler.ack();
        received.push(Received {
            data: String::from_utf8(message.data.to_vec()).unwrap(),
            attributes: message.attributes.into_iter().collect(),
        });
    }
    received
}
