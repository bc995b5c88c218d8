//! Publishing to a Pub/Sub that is there.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use events::{
    Connection, EventFactory, EventPublisher, EventType, TenantId, TopicName, connect,
    publisher::PublishOptions,
};
use google_cloud_pubsub::client::TopicAdmin;
use pubsub_emulator::Emulator;

#[tokio::test]
async fn an_ordering_key_can_be_published_to_after_an_error() {
    let emulator = Emulator::builder().start().await.unwrap();
    let connection = Connection::emulator(&emulator.address().to_string());
    let topic = TopicName::parse("projects/acme-events/topics/events").unwrap();
    let publisher = EventPublisher::new(&connection, topic.clone()).await.unwrap();
    let tenant = TenantId::parse("tenant-123").unwrap();
    let event_type = EventType::parse("document.ingested").unwrap();
    let event = EventFactory::new("test").create(&tenant, event_type, serde_json::Map::new());
    let options = PublishOptions {
        ordering_key: Some("document-7".to_owned()),
        ..PublishOptions::default()
    };
    for _ in 0..2 {
        let error = publisher.publish(&event, &options).await.unwrap_err();
        let why = format!("{error:?}");
        assert!(why.contains("NotFound") || why.contains("NOT_FOUND"), "{why}");
    }
    let admin = connect!(TopicAdmin::builder(), &connection)
        .build()
        .await
        .unwrap();
    admin
        .create_topic()
        .set_name(topic.to_string())
        .send()
        .await
        .unwrap();
    publisher.publish(&event, &options).await.unwrap();
}
