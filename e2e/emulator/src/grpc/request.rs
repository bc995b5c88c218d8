//! Requests, measured before they are decoded: by their bytes, as the service does, and by their
//! entries, because two bytes on the wire can be an empty message of hundreds in memory.

use crate::limits::{MAX_ACK_REQUEST_BYTES, MAX_ADMIN_REQUEST_BYTES, MAX_ENTRIES, MAX_REQUEST_BYTES};
use prost::{
    bytes::Buf as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use std::marker::PhantomData;
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstEncoder};

/// What bounds a kind of request.
pub(crate) trait Bounds: Send + Sync + 'static {
    const BYTES: usize;
    /// Fields that are messages with entries of their own.
    const NESTED: &'static [u32] = &[];
}

pub(crate) struct Admin;
impl Bounds for Admin {
    const BYTES: usize = MAX_ADMIN_REQUEST_BYTES;
}

pub(crate) struct Acks;
impl Bounds for Acks {
    const BYTES: usize = MAX_ACK_REQUEST_BYTES;
}

pub(crate) struct Publish;
impl Bounds for Publish {
    const BYTES: usize = MAX_REQUEST_BYTES;
    /// `PublishRequest.messages`, which hold attributes.
    const NESTED: &'static [u32] = &[2];
}

// The generated code names a codec by a path, and leaves its types to inference.
pub(crate) type AdminCodec<T, U> = RequestCodec<T, U, Admin>;
pub(crate) type AckCodec<T, U> = RequestCodec<T, U, Acks>;
pub(crate) type PublishCodec<T, U> = RequestCodec<T, U, Publish>;

/// prost's codec, but for the bounds.
pub(crate) struct RequestCodec<T, U, B>(PhantomData<(T, U, B)>);

impl<T, U, B> Default for RequestCodec<T, U, B> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U, B> Codec for RequestCodec<T, U, B>
where
    T: prost::Message + Send + 'static,
    U: prost::Message + Default + Send + 'static,
    B: Bounds,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = RequestDecoder<U, B>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        RequestDecoder::default()
    }
}

pub(crate) struct RequestDecoder<U, B>(PhantomData<(U, B)>);

impl<U, B> Default for RequestDecoder<U, B> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<U: prost::Message + Default, B: Bounds> Decoder for RequestDecoder<U, B> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let length = buffer.remaining();
        if length > B::BYTES {
            return Err(Status::invalid_argument(format!(
                "Request payload size exceeds the limit: {} bytes.",
                B::BYTES
            )));
        }
        let bytes = buffer.copy_to_bytes(length);
        if entries(&bytes, B::NESTED).is_some_and(|count| count > MAX_ENTRIES) {
            return Err(Status::invalid_argument(format!(
                "The request has more than {MAX_ENTRIES} entries."
            )));
        }
        U::decode(bytes)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

/// Fields of a message, and of the messages in its `nested` fields. `None` for what is not a message:
/// the decoder says what is wrong with it.
fn entries(mut bytes: &[u8], nested: &[u32]) -> Option<usize> {
    let mut count = 0;
    while bytes.has_remaining() {
        let (tag, wire_type) = decode_key(&mut bytes).ok()?;
        count += 1;
        if wire_type == WireType::LengthDelimited && nested.contains(&tag) {
            let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
            let (inner, rest) = bytes.split_at_checked(length)?;
            count += entries(inner, &[])?;
            bytes = rest;
        } else {
            skip_field(wire_type, tag, &mut bytes, DecodeContext::default()).ok()?;
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb;
    use prost::Message as _;

    #[test]
    fn entries_are_counted_where_they_nest() {
        let message = pb::PubsubMessage {
            data: b"\x12\x00\x12\x00".to_vec().into(),
            attributes: [("a", "1"), ("b", "2")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            ..pb::PubsubMessage::default()
        };
        let request = pb::PublishRequest {
            topic: "t".to_owned(),
            messages: vec![message; 3],
        };
        let bytes = request.encode_to_vec();
        assert_eq!(entries(&bytes, &[]), Some(4));
        assert_eq!(entries(&bytes, Publish::NESTED), Some(4 + 3 * 3));
        assert_eq!(entries(&[0x12, 0x7f], &[2]), None, "longer than what is there");
        assert_eq!(entries(&[0x12, 0x7f], &[]), None);
    }
}
