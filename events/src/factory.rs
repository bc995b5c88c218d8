//! Making a new event with everything it must carry.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{DomainEvent, EventType, TenantId, event::Id, payload::DEFAULT_VERSION};

/// Makes events for one source, so that its name is said once.
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

    /// A new event that happened now, with a fresh id; a payload without a version gets [`DEFAULT_VERSION`].
    #[must_use]
    pub fn create(
        &self,
        tenant: &TenantId,
        event_type: EventType,
        mut data: Map<String, Value>,
    ) -> DomainEvent {
        data.entry("version")
            .or_insert_with(|| Value::from(DEFAULT_VERSION));
        let event_id = Id::random();
        let mut event = DomainEvent {
            correlation_id: Some(event_id.clone()),
            event_id: event_id.clone(),
            event_type,
            tenant_id: tenant.clone(),
            occurred_at: Timestamp::now(),
            user_id: None,
            causation_id: None,
            own_idempotency_key: None,
            source: self.source.clone(),
            data: data.into(),
            foreign: None,
        };
        // On the wire the key is always said, so that consumers in other languages need no rule.
        event.set_id(event_id);
        event
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
