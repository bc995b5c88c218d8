//! A published message, stored in the form in which it is sent.

use crate::{clock, pb};
use bytes::Bytes;
use prost::Message as _;
use std::{collections::HashMap, time::SystemTime};

/// Shared by every subscription that holds it. Attributes are needed when a filter looks at them, at
/// publish and at seek; between the two only the encoded form is kept.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) published: SystemTime,
    pub(crate) ordering_key: Box<str>,
    /// A complete `PubsubMessage`, id and publish time included.
    pub(crate) wire: Bytes,
}

impl Message {
    pub(crate) fn store(mut message: pb::PubsubMessage, id: u64, published: SystemTime) -> Self {
        message.message_id = id.to_string();
        message.publish_time = Some(clock::timestamp(published));
        let wire = Bytes::from(message.encode_to_vec());
        Self {
            id,
            published,
            ordering_key: message.ordering_key.into(),
            wire,
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
