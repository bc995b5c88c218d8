//! One topic, and the ordering keys that are in use on it.

use std::{collections::HashMap, sync::Arc};

use google_cloud_pubsub::{
    client::{BasePublisher, Publisher},
    error::PublishError as ClientError,
};
use parking_lot::Mutex;

use super::{Batching, PublishError, flow::Room, message::Checked, receipt::Receipt};
use crate::TopicName;

/// After an error the client refuses everything of its ordering key until it is resumed
/// (<https://docs.cloud.google.com/pubsub/docs/publisher#use-ordering-keys>). It is resumed here when all events of that key
/// have their results, and all receipts have been read or dropped: then whoever sends the next knows of the failure, and
/// nothing overtakes what has to be published again.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    topic: TopicName,
    publisher: Publisher,
    keys: Arc<Mutex<HashMap<String, Key>>>,
}

/// An ordering key that is in use.
#[derive(Debug, Default)]
struct Key {
    events: usize,
    failed: bool,
}

/// One event's use of its ordering key: until it has its result, and its receipt is read or dropped.
#[derive(Debug)]
pub(super) struct Use {
    outlet: Outlet,
    key: String,
}

impl Outlet {
    pub(super) fn new(client: &BasePublisher, topic: TopicName, batching: &Batching) -> Self {
        let publisher = client
            .publisher(topic.to_string())
            .set_message_count_threshold(batching.max_messages)
            .set_byte_threshold(batching.max_bytes.min(Batching::LARGEST))
            .set_delay_threshold(batching.max_delay)
            .build();
        Self {
            topic,
            publisher,
            keys: Arc::default(),
        }
    }

    /// Sends a message. `settled` learns the result even when nobody waits for the receipt.
    pub(super) fn send(
        &self,
        checked: Checked,
        room: Option<Room>,
        settled: impl FnOnce(&Result<String, PublishError>) + Send + 'static,
    ) -> Receipt {
        let key = checked.message.ordering_key.clone();
        let (sent, used) = if key.is_empty() {
            (Some(self.publisher.publish(checked.message)), None)
        } else {
            let mut keys = self.keys.lock();
            let state = keys.entry(key.clone()).or_default();
            state.events += 1;
            // Under the lock, so that no resumption comes between the look at the state and the message.
            let sent = (!state.failed).then(|| self.publisher.publish(checked.message));
            drop(keys);
            let outlet = self.clone();
            (sent, Some(Arc::new(Use { outlet, key })))
        };
        let (outlet, used_by_task) = (self.clone(), used.clone());
        let task = tokio::spawn(async move {
            let result = match sent {
                Some(sent) => sent.await,
                None => Err(ClientError::OrderingKeyPaused),
            };
            if let (Some(used), Err(_)) = (used_by_task, &result) {
                used.fail();
            }
            drop(room);
            let result = result.map_err(|source| outlet.error(source));
            settled(&result);
            result
        });
        Receipt::new(task, used)
    }

    fn error(&self, source: ClientError) -> PublishError {
        let topic = self.topic.clone();
        match source {
            ClientError::OrderingKeyPaused => PublishError::KeyPaused { topic },
            ClientError::Shutdown => PublishError::Closed,
            source @ (ClientError::Rpc(_) | _) => PublishError::Publish { topic, source },
        }
    }

    pub(super) fn topic(&self) -> &TopicName {
        &self.topic
    }

    pub(super) async fn flush(&self) {
        self.publisher.flush().await;
    }
}

impl Use {
    fn fail(&self) {
        if let Some(state) = self.outlet.keys.lock().get_mut(&self.key) {
            state.failed = true;
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut keys = self.outlet.keys.lock();
        let Some(state) = keys.get_mut(&self.key) else {
            return;
        };
        state.events = state.events.saturating_sub(1);
        if state.events == 0 {
            if state.failed {
                self.outlet.publisher.resume_publish(self.key.as_str());
            }
            keys.remove(&self.key);
        }
    }
}
