//! Making a new event with everything it must carry.

use serde_json::{Map, Value};

use crate::{DomainEvent, EventBuilder, EventType, Payload, TenantId, payloads::EventPayload};

/// Makes events for one source, so that its name is said once. There is a constructor for each event type of the catalogue,
/// which takes the tenant and the payload's required fields; the builder takes all that is optional.
///
/// ```
/// use events::{EventFactory, TenantId};
///
/// let events = EventFactory::new("ingest");
/// let tenant = TenantId::parse("tenant-123")?;
/// let ingested = events
///     .document_ingested(&tenant, "doc-456", "Important Document", "pdf")
///     .size_bytes(4_096)
///     .user("user-789")
///     .build();
/// let updated = events.document_updated(&tenant, "doc-456").caused_by(&ingested).build();
/// assert_eq!(updated.correlation_id, ingested.correlation_id);
/// # Ok::<(), events::tenant_id::InvalidTenantId>(())
/// ```
///
/// There is no event without a tenant. This does not compile, because an argument is missing:
///
/// ```compile_fail,E0061
/// let events = events::EventFactory::new("ingest");
/// let ingested = events.document_ingested("doc-456", "Important Document", "pdf");
/// ```
///
/// nor does this, because any text is not a tenant's id:
///
/// ```compile_fail,E0308
/// let events = events::EventFactory::new("ingest");
/// let deleted = events.document_deleted("tenant-123", "doc-456");
/// ```
#[derive(Debug, Clone)]
pub struct EventFactory {
    source: String,
}

impl EventFactory {
    /// A factory for the events of the service `source`.
    #[must_use]
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
        }
    }

    /// An event of a tenant that says `payload`; its type is the payload's.
    pub fn event<P: EventPayload>(&self, tenant: &TenantId, payload: P) -> EventBuilder<P> {
        EventBuilder::new(&self.source, tenant, P::event_type(), payload)
    }

    /// An event of a type without a payload of its own in [`crate::payloads`]; fields without a version get
    /// [`DEFAULT_VERSION`](crate::payload::DEFAULT_VERSION).
    pub fn custom(
        &self,
        tenant: &TenantId,
        event_type: EventType,
        fields: Map<String, Value>,
    ) -> EventBuilder<Map<String, Value>> {
        EventBuilder::new(&self.source, tenant, event_type, fields)
    }

    /// An event of any type with a payload as it was written: numbers keep all their digits, and fields their order.
    pub fn written(
        &self,
        tenant: &TenantId,
        event_type: EventType,
        payload: Payload,
    ) -> EventBuilder<Payload> {
        EventBuilder::new(&self.source, tenant, event_type, payload)
    }

    /// A custom event that happened now, with a fresh id: [`EventFactory::custom`] with every default.
    #[must_use]
    pub fn create(&self, tenant: &TenantId, event_type: EventType, data: Map<String, Value>) -> DomainEvent {
        self.custom(tenant, event_type, data).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_events_are_never_the_same() {
        let factory = EventFactory::new("ingest");
        let tenant = TenantId::parse("tenant-123").unwrap();
        let event_type = EventType::parse("document.ingested").unwrap();
        let [a, b] = [(), ()].map(|()| factory.create(&tenant, event_type.clone(), Map::new()));
        assert_ne!(a.idempotency_key(), b.idempotency_key());
        assert_eq!(
            a.idempotency_key(),
            format!("document.ingested:tenant-123:{}", a.event_id)
        );
        assert_eq!(a.data.version(), "1.0");
        assert_eq!(a.correlation_id(), &a.event_id);
    }
}
