use serde_json::json;

use super::*;
use crate::{
    EventFactory,
    payloads::{DocumentIngested, UserLogin},
};

fn tenant() -> TenantId {
    TenantId::parse("tenant-123").unwrap()
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn factory() -> EventFactory {
    EventFactory::new("ingest")
}

#[test]
fn an_event_has_everything_without_being_asked() {
    let before = Timestamp::now();
    let event = factory()
        .document_ingested(&tenant(), "doc-456", "Important Document", "pdf")
        .build();
    assert!((before..=Timestamp::now()).contains(&event.occurred_at));
    assert_eq!(event.event_type.as_str(), "document.ingested");
    assert_eq!(event.tenant_id, tenant());
    assert_eq!(event.source, "ingest");
    assert_eq!(event.correlation_id.as_ref(), Some(&event.event_id));
    let key = format!("document.ingested:tenant-123:{}", event.event_id);
    assert_eq!(event.own_idempotency_key, Some(id(&key)));
    assert_eq!((event.user_id, event.causation_id), (None, None));
}

#[test]
fn an_event_carries_what_is_said() {
    let time: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let event = factory()
        .document_ingested(&tenant(), "doc-456", "Important Document", "pdf")
        .size_bytes(7)
        .user("user-789")
        .correlation(id("req-9"))
        .causation(id("evt-0"))
        .occurred_at(time)
        .event_id(id("evt-1"))
        .idempotency_key(id("upload-4711"))
        .build();
    assert_eq!(event.event_id, id("evt-1"));
    assert_eq!(event.occurred_at, time);
    assert_eq!(event.user_id.as_deref(), Some("user-789"));
    assert_eq!(event.correlation_id, Some(id("req-9")));
    assert_eq!(event.causation_id, Some(id("evt-0")));
    assert_eq!(event.idempotency_key(), "upload-4711");
    assert_eq!(DocumentIngested::of(&event).unwrap().size_bytes, Some(7));
}

#[test]
fn a_cause_is_named_and_its_correlation_goes_on() {
    let first = factory()
        .document_ingested(&tenant(), "doc-456", "Important Document", "pdf")
        .correlation(id("req-9"))
        .build();
    let second = factory()
        .document_updated(&tenant(), "doc-456")
        .caused_by(&first)
        .build();
    let third = factory()
        .document_deleted(&tenant(), "doc-456")
        .caused_by(&second)
        .build();
    assert_eq!(second.causation_id, Some(first.event_id));
    assert_eq!(third.causation_id, Some(second.event_id));
    assert_eq!(third.correlation_id, Some(id("req-9")));
}

#[test]
fn a_user_event_is_about_its_user_unless_another_is_named() {
    let login = factory().user_login(&tenant(), "user-789");
    assert_eq!(login.clone().build().user_id.as_deref(), Some("user-789"));
    let by_admin = login.user("admin-1").build();
    assert_eq!(by_admin.user_id.as_deref(), Some("admin-1"));
    assert_eq!(UserLogin::of(&by_admin).unwrap().user_id, "user-789");
}

#[test]
fn a_custom_event_has_any_fields_and_a_version() {
    let fields = Map::from_iter([("amount".to_owned(), json!(12))]);
    let event_type = EventType::parse("invoice.paid").unwrap();
    let event = factory().custom(&tenant(), event_type, fields);
    assert_eq!(event.clone().build().data.version(), "1.0");
    let event = event.version("2.0").build();
    assert_eq!(event.data.version(), "2.0");
    assert_eq!(event.data.fields()["amount"], json!(12));
}

#[test]
fn a_payload_is_passed_on_letter_by_letter() {
    let text = r#"{"amount": 123456789012345678901234567890.10, "version":"3.0"}"#;
    let payload: Payload = serde_json::from_str(text).unwrap();
    let event_type = EventType::parse("invoice.paid").unwrap();
    let event = factory().written(&tenant(), event_type, payload).build();
    assert_eq!(event.data.text(), text);
    assert!(String::from_utf8(event.encode().unwrap()).unwrap().contains(text));
}
