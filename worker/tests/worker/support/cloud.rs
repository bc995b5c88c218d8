//! A Pub/Sub of the test's own, spoken to over REST like any other.

use std::collections::HashMap;

use events::{
    Connection, DomainEvent, EventFactory, EventPublisher, EventType, TenantId, TopicName, connect,
};
use google_cloud_pubsub::{client::Publisher, model::Message};
use pubsub_emulator::Emulator;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::redis::free_port;

pub(crate) const PROJECT: &str = "acme-events";

pub(crate) struct Cloud {
    pub(crate) address: String,
    pub(crate) emulator: Emulator,
    client: Client,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        Self::around(Emulator::builder().port(free_port()).start().await.unwrap())
    }

    pub(crate) fn around(emulator: Emulator) -> Self {
        Self {
            address: emulator.address().to_string(),
            emulator,
            client: Client::new(),
        }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("http://{}/v1/projects/{PROJECT}/{path}", self.address);
        let answer = self.client.request(method, url).json(&body).send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    /// A topic with a dead-letter topic, and a subscription to each: `{id}`, `{id}-sub`, `{id}-dlq`, `{id}-dlq-sub`.
    pub(crate) async fn plane(&self, id: &str, more: Value) -> Plane<'_> {
        self.plane_named(
            &format!("{id}-{}", &events::event::Id::random().to_string()[24..]),
            more,
        )
        .await
    }

    pub(crate) async fn plane_named(&self, id: &str, more: Value) -> Plane<'_> {
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
            match name.as_str() {
                "maxDeliveryAttempts" => subscription["deadLetterPolicy"][name] = value.clone(),
                _ => subscription[name] = value.clone(),
            }
        }
        self.call(Method::PUT, &format!("subscriptions/{id}-sub"), subscription)
            .await;
        self.grant(&format!("topics/{id}-dlq"), "roles/pubsub.publisher")
            .await;
        self.grant(&format!("subscriptions/{id}-sub"), "roles/pubsub.subscriber")
            .await;
        self.plane_there(&id).await
    }

    /// One that exists already.
    pub(crate) async fn plane_there(&self, id: &str) -> Plane<'_> {
        let name = format!("projects/{PROJECT}/topics/{id}");
        let connection = Connection::emulator(&self.address);
        let publisher = EventPublisher::new(&connection, name.parse::<TopicName>().unwrap())
            .await
            .unwrap();
        Plane {
            cloud: self,
            id: id.to_owned(),
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
pub(crate) struct Plane<'a> {
    cloud: &'a Cloud,
    pub(crate) id: String,
    publisher: EventPublisher,
}

pub(crate) fn event(tenant: &str) -> DomainEvent {
    let tenant = TenantId::parse(tenant).unwrap();
    let event_type = EventType::parse("document.ingested").unwrap();
    EventFactory::new("test").create(&tenant, event_type, serde_json::Map::new())
}

impl Plane<'_> {
    pub(crate) fn subscription(&self) -> String {
        format!("{}-sub", self.id)
    }

    /// Publishes so many events of a tenant; returns their ids.
    pub(crate) async fn publish(&self, count: usize, tenant: &str) -> Vec<String> {
        let events: Vec<_> = (0..count).map(|_| event(tenant)).collect();
        futures::future::join_all(events.iter().map(|event| self.publish_one(event, None))).await;
        events.iter().map(|event| event.event_id.to_string()).collect()
    }

    pub(crate) async fn publish_one(&self, event: &DomainEvent, key: Option<&str>) {
        let options = events::publisher::PublishOptions {
            ordering_key: key.map(ToOwned::to_owned),
            traceparent: None,
            tracestate: None,
        };
        self.publisher.publish(event, &options).await.unwrap();
    }

    pub(crate) async fn publish_traced(&self, event: &DomainEvent, traceparent: &str, tracestate: &str) {
        let options = events::publisher::PublishOptions {
            ordering_key: None,
            traceparent: Some(traceparent.to_owned()),
            tracestate: Some(tracestate.to_owned()),
        };
        self.publisher.publish(event, &options).await.unwrap();
    }

    /// Publishes something that may be no event.
    pub(crate) async fn publish_raw(&self, data: String, attributes: &HashMap<&str, &str>) {
        self.publish_bytes(data.into_bytes(), attributes).await;
    }

    /// The same, and returns the message's id.
    pub(crate) async fn publish_bytes<K, V>(&self, data: Vec<u8>, attributes: &HashMap<K, V>) -> String
    where
        K: Clone + Into<String>,
        V: Clone + Into<String>,
    {
        let message = Message::new().set_data(data).set_attributes(attributes.clone());
        let topic = format!("projects/{PROJECT}/topics/{}", self.id);
        let connection = Connection::emulator(&self.cloud.address);
        let publisher = connect!(Publisher::builder(topic), &connection)
            .build()
            .await
            .unwrap();
        publisher.publish(message).await.unwrap()
    }

    /// What is in the dead letters now, by event id; taken out.
    pub(crate) async fn dead_letters(&self) -> Vec<String> {
        self.take(&format!("{}-dlq-sub", self.id)).await
    }

    /// What can be had from the worker's subscription now, by event id; taken out.
    pub(crate) async fn left(&self) -> Vec<String> {
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
