//! An event as a message, and whether Pub/Sub would take it.

use google_cloud_pubsub::model;

use super::{PublishError, PublishOptions, TooLarge};
use crate::{
    DomainEvent,
    cloudevents::{self, Message},
    event::attribute,
};

/// The largest message, data, attributes and ordering key together
/// (<https://cloud.google.com/pubsub/quotas#resource_limits>).
pub const MAX_MESSAGE_BYTES: usize = 10_000_000;
/// The most attributes of a message (same page).
pub const MAX_ATTRIBUTES: usize = 100;
/// The largest value of an attribute (same page).
pub const MAX_ATTRIBUTE_VALUE_BYTES: usize = 1_024;
/// The largest ordering key (same page).
pub const MAX_ORDERING_KEY_BYTES: usize = 1_024;

/// How events stand in messages. The workers of the topic have to be set to the same envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Our own JSON, which [`DomainEvent`] describes; `domain` of a Tenant's worker.
    #[default]
    Domain,
    /// CloudEvents in binary mode; `cloudevents` of a Tenant's worker.
    CloudEventsBinary,
    /// CloudEvents in structured JSON; `cloudevents` of a Tenant's worker.
    CloudEventsStructured,
}

impl Form {
    /// The message of an event.
    ///
    /// # Errors
    /// [`PublishError::CloudEvent`] when the event has no such form.
    pub fn message(self, event: &DomainEvent, options: &PublishOptions) -> Result<Message, PublishError> {
        let trace = options.trace();
        match self {
            Self::Domain => domain(event, options),
            Self::CloudEventsBinary => Ok(cloudevents::to_binary(event, trace.as_ref())?),
            Self::CloudEventsStructured => Ok(cloudevents::to_structured(event, trace.as_ref())?),
        }
    }
}

fn domain(event: &DomainEvent, options: &PublishOptions) -> Result<Message, PublishError> {
    let mut message = Message {
        attributes: event
            .attributes()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        data: event.encode().map_err(PublishError::Encode)?.into(),
    };
    for (name, value) in [
        (attribute::TRACEPARENT, &options.traceparent),
        (attribute::TRACESTATE, &options.tracestate),
    ] {
        let value = value.clone().map(|value| (name.to_owned(), value));
        message.attributes.extend(value);
    }
    Ok(message)
}

/// A message that Pub/Sub takes, and how large it is.
pub(super) struct Checked {
    pub(super) message: model::Message,
    pub(super) bytes: usize,
}

pub(super) fn checked(message: Message, ordering_key: Option<&str>) -> Result<Checked, TooLarge> {
    let Message { attributes, data } = message;
    let key = ordering_key.unwrap_or_default();
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(TooLarge::Attributes {
            count: attributes.len(),
            limit: MAX_ATTRIBUTES,
        });
    }
    let large = attributes
        .iter()
        .find(|(_, value)| value.len() > MAX_ATTRIBUTE_VALUE_BYTES);
    if let Some((name, value)) = large {
        return Err(TooLarge::Attribute {
            name: name.clone(),
            bytes: value.len(),
            limit: MAX_ATTRIBUTE_VALUE_BYTES,
        });
    }
    if key.len() > MAX_ORDERING_KEY_BYTES {
        return Err(TooLarge::OrderingKey {
            bytes: key.len(),
            limit: MAX_ORDERING_KEY_BYTES,
        });
    }
    let entries = attributes
        .iter()
        .map(|(name, value)| field(field(name.len()) + field(value.len())));
    let bytes = field(data.len()) + entries.sum::<usize>() + field(key.len());
    if bytes > MAX_MESSAGE_BYTES {
        return Err(TooLarge::Message {
            bytes,
            limit: MAX_MESSAGE_BYTES,
        });
    }
    let message = model::Message::new()
        .set_data(data)
        .set_attributes(attributes)
        .set_ordering_key(key);
    Ok(Checked { message, bytes })
}

/// What a field of so many bytes takes in a protocol buffer: its number, its length in groups of 7 bits, and itself.
fn field(bytes: usize) -> usize {
    let groups = (usize::BITS - bytes.leading_zeros()).div_ceil(7).max(1);
    1 + groups as usize + bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: &[(&str, usize)], data: usize) -> Message {
        Message {
            attributes: attributes
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), "x".repeat(*bytes)))
                .collect(),
            data: vec![b'x'; data].into(),
        }
    }

    #[test]
    fn the_limits_are_those_of_pubsub() {
        // 1 for the field's number, 4 for the length of the data; 2 for an empty ordering key.
        let largest = MAX_MESSAGE_BYTES - 5 - 2;
        assert_eq!(
            checked(message(&[], largest), None).unwrap().bytes,
            MAX_MESSAGE_BYTES
        );
        assert!(matches!(
            checked(message(&[], largest + 1), None),
            Err(TooLarge::Message {
                bytes: 10_000_001,
                ..
            })
        ));
        assert!(checked(message(&[("a", 1_024)], 1), None).is_ok());
        assert!(matches!(
            checked(message(&[("a", 1_025)], 1), None),
            Err(TooLarge::Attribute { name, bytes: 1_025, .. }) if name == "a"
        ));
        assert!(checked(message(&[], 1), Some(&"k".repeat(1_024))).is_ok());
        assert!(matches!(
            checked(message(&[], 1), Some(&"k".repeat(1_025))),
            Err(TooLarge::OrderingKey { bytes: 1_025, .. })
        ));
        let names: Vec<String> = (0..=100).map(|n| format!("a{n}")).collect();
        let many: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert!(checked(message(&many[..100], 1), None).is_ok());
        assert!(matches!(
            checked(message(&many, 1), None),
            Err(TooLarge::Attributes { count: 101, .. })
        ));
    }
}
