use serde_json::json;

use super::*;
use crate::{EventFactory, TenantId, schema};

fn tenant() -> TenantId {
    TenantId::parse("tenant-123").unwrap()
}

#[test]
fn every_type_of_the_catalogue_is_an_event_type() {
    let types = schema::event_types();
    assert_eq!(types.len(), 11);
    for event_type in types {
        assert_eq!(EventType::parse(&event_type).unwrap().as_str(), event_type);
    }
}

#[test]
fn what_is_not_set_is_left_out_and_unknown_fields_are_tolerated() {
    let payload = SystemError::new("search", "It broke");
    assert_eq!(
        payload.to_payload().text(),
        r#"{"version":"1.0","component":"search","error_message":"It broke"}"#
    );
    let full = payload.error_code("E7").severity(Severity::Critical);
    assert_eq!(
        full.to_payload().text(),
        r#"{"version":"1.0","component":"search","error_message":"It broke","error_code":"E7","severity":"critical"}"#
    );
    let later = json!({"version": "1.0", "component": "search", "error_message": "It broke", "host": "a"});
    let read: SystemError = serde_json::from_value(later).unwrap();
    assert_eq!(read, SystemError::new("search", "It broke"));
}

#[test]
fn a_list_is_taken_in_any_form() {
    let payload = DocumentUpdated::new("doc-456").changed_fields(["title", "type"]);
    assert_eq!(
        payload.to_payload().text(),
        r#"{"version":"1.0","document_id":"doc-456","changed_fields":["title","type"]}"#
    );
}

#[test]
fn an_event_is_read_as_what_it_is_only() {
    let factory = EventFactory::new("monitor");
    let event = factory.system_health_check(&tenant(), "search", Health::Degraded);
    let event = event.latency_ms(12).build();
    let read = SystemHealthCheck::of(&event).unwrap();
    assert_eq!((read.status, read.latency_ms), (Health::Degraded, Some(12)));
    assert!(matches!(
        SystemError::of(&event),
        Err(ReadError::EventType { .. })
    ));
    let of_fields = |fields: serde_json::Value| {
        let event_type = SystemHealthCheck::event_type();
        let fields = fields.as_object().unwrap().clone();
        SystemHealthCheck::of(&factory.create(&tenant(), event_type, fields)).unwrap_err()
    };
    assert!(matches!(
        of_fields(json!({"version": "2.0"})),
        ReadError::Version { .. }
    ));
    let error = of_fields(json!({"component": "s3cret", "status": "s3cret"}));
    assert!(matches!(error, ReadError::Fields { .. }));
    assert!(!error.to_string().contains("s3cret"));
}

#[test]
fn debug_does_not_show_the_payload() {
    let payload = UserRegistered::new("user-789").email("ada@example.com");
    assert_eq!(format!("{payload:?}"), "UserRegistered { .. }");
}
