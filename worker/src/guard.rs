//! Pure: is this message an event of our tenant? The subscription's filter is the first line, this is the second.

use events::{DecodeError, DomainEvent, TenantId, event::attribute};

use crate::{envelope::Envelope, message::Message};

/// The largest message, as Pub/Sub has it (<https://cloud.google.com/pubsub/quotas#resource_limits>).
pub const MAX_BYTES: usize = 10 * 1024 * 1024;

/// Why a message never reaches a handler. No text repeats a value of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its attribute or its body names a tenant that is not ours, or none.
    #[error("the message is not of this worker's tenant: its {0} says otherwise")]
    OtherTenant(Evidence),
    /// Bigger than Pub/Sub itself allows.
    #[error("the message has {0} bytes, more than {MAX_BYTES}")]
    TooLarge(usize),
    /// Not an event.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// A filter saw one type and a handler would see another.
    #[error("the event_type attribute is not the event's type")]
    OtherType,
}

/// What told that a message is another tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The `tenant_id` attribute, which filters look at.
    Attribute,
    /// The `tenant_id` field of the event.
    Body,
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Attribute => "tenant_id attribute",
            Self::Body => "body",
        })
    }
}

/// Lets a message in as an event of `own`, or says why not.
///
/// The tenant comes first, whatever the envelope is: a message that is not ours is not even read. A missing `tenant_id` attribute is refused
/// like a wrong one, because no filter of ours lets such a message through.
///
/// # Errors
/// [`Refusal`].
pub fn admit(own: &TenantId, envelope: Envelope, message: &Message) -> Result<DomainEvent, Refusal> {
    if message.attribute(attribute::TENANT_ID) != own.as_str() {
        return Err(Refusal::OtherTenant(Evidence::Attribute));
    }
    if message.data.len() > MAX_BYTES {
        return Err(Refusal::TooLarge(message.data.len()));
    }
    let event = envelope.open(own, message)?;
    if event.tenant_id != *own {
        return Err(Refusal::OtherTenant(Evidence::Body));
    }
    // An absent attribute is no contradiction: publishers that filter on the tenant alone may leave it out.
    if message
        .attributes
        .get(attribute::EVENT_TYPE)
        .is_some_and(|claimed| claimed != event.event_type.as_str())
    {
        return Err(Refusal::OtherType);
    }
    Ok(event)
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::message::sample as message;

    fn own() -> TenantId {
        TenantId::parse("tenant-123").unwrap()
    }

    /// In our own envelope; the others have tests of their own.
    fn admit(own: &TenantId, message: &Message) -> Result<DomainEvent, Refusal> {
        super::admit(own, Envelope::Domain, message)
    }

    fn body(tenant: &str) -> String {
        json!({
            "event_id": "evt-1", "event_type": "document.ingested", "tenant_id": tenant,
            "occurred_at": "2026-01-02T03:04:05Z", "source": "ingest", "data": {"secret": "s3cret"},
        })
        .to_string()
    }

    #[test]
    fn lets_our_own_events_in() {
        let attributes = [("tenant_id", "tenant-123"), ("event_type", "document.ingested")];
        assert!(admit(&own(), &message(&attributes, body("tenant-123"))).is_ok());
        assert!(admit(&own(), &message(&attributes[..1], body("tenant-123"))).is_ok());
    }

    #[test]
    fn refuses_every_contradiction() {
        let ours = ("tenant_id", "tenant-123");
        let cases = [
            (
                message(&[("tenant_id", "tenant-456")], body("tenant-456")),
                Refusal::OtherTenant(Evidence::Attribute),
            ),
            (
                message(&[("tenant_id", "tenant-456")], body("tenant-123")),
                Refusal::OtherTenant(Evidence::Attribute),
            ),
            (
                message(&[], body("tenant-123")),
                Refusal::OtherTenant(Evidence::Attribute),
            ),
            (
                message(&[ours], body("tenant-456")),
                Refusal::OtherTenant(Evidence::Body),
            ),
            (
                message(&[ours, ("event_type", "user.login")], body("tenant-123")),
                Refusal::OtherType,
            ),
            (
                message(&[ours], vec![b'['; MAX_BYTES + 1]),
                Refusal::TooLarge(MAX_BYTES + 1),
            ),
        ];
        for (message, refusal) in cases {
            assert_eq!(admit(&own(), &message), Err(refusal));
        }
        assert!(matches!(
            admit(&own(), &message(&[ours], "not json")),
            Err(Refusal::Undecodable(_))
        ));
    }

    #[test]
    fn says_nothing_of_the_payload() {
        let message = message(&[("tenant_id", "tenant-123")], body("tenant-123"));
        let event = admit(&own(), &message).unwrap();
        assert!(!format!("{message:?}{event:?}").contains("s3cret"));
    }

    #[test]
    fn the_tenant_is_guarded_in_every_envelope() {
        let admitted = |envelope, attributes: &[(&str, &str)]| {
            super::admit(&own(), envelope, &message(attributes, "data")).map(|event| event.tenant_id)
        };
        let ours = ("tenant_id", "tenant-123");
        let event = [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-type", "a.b"),
            ("ce-source", "/s"),
        ];
        let with = |more: &[(&'static str, &'static str)]| [&event[..], more].concat();
        for envelope in [Envelope::CloudEvents, Envelope::Raw] {
            assert_eq!(admitted(envelope, &with(&[ours])), Ok(own()));
            for foreign in [with(&[]), with(&[("tenant_id", "tenant-456")])] {
                let refusal = Refusal::OtherTenant(Evidence::Attribute);
                assert_eq!(admitted(envelope, &foreign), Err(refusal));
            }
        }
        assert_eq!(
            admitted(
                Envelope::CloudEvents,
                &with(&[ours, ("ce-tenantid", "tenant-456")])
            ),
            Err(Refusal::OtherTenant(Evidence::Body))
        );
        assert_eq!(
            admitted(
                Envelope::CloudEvents,
                &with(&[ours, ("event_type", "user.login")])
            ),
            Err(Refusal::OtherType)
        );
    }

    proptest! {
        /// Whatever the bytes and attributes are: what is let in is our tenant's, three times over.
        #[test]
        fn nothing_foreign_gets_in(
            attribute in prop_oneof![Just("tenant-123".to_owned()), "[a-z0-9-]{0,20}", ".*"],
            event_type in proptest::option::of(prop_oneof![Just("document.ingested".to_owned()), ".*"]),
            tenant in prop_oneof![Just("tenant-123".to_owned()), "[A-Za-z0-9._~-]{1,63}"],
            cut in 0usize..400,
        ) {
            let full = body(&tenant);
            let data = full.get(..cut.min(full.len())).unwrap_or(&full).to_owned();
            let mut attributes = vec![("tenant_id", attribute.as_str())];
            if let Some(event_type) = &event_type {
                attributes.push(("event_type", event_type));
            }
            if let Ok(event) = admit(&own(), &message(&attributes, data)) {
                prop_assert_eq!(&attribute, "tenant-123");
                prop_assert_eq!(event.tenant_id, own());
                if let Some(claimed) = event_type {
                    prop_assert_eq!(claimed, event.event_type.as_str());
                }
            }
        }

        #[test]
        fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = admit(&own(), &message(&[("tenant_id", "tenant-123")], data));
        }
    }
}
