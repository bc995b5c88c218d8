//! Watches the dead letters by a subscription of its own, so that those of the tenants keep what they have.

use std::time::Duration;

use anyhow::Context as _;
use events::{Connection, SubscriptionName, connect, event::attribute};
use google_cloud_pubsub::{client::Subscriber, model::Message};

use crate::feed::{Feed, Kind, Seen};

/// Attributes that Pub/Sub adds to a dead letter (<https://cloud.google.com/pubsub/docs/handling-failures>).
const SOURCE: &str = "CloudPubSubDeadLetterSourceSubscription";
const ATTEMPTS: &str = "CloudPubSubDeadLetterSourceDeliveryCount";

/// Between two tries to read.
const PAUSE: Duration = Duration::from_millis(500);

/// Reads subscriptions to dead-letter topics.
#[derive(Clone)]
pub(crate) struct Watcher {
    subscriber: Subscriber,
    feed: Feed,
}

impl Watcher {
    pub(crate) async fn new(connection: &Connection, feed: Feed) -> anyhow::Result<Self> {
        let subscriber = connect!(Subscriber::builder(), connection).build().await;
        Ok(Self {
            subscriber: subscriber.context("cannot connect to Pub/Sub")?,
            feed,
        })
    }

    /// Reads a subscription as long as the process lives.
    pub(crate) fn watch(&self, name: SubscriptionName) {
        let watcher = self.clone();
        tokio::spawn(async move {
            loop {
                let mut messages = watcher.subscriber.subscribe(name.to_string()).build();
                while let Some(Ok((message, handler))) = messages.next().await {
                    watcher.feed.add(seen(&message));
                    handler.ack();
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
}

fn seen(message: &Message) -> Seen {
    let attribute = |name: &str| message.attributes.get(name).cloned();
    Seen {
        kind: Kind::DeadLettered,
        tenant: attribute(attribute::TENANT_ID).unwrap_or_default(),
        event_id: attribute(attribute::EVENT_ID),
        event_type: attribute(attribute::EVENT_TYPE),
        place: attribute(SOURCE),
        message_id: Some(message.message_id.clone()),
        outcome: None,
        reason: None,
        delivery_attempt: attribute(ATTEMPTS).and_then(|count| count.parse().ok()),
    }
}
