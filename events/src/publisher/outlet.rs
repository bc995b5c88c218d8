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
/// (<https://docs.cloud.google.com/pubsub/docs/publisher#use-ordering-keys>). It is resumed here when nothing of that key is on
/// its way any more: then whatever was to follow the failed event has its own error, and nothing overtakes it.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    topic: TopicName,
    publisher: Publisher,
    keys: Arc<Mutex<HashMap<String, Key>>>,
}

/// An ordering key with events on their way.
#[derive(Debug, Default)]
struct Key {
    on_their_way: usize,
    failed: bool,
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
        let sent = {
            let mut keys = self.keys.lock();
            let state = (!key.is_empty()).then(|| keys.entry(key.clone()).or_default());
            match state {
                Some(state) if state.failed => None,
                state => {
                    if let Some(state) = state {
                        state.on_their_way += 1;
                    }
                    // Under the lock, so that no resumption comes between the count and the message.
                    Some(self.publisher.publish(checked.message))
                }
            }
        };
        let outlet = self.clone();
        Receipt::new(tokio::spawn(async move {
            let result = match sent {
                Some(sent) => {
                    let result = sent.await;
                    outlet.settle(&key, result.is_err());
                    result
                }
                None => Err(ClientError::OrderingKeyPaused),
            };
            drop(room);
            let result = result.map_err(|source| outlet.error(source));
            settled(&result);
            result
        }))
    }

    fn settle(&self, key: &str, failed: bool) {
        if key.is_empty() {
            return;
        }
        let mut keys = self.keys.lock();
        let Some(state) = keys.get_mut(key) else {
            return;
        };
        state.on_their_way -= 1;
        state.failed |= failed;
        if state.on_their_way == 0 {
            if state.failed {
                self.publisher.resume_publish(key);
            }
            keys.remove(key);
        }
    }

    fn error(&self, source: ClientError) -> PublishError {
        let topic = self.topic.clone();
        match source {
            ClientError::OrderingKeyPaused => PublishError::KeyPaused { topic },
            ClientError::Shutdown => PublishError::Closed,
            source => PublishError::Publish { topic, source },
        }
    }

    pub(super) fn topic(&self) -> &TopicName {
        &self.topic
    }

    pub(super) async fn flush(&self) {
        self.publisher.flush().await;
    }
}
