//! A Pub/Sub of the test's own, spoken to over REST like any other.

use std::collections::HashMap;

use events::{
    Connection, DomainEvent, EventFactory, EventPublisher, EventType, TenantId, TopicName, connect,
};
use google_cloud_pubsub::{client::Publisher, model::Message};
use pubsub_emulator::Emulator;
use reqwest::{Client, Method};
use serde_json::{Value, json};

pub const PROJECT: &str = "acme-events";

pub struct Cloud {
    pub address: String,
    pub emulator: Emulator,
    client: Client,
}

impl Cloud {
    pub async fn start() -> Self {
        Self::around(Emulator::builder().start().await.unwrap())
    }

    pub fn around(emulator: Emulator) -> Self {
        Self {
            address: emulator.address().to_string(),
            emulator,
            client: Client::new(),
        }
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("http://{}/v1/projects/{PROJECT}/{path}", self.address);
        let answer = self.client.request(method, url).json(&body).send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    /// A topic with a dead-letter topic, and a subscription to each: `{id}`, `{id}-sub`, `{id}-dlq`, `{id}-dlq-sub`.
    pub async fn plane(&self, id: &str, more: Value) -> Plane<'_> {
        self.plane_named(
            &format!("{id}-{}", &events::event::Id::random().to_string()[24..]),
            more,
        )
        .await
    }

    pub async fn plane_named(&self, id: &str, more: Value) -> Plane<'_> {
        let id = id.to_owned();
        let topic = |id: &str| format!("projects/{PROJECT}/topics/{id}");
        self.call(Method::PUT, &format!("topics/{id}"), json!({})).await;
        self.call(Method::PUT, &format!("topics/{id}-dlq"), json!({}))
            .await;
        let dead = json!({"topic": topic(&format!("{id}-dlq"))});
        self.call(Method::PUT, &format!("subscriptions/{id}-dlq-sub"), dead)
            .await;
        let mut subscription = json!({
            "topic": topic(&id),
            "ackDeadlineSeconds": 60,
            "retryPolicy": {"minimumBackoff": "0.1s", "maximumBackoff": "0.2s"},
            "deadLetterPolicy": {"deadLetterTopic": topic(&format!("{id}-dlq")), "maxDeliveryAttempts": 5},
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            subscription[name] = value.clone();
        }
        self.call(Method::PUT, &format!("subscriptions/{id}-sub"), subscription)
            .await;
        self.grant(&format!("topics/{id}-dlq"), "roles/pubsub.publisher")
            .await;
        self.grant(&format!("subscriptions/{id}-sub"), "roles/pubsub.subscriber")
            .await;
        let name = topic(&id).parse::<TopicName>().unwrap();
        let connection = Connection::emulator(&self.address);
        let publisher = EventPublisher::new(&connection, name).await.unwrap();
        Plane {
            cloud: self,
            id,
            publisher,
        }
    }
}

impl Cloud {
    /// Without these grants Pub/Sub does not dead-letter.
    async fn grant(&self, resource: &str, role: &str) {
        let member = self.emulator.service_agent(PROJECT);
        let policy = json!({"policy": {"bindings": [{"role": role, "members": [member]}]}});
        self.call(Method::POST, &format!("{resource}:setIamPolicy"), policy)
            .await;
    }
}

/// One topic and what hangs on it.
pub struct Plane<'a> {
    cloud: &'a Cloud,
    pub id: String,
    publisher: EventPublisher,
}

pub fn event(tenant: &str) -> DomainEvent {
    let tenant = TenantId::parse(tenant).unwrap();
    let event_type = EventType::parse("document.ingested").unwrap();
    EventFactory::new("test").create(&tenant, event_type, serde_json::Map::new())
}

impl Plane<'_> {
    pub fn subscription(&self) -> String {
        format!("{}-sub", self.id)
    }

    /// Publishes so many events of a tenant; returns their ids.
    pub async fn publish(&self, count: usize, tenant: &str) -> Vec<String> {
        let events: Vec<_> = (0..count).map(|_| event(tenant)).collect();
        futures::future::join_all(events.iter().map(|event| self.publish_one(event, None))).await;
        events.iter().map(|event| event.event_id.to_string()).collect()
    }

    pub async fn publish_one(&self, event: &DomainEvent, key: Option<&str>) {
        let options = events::publisher::PublishOptions {
            ordering_key: key.map(ToOwned::to_owned),
            traceparent: None,
        };
        self.publisher.publish(event, &options).await.unwrap();
    }

    /// Publishes something that may be no event.
    pub async fn publish_raw(&self, data: String, attributes: &HashMap<&str, &str>) {
        let message = Message::new().set_data(data).set_attributes(attributes.clone());
        let topic = format!("projects/{PROJECT}/topics/{}", self.id);
        let connection = Connection::emulator(&self.cloud.address);
        let publisher = connect!(Publisher::builder(topic), &connection)
            .build()
            .await
            .unwrap();
        publisher.publish(message).await.unwrap();
    }

    /// What is in the dead letters now, by event id; taken out.
    pub async fn dead_letters(&self) -> Vec<String> {
        self.take(&format!("{}-dlq-sub", self.id)).await
    }

    /// What can be had from the worker's subscription now, by event id; taken out.
    pub async fn left(&self) -> Vec<String> {
        self.take(&self.subscription()).await
    }

    async fn take(&self, subscription: &str) -> Vec<String> {
        let ask = json!({"maxMessages": 1000, "returnImmediately": true});
        let path = format!("subscriptions/{subscription}");
        let answer = self.cloud.call(Method::POST, &format!("{path}:pull"), ask).await;
        let received = answer["receivedMessages"].as_array().cloned().unwrap_or_default();
        let acks: Vec<_> = received.iter().map(|one| one["ackId"].clone()).collect();
        if !acks.is_empty() {
            let ask = json!({"ackIds": acks});
            self.cloud
                .call(Method::POST, &format!("{path}:acknowledge"), ask)
                .await;
        }
        let id = |one: &Value| {
            one["message"]["attributes"]["event_id"]
                .as_str()
                .map(ToOwned::to_owned)
        };
        received.iter().filter_map(id).collect()
    }
}
