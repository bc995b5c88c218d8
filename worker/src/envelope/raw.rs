//! Messages without an envelope: what is known of them is in their attributes, or from Pub/Sub.

use std::collections::{BTreeMap, HashMap};

use events::{
    DecodeError, DomainEvent, TenantId,
    event::{Id, attribute as ours},
};

use super::{Parts, attribute, extension_name, media_type};
use crate::message::Message;

/// The type of a message that names none.
const NO_TYPE: &str = "raw.message";
/// Where a message may name its type: as we do, and as Cloud Storage does
/// (<https://docs.cloud.google.com/storage/docs/pubsub-notifications#attributes>).
const TYPE: [&str; 2] = [ours::EVENT_TYPE, "eventType"];
/// The same for when it happened.
const TIME: [&str; 2] = ["event_time", "eventTime"];
const CONTENT_TYPE: [&str; 2] = ["content-type", "contentType"];

/// Attributes that have a place of their own in an event.
const KNOWN: [&str; 12] = [
    ours::TENANT_ID,
    ours::EVENT_TYPE,
    ours::IDEMPOTENCY_KEY,
    ours::CORRELATION_ID,
    ours::VERSION,
    ours::TRACEPARENT,
    ours::TRACESTATE,
    "googclient_traceparent",
    "googclient_tracestate",
    "content-type",
    "contentType",
    "eventType",
];
/// What a CloudEvent's attributes are called, and those that the worker adds to one.
const TAKEN: [&str; 17] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "tenantid",
    "correlationid",
    "causationid",
    "userid",
    "idempotencykey",
    "dataversion",
    "traceparent",
    "tracestate",
    "data",
];

pub(super) fn open(own: &TenantId, message: &Message) -> Result<DomainEvent, DecodeError> {
    let get = |name| attribute(&message.attributes, name);
    let first = |names: [&'static str; 2]| names.into_iter().find_map(get);
    let occurred_at = first(TIME).and_then(|time| time.parse().ok());
    Parts {
        envelope: "message that can be an event",
        tenant: own.clone(),
        id: &message.message_id,
        event_type: first(TYPE).unwrap_or(NO_TYPE),
        source: format!("//pubsub.googleapis.com/{}", message.subscription),
        occurred_at: occurred_at.or(message.published_at).unwrap_or_default(),
        user_id: None,
        correlation_id: get(ours::CORRELATION_ID),
        causation_id: None,
        idempotency_key: get(ours::IDEMPOTENCY_KEY).map(Id::standing_for),
        version: get(ours::VERSION).map(ToOwned::to_owned),
        content_type: media_type(first(CONTENT_TYPE)),
        data: message.data.clone(),
        extensions: extensions(&message.attributes),
    }
    .event()
}

/// The other attributes, by names that CloudEvents allows: `bucketId` is `bucketid`, and `id` is `attributeid`, because the
/// event has an `id` already. Of two that would be called the same the first counts, in the order of their own names.
fn extensions(attributes: &HashMap<String, String>) -> BTreeMap<String, String> {
    let sorted: BTreeMap<&String, &String> = attributes.iter().collect();
    let mut extensions = BTreeMap::new();
    for (name, value) in sorted {
        if KNOWN.contains(&name.as_str()) || value.is_empty() {
            continue;
        }
        let mut called = extension_name(name);
        if called.is_empty() {
            continue;
        }
        if TAKEN.contains(&called.as_str()) {
            called.insert_str(0, "attribute");
        }
        extensions.entry(called).or_insert_with(|| value.clone());
    }
    extensions
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::{envelope::tests::own, message::sample as message};

    #[test]
    fn a_notification_of_cloud_storage_is_an_event() {
        let object = r#"{"kind": "storage#object", "name": "a/b.pdf", "bucket": "scans", "size": "1048576"}"#;
        let attributes = [
            ("tenant_id", "tenant-123"),
            (
                "notificationConfig",
                "projects/_/buckets/scans/notificationConfigs/4",
            ),
            ("eventType", "OBJECT_FINALIZE"),
            ("payloadFormat", "JSON_API_V1"),
            ("bucketId", "scans"),
            ("objectId", "a/b.pdf"),
            ("objectGeneration", "1456159161926000"),
            ("eventTime", "2026-01-01T00:00:00.123456Z"),
        ];
        let event = open(&own(), &message(&attributes, object)).unwrap();
        assert_eq!(event.event_id.as_str(), "8211");
        assert_eq!(event.event_type.as_str(), "OBJECT_FINALIZE");
        assert_eq!(
            event.source,
            "//pubsub.googleapis.com/projects/acme-events/subscriptions/sub-1"
        );
        assert_eq!(event.occurred_at.to_string(), "2026-01-01T00:00:00.123456Z");
        assert_eq!(event.data.text(), object);
        assert_eq!(event.idempotency_key(), "OBJECT_FINALIZE:tenant-123:8211");
        let foreign = event.foreign.unwrap();
        assert_eq!(foreign.body, None);
        let names: Vec<_> = foreign.extensions.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "bucketid",
                "eventtime",
                "notificationconfig",
                "objectgeneration",
                "objectid",
                "payloadformat"
            ]
        );
    }

    #[test]
    fn bytes_without_a_word_are_an_event_too() {
        let event = open(
            &own(),
            &message(&[("tenant_id", "tenant-123")], vec![0, 159, 255]),
        )
        .unwrap();
        assert_eq!(event.event_type.as_str(), "raw.message");
        assert_eq!(event.occurred_at.to_string(), "2026-01-02T03:04:05Z");
        let foreign = event.foreign.unwrap();
        assert_eq!(foreign.body, Some(Bytes::from_static(&[0, 159, 255])));
        assert_eq!((foreign.content_type, foreign.extensions.len()), (None, 0));
    }

    #[test]
    fn attributes_that_we_know_have_their_places_and_none_is_mistaken_for_the_events_own() {
        let attributes = [
            ("tenant_id", "tenant-123"),
            ("event_type", "Order Placed"),
            ("eventType", "ignored"),
            ("version", "3"),
            ("correlation_id", "req-9"),
            ("idempotency_key", "key-1"),
            ("contentType", "text/csv"),
            ("id", "order-7"),
            ("Source", "shop"),
            ("order_id", "7"),
            ("orderId", "8"),
            ("ÄÖ", "x"),
        ];
        let event = open(&own(), &message(&attributes, "a;b")).unwrap();
        assert_eq!(event.event_type.as_str(), "Order Placed");
        assert_eq!(event.data.version(), "3");
        assert_eq!(event.correlation_id().as_str(), "req-9");
        assert_eq!(event.idempotency_key(), "key-1");
        let foreign = event.foreign.unwrap();
        assert_eq!(foreign.content_type.as_deref(), Some("text/csv"));
        let expected = [
            ("attributeid", "order-7"),
            ("attributesource", "shop"),
            ("orderid", "8"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(foreign.extensions, BTreeMap::from(expected));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_becomes_an_event_or_says_why_not(
            data in proptest::collection::vec(any::<u8>(), 0..200), name in ".*", value in ".*", event_type in ".*",
        ) {
            let attributes = [("tenant_id", "tenant-123"), ("event_type", event_type.as_str()), (name.as_str(), value.as_str())];
            if let Ok(event) = open(&own(), &message(&attributes, data)) {
                for name in event.foreign.unwrap().extensions.keys() {
                    prop_assert!(!TAKEN.contains(&name.as_str()));
                    let allowed = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
                    prop_assert!(allowed);
                }
            }
        }
    }
}
