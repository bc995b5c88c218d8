//! Publishing: check, store once, hand to every subscription whose filter matches.

use super::{Engine, subscription::Subscription, topic::Topic, unserved};
use crate::{
    limits::{
        MAX_ATTRIBUTE_KEY, MAX_ATTRIBUTE_VALUE, MAX_ATTRIBUTES, MAX_ORDERING_KEY, MAX_PUBLISH_BYTES,
        MAX_PUBLISH_MESSAGES,
    },
    message::Message,
    pb,
    status::{Result, Status},
};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::Instant;

impl Engine {
    pub(crate) fn publish(&self, request: pb::PublishRequest) -> Result<pb::PublishResponse> {
        let topic = self.topic(&request.topic)?;
        unserved::check_publish(&topic.config.read())?;
        validate(&request.messages)?;
        let message_ids = self
            .deliver(&topic, request.messages)
            .iter()
            .map(u64::to_string)
            .collect();
        Ok(pb::PublishResponse { message_ids })
    }

    /// Gives the messages ids and times, and puts them where they are pulled from.
    pub(super) fn deliver(&self, topic: &Topic, messages: Vec<pb::PubsubMessage>) -> Vec<u64> {
        let (now, wall) = (Instant::now(), self.clock.wall_now());
        let (filters, delay) = {
            let settings = self.settings.read();
            (
                settings.filters,
                Duration::from_millis(settings.delivery_delay_ms),
            )
        };
        let first = self
            .next_message
            .fetch_add(messages.len() as u64, Ordering::Relaxed);
        let mut stored = Vec::with_capacity(messages.len());
        // One entry per subscription, so that each queue is locked once per request.
        let mut batches: Vec<(&Arc<Subscription>, Vec<Arc<Message>>)> = Vec::new();
        let mut places: HashMap<u32, usize> = HashMap::new();
        let fanout = topic.fanout.read();
        for (id, message) in (first..).zip(messages) {
            let mut chosen: Vec<usize> = Vec::new();
            fanout.each(&message.attributes, filters, |subscription| {
                let place = *places.entry(subscription.incarnation).or_insert_with(|| {
                    batches.push((subscription, Vec::new()));
                    batches.len() - 1
                });
                chosen.push(place);
            });
            let message = Arc::new(Message::new(message, id, wall, self.store.clone()));
            for place in chosen {
                if let Some((_, batch)) = batches.get_mut(place) {
                    batch.push(message.clone());
                }
            }
            stored.push(message);
        }
        topic.retain(&stored, wall);
        for snapshot in topic.snapshots.read().iter() {
            snapshot.add(&stored);
        }
        for (subscription, batch) in batches {
            subscription.queue(|queue| {
                for message in batch {
                    queue.push(message, now);
                }
                if delay.is_zero() {
                    queue.wake();
                }
            });
            if !delay.is_zero() {
                let subscription = subscription.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    subscription.queue(|queue| queue.wake());
                });
            }
        }
        stored.iter().map(|message| message.id).collect()
    }
}

fn validate(messages: &[pb::PubsubMessage]) -> Result<()> {
    if messages.is_empty() {
        return Err(Status::invalid(
            "The publish request must contain at least one message.",
        ));
    }
    if messages.len() > MAX_PUBLISH_MESSAGES {
        return Err(Status::invalid(format!(
            "The value for message_count is too large. You passed {} in the request, but the maximum value is {MAX_PUBLISH_MESSAGES}.",
            messages.len()
        )));
    }
    let size: usize = messages.iter().map(prost::Message::encoded_len).sum();
    if size > MAX_PUBLISH_BYTES {
        return Err(Status::invalid(format!(
            "Request payload size exceeds the limit: {MAX_PUBLISH_BYTES} bytes; got {size}."
        )));
    }
    messages.iter().try_for_each(validate_one)
}

fn validate_one(message: &pb::PubsubMessage) -> Result<()> {
    if message.data.is_empty() && message.attributes.is_empty() {
        return Err(Status::invalid(
            "Some messages are empty: each message must contain either non-empty data, or at least one attribute.",
        ));
    }
    if message.attributes.len() > MAX_ATTRIBUTES {
        return Err(Status::invalid(format!(
            "A message may have at most {MAX_ATTRIBUTES} attributes; got {}.",
            message.attributes.len()
        )));
    }
    for (key, value) in &message.attributes {
        if key.is_empty() || key.len() > MAX_ATTRIBUTE_KEY {
            return Err(Status::invalid(format!(
                "Attribute keys must have 1 to {MAX_ATTRIBUTE_KEY} bytes; got {}.",
                key.len()
            )));
        }
        // The clients' own telemetry uses the `googclient_` prefix, and is let through.
        if key.starts_with("goog") && !key.starts_with("googclient_") {
            return Err(Status::invalid("Attribute keys must not begin with \"goog\"."));
        }
        if value.len() > MAX_ATTRIBUTE_VALUE {
            return Err(Status::invalid(format!(
                "Attribute values may have at most {MAX_ATTRIBUTE_VALUE} bytes; got {}.",
                value.len()
            )));
        }
    }
    if message.ordering_key.len() > MAX_ORDERING_KEY {
        return Err(Status::invalid(format!(
            "Ordering keys may have at most {MAX_ORDERING_KEY} bytes; got {}.",
            message.ordering_key.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(data: &[u8], attributes: &[(&str, &str)]) -> pb::PubsubMessage {
        pb::PubsubMessage {
            data: data.to_vec().into(),
            attributes: attributes
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            ..pb::PubsubMessage::default()
        }
    }

    #[test]
    fn what_the_service_refuses_is_refused() {
        let ok = |m: pb::PubsubMessage| validate(&[m]).is_ok();
        assert!(ok(message(b"x", &[])) && ok(message(b"", &[("k", "")])));
        assert!(!ok(message(b"", &[])));
        assert!(!ok(message(b"x", &[("", "v")])) && !ok(message(b"x", &[("google", "v")])));
        assert!(ok(message(b"x", &[("googclient_traceparent", "v")])));
        assert!(
            !ok(message(b"x", &[(&"k".repeat(257), "v")])) && !ok(message(b"x", &[("k", &"v".repeat(1025))]))
        );
        assert!(!ok(message(&vec![0; MAX_PUBLISH_BYTES], &[])));
        assert!(validate(&[]).is_err() && validate(&vec![message(b"x", &[]); 1001]).is_err());
    }
}
