use super::*;
use crate::schema;

const OPERATOR: &str = include_str!("../../../config/operator.yaml");

fn project() -> ProjectId {
    ProjectId::parse("acme-events").unwrap()
}

fn of(text: &str) -> Result<Catalogue, CatalogueError> {
    Catalogue::from_yaml(text, None)
}

fn topic(catalogue: &Catalogue, event_type: &str) -> Option<String> {
    let event_type = EventType::parse(event_type).unwrap();
    catalogue.route(&event_type).map(|route| route.topic.to_string())
}

#[test]
fn the_operators_file_has_a_topic_for_every_payload() {
    let catalogue = Catalogue::from_yaml(OPERATOR, Some(&project())).unwrap();
    let topic = |event_type: &str| topic(&catalogue, event_type).unwrap();
    for event_type in schema::event_types() {
        assert!(topic(&event_type).starts_with("projects/acme-events/topics/living-twin-"));
    }
    assert_eq!(
        topic("document.deleted"),
        "projects/acme-events/topics/living-twin-document-events"
    );
    assert_eq!(
        topic("organization.updated"),
        "projects/acme-events/topics/living-twin-events"
    );
    assert_eq!(catalogue.topics().count(), 5);
}

#[test]
fn the_narrowest_entry_counts() {
    let catalogue = of(
        "{projectId: acme-events, topicPrefix: '', catalogue: {aaa: {eventTypes: [a.*]}, bbb: {eventTypes: [a.b.*]}, ccc: {eventTypes: [a.b.c]}}}",
    )
    .unwrap();
    for (event_type, id) in [("a.x", "aaa"), ("a.b.x", "bbb"), ("a.b.c", "ccc")] {
        let expected = format!("projects/acme-events/topics/{id}");
        assert_eq!(topic(&catalogue, event_type), Some(expected), "{event_type}");
    }
    assert_eq!(topic(&catalogue, "b.x"), None);
    let narrow = EventType::parse("a.b.x").unwrap();
    assert_eq!(catalogue.route(&narrow).unwrap().pattern.to_string(), "a.b.*");
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("[]", "the catalogue needs projectId, and catalogue"),
        (
            "catalogue: {events: {}}",
            "projectId: name the Google Cloud project",
        ),
        (
            "{projectId: '', catalogue: {events: {}}}",
            "projectId: name the Google Cloud project",
        ),
        (
            "{projectId: A, catalogue: {events: {}}}",
            "projectId: \"A\" is not a project id",
        ),
        (
            "{projectId: acme-events, catalogue: {}}",
            "catalogue: name at least one topic",
        ),
        (
            "{projectId: acme-events, catalogue: {'e/': {}}}",
            "catalogue.e/: \"living-twin-e/\" is not a Pub/Sub id",
        ),
        (
            "{projectId: acme-events, catalogue: {events: {eventTypes: [X]}}}",
            "catalogue.events.eventTypes: \"X\" is not an event type",
        ),
        (
            "{projectId: acme-events, catalogue: {a: {eventTypes: [a.b]}, b: {eventTypes: [a.b]}}}",
            "catalogue.b.eventTypes: a.b is carried by the topic a already",
        ),
    ] {
        let error = of(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let missing = Catalogue::from_file("/does/not/exist", None).unwrap_err();
    assert!(missing.to_string().contains("/does/not/exist"));
}
