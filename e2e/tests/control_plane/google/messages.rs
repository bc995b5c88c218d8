//! Messages there and back, through the official client as the worker uses it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use events::{SubscriptionName, TopicName, connect};
use google_cloud_auth::credentials::Credentials;
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::{
    client::{Publisher, Subscriber},
    model::Message,
};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::service::Service;

/// A publisher to one topic.
pub(super) async fn publisher(service: &Service, topic: &TopicName) -> Publisher {
    connect!(Publisher::builder(topic.to_string()), &service.connection)
        .build()
        .await
        .unwrap()
}

/// Publishes one message.
pub(super) async fn publish(publisher: &Publisher, attributes: &[(&str, &str)]) {
    let attributes = attributes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let message = Message::new().set_data("{}").set_attributes(attributes);
    publisher.publish(message).await.unwrap();
}

/// What a reader answers to every message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Ack,
    Nack,
}

/// What was received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    /// When.
    pub(super) at: Instant,
    /// As which delivery, where dead letters are counted.
    pub(super) attempt: Option<i32>,
    /// All of them.
    pub(super) attributes: HashMap<String, String>,
}

/// Reads a subscription until it is dropped.
#[derive(Debug)]
pub(super) struct Reader {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    messages: Vec<Received>,
    /// When the stream ended for good, and why.
    ended: Option<(Instant, Option<Code>)>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reader {
    /// Begins to read.
    pub(super) async fn open(service: &Service, name: &SubscriptionName, answer: Answer) -> Self {
        let builder = connect!(Subscriber::builder(), &service.connection);
        let subscriber = builder.build().await.unwrap();
        Self::on(subscriber, name.clone(), answer, service.pace())
    }

    /// The same with these credentials.
    pub(super) async fn open_as(
        service: &Service,
        name: &SubscriptionName,
        answer: Answer,
        credentials: Credentials,
    ) -> Self {
        let mut builder = Subscriber::builder().with_credentials(credentials);
        if let Some(endpoint) = service.connection.endpoint() {
            builder = builder.with_endpoint(endpoint);
        }
        let subscriber = builder.build().await.unwrap();
        Self::on(subscriber, name.clone(), answer, service.pace())
    }

    fn on(subscriber: Subscriber, name: SubscriptionName, answer: Answer, pace: Duration) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(read(subscriber, name, answer, pace, Arc::clone(&seen)));
        Self { seen, task }
    }

    /// All that was received so far.
    pub(super) fn messages(&self) -> Vec<Received> {
        self.seen.lock().messages.clone()
    }

    /// When the stream ended for good, and why.
    pub(super) fn ended(&self) -> Option<(Instant, Option<Code>)> {
        self.seen.lock().ended
    }
}

async fn read(
    subscriber: Subscriber,
    name: SubscriptionName,
    answer: Answer,
    pace: Duration,
    seen: Arc<Mutex<Seen>>,
) {
    loop {
        let mut stream = subscriber.subscribe(name.to_string()).build();
        let code = loop {
            match stream.next().await {
                Some(Ok((message, handler))) => {
                    seen.lock().messages.push(Received {
                        at: Instant::now(),
                        attempt: handler.delivery_attempt(),
                        attributes: message.attributes.into_iter().collect(),
                    });
                    match answer {
                        Answer::Ack => handler.ack(),
                        Answer::Nack => handler.nack(),
                    }
                }
                Some(Err(error)) => break error.status().map(|status| status.code),
                None => break None,
            }
        };
        // A subscription and a right may be seen a while after they were made.
        let not_yet = matches!(code, Some(Code::NotFound | Code::PermissionDenied));
        if !not_yet || !seen.lock().messages.is_empty() {
            seen.lock().ended = Some((Instant::now(), code));
            return;
        }
        tokio::time::sleep(pace).await;
    }
}
