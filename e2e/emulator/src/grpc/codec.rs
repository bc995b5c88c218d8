//! Writes deliveries as `PullResponse` or `StreamingPullResponse` without rebuilding their messages:
//! a stored message is copied once, as it lies, into the response. This is the hot path of a stream.

use super::request::{Acks, RequestDecoder};
use crate::{
    pb,
    queue::{ACK_ID_LENGTH, Delivery},
};
use bytes::BufMut;
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint},
};
use std::marker::PhantomData;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, EncodeBuf, Encoder},
};

/// Messages, and the other fields of a streaming response. Both responses have their messages in
/// field 1, so the same bytes serve for `Pull`.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    pub(crate) received: Vec<Delivery>,
    pub(crate) rest: pb::StreamingPullResponse,
}

// Fields of `ReceivedMessage`, each with a one-byte key.
const ACK_ID: u32 = 1;
const MESSAGE: u32 = 2;
const ATTEMPT: u32 = 3;
const KEY: usize = 1;

fn inner_len(delivery: &Delivery) -> usize {
    let message = delivery.message.wire.len();
    let attempt = if delivery.attempt > 0 {
        KEY + encoded_len_varint(delivery.attempt.into())
    } else {
        0
    };
    KEY + encoded_len_varint(ACK_ID_LENGTH as u64)
        + ACK_ID_LENGTH
        + KEY
        + encoded_len_varint(message as u64)
        + message
        + attempt
}

impl Deliveries {
    fn encode(&self, buffer: &mut impl BufMut) {
        for delivery in &self.received {
            encode_key(1, WireType::LengthDelimited, buffer);
            encode_varint(inner_len(delivery) as u64, buffer);
            encode_key(ACK_ID, WireType::LengthDelimited, buffer);
            encode_varint(ACK_ID_LENGTH as u64, buffer);
            buffer.put_slice(&delivery.ack_id.text());
            encode_key(MESSAGE, WireType::LengthDelimited, buffer);
            encode_varint(delivery.message.wire.len() as u64, buffer);
            buffer.put_slice(&delivery.message.wire);
            if delivery.attempt > 0 {
                encode_key(ATTEMPT, WireType::Varint, buffer);
                encode_varint(delivery.attempt.into(), buffer);
            }
        }
        self.rest.encode_raw(buffer);
    }

    /// Bytes of the gRPC message: a flag, four bytes of length, and the response. It is never compressed.
    pub(super) fn framed_len(&self) -> usize {
        5 + self.encoded_len()
    }

    fn encoded_len(&self) -> usize {
        let of = |delivery: &Delivery| {
            let inner = inner_len(delivery);
            KEY + encoded_len_varint(inner as u64) + inner
        };
        self.received.iter().map(of).sum::<usize>() + self.rest.encoded_len()
    }
}

/// The codec of `Pull` and `StreamingPull`.
pub(crate) struct DeliveryCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for DeliveryCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<U: prost::Message + Default + Send + 'static> Codec for DeliveryCodec<Deliveries, U> {
    type Encode = Deliveries;
    type Decode = U;
    type Encoder = DeliveryEncoder;
    type Decoder = RequestDecoder<U, Acks>;

    fn encoder(&mut self) -> Self::Encoder {
        DeliveryEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder::default()
    }
}

pub(crate) struct DeliveryEncoder;

impl Encoder for DeliveryEncoder {
    type Item = Deliveries;
    type Error = Status;

    fn encode(&mut self, item: Deliveries, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(item.encoded_len());
        item.encode(buffer);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        // One write for a whole batch: with the default of 8 KB each message would be its own.
        BufferSettings::new(64 * 1024, 256 * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use std::{sync::Arc, time::SystemTime};

    #[test]
    fn the_bytes_are_those_of_the_message_types() {
        let stored = pb::PubsubMessage {
            data: b"x".to_vec().into(),
            ..pb::PubsubMessage::default()
        };
        let message = Arc::new(Message::new(stored, 7, SystemTime::now(), None));
        let ack_id = crate::queue::AckId::of(1, 2, 3);
        let deliveries = Deliveries {
            received: [0, 3, 300]
                .map(|attempt| Delivery {
                    ack_id,
                    message: message.clone(),
                    attempt,
                })
                .to_vec(),
            rest: pb::StreamingPullResponse {
                subscription_properties: Some(pb::streaming_pull_response::SubscriptionProperties {
                    exactly_once_delivery_enabled: true,
                    message_ordering_enabled: false,
                }),
                ..pb::StreamingPullResponse::default()
            },
        };
        let mut bytes = Vec::new();
        deliveries.encode(&mut bytes);
        assert_eq!(bytes.len(), deliveries.encoded_len());
        let decoded = pb::StreamingPullResponse::decode(bytes.as_slice()).unwrap();
        let attempts: Vec<i32> = decoded
            .received_messages
            .iter()
            .map(|m| m.delivery_attempt)
            .collect();
        assert_eq!(attempts, [0, 3, 300]);
        assert_eq!(decoded.received_messages[0].ack_id, ack_id.to_string());
        assert_eq!(decoded.received_messages[1].message, Some(message.decode()));
        assert!(
            decoded
                .subscription_properties
                .unwrap()
                .exactly_once_delivery_enabled
        );
    }
}
