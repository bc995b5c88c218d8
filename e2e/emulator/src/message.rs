//! A published message, stored in the form in which it is sent.

use crate::{
    clock, pb,
    store::{Kind, Store},
};
use bytes::Bytes;
use prost::Message as _;
use std::{collections::HashMap, sync::Arc, time::SystemTime};

/// Shared by every subscription that holds it. Attributes are needed when a filter looks at them, at
/// publish and at seek; between the two only the encoded form is kept.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) published: SystemTime,
    pub(crate) ordering_key: Box<str>,
    /// A complete `PubsubMessage`, id and publish time included.
    pub(crate) wire: Bytes,
    /// Where the message is kept for as long as somebody holds it.
    store: Option<Arc<Store>>,
}

impl Drop for Message {
    fn drop(&mut self) {
        if let Some(store) = &self.store {
            store.delete(Kind::Message, &self.id.to_be_bytes());
        }
    }
}

impl Message {
    pub(crate) fn new(
        mut message: pb::PubsubMessage,
        id: u64,
        published: SystemTime,
        store: Option<Arc<Store>>,
    ) -> Self {
        message.message_id = id.to_string();
        message.publish_time = Some(clock::timestamp(published));
        let wire = Bytes::from(message.encode_to_vec());
        if let Some(store) = &store {
            store.put(Kind::Message, &id.to_be_bytes(), wire.clone());
        }
        Self {
            id,
            published,
            ordering_key: message.ordering_key.into(),
            wire,
            store,
        }
    }

    /// A message that the store holds already.
    pub(crate) fn restore(id: u64, wire: Bytes, store: Option<Arc<Store>>) -> Self {
        let message = pb::PubsubMessage::decode(wire.clone()).unwrap_or_default();
        let published = clock::system_time(&message.publish_time.unwrap_or_default());
        Self {
            id,
            published,
            ordering_key: message.ordering_key.into(),
            wire,
            store,
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.wire.len()
    }

    pub(crate) fn decode(&self) -> pb::PubsubMessage {
        // We encoded it; a default for the impossible beats a panic in a server.
        pb::PubsubMessage::decode(self.wire.clone()).unwrap_or_default()
    }

    pub(crate) fn attributes(&self) -> HashMap<String, String> {
        self.decode().attributes
    }
}
