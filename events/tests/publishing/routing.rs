//! Which topic an event goes to, with what beside it, and what is refused before any call.

use events::{
    DomainEvent, EventType, PublishError, PublishOptions, TraceContext, cloudevents,
    payloads::Health,
    publisher::{Form, MAX_MESSAGE_BYTES, TooLarge},
};
use prometheus::{Encoder as _, Registry, TextEncoder};
use serde_json::{Map, json};

use crate::support::{Plane, document, factory, publisher, tenant};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn exposed(registry: &Registry) -> String {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn custom(event_type: &str, fields: Map<String, serde_json::Value>) -> DomainEvent {
    let event_type = EventType::parse(event_type).unwrap();
    factory().create(&tenant(), event_type, fields)
}

#[tokio::test]
async fn every_event_goes_to_the_topic_of_its_type_with_all_attributes() {
    let plane = Plane::start().await;
    let publisher = plane.publisher(publisher()).await;
    let (events, tenant) = (factory(), tenant());
    let all = [
        ("document-events", document("doc-1")),
        ("query-events", events.query_failed(&tenant, "q-1", "E7").build()),
        ("user-events", events.user_login(&tenant, "user-789").build()),
        (
            "system-events",
            events
                .system_health_check(&tenant, "search", Health::Healthy)
                .build(),
        ),
        (
            "events",
            events.organization_created(&tenant, "org-1", "Acme").build(),
        ),
    ];
    for (key, event) in &all {
        publisher.publish(event).await.unwrap();
        let received = plane.receive(key, 1).await;
        assert_eq!(DomainEvent::decode(received[0].data.as_bytes()).unwrap(), *event);
        let expected = event
            .attributes()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        assert_eq!(received[0].attributes, expected.collect());
    }
}

#[tokio::test]
async fn a_type_that_no_topic_carries_is_named_with_the_topics() {
    let plane = Plane::start().await;
    let registry = Registry::new();
    let publisher = plane.publisher(publisher().metrics(&registry)).await;
    let error = publisher
        .publish(&custom("invoice.paid", Map::new()))
        .await
        .unwrap_err();
    assert!(matches!(&error, PublishError::NoTopic { event_type, topics }
        if event_type.as_str() == "invoice.paid" && topics.len() == 5));
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(
        text.contains("invoice.paid") && text.contains("document-events, events, query-events"),
        "{text}"
    );
    assert_eq!(plane.publish_calls(), 0);
    assert!(
        exposed(&registry)
            .contains(r#"events_published_total{event_type="*",outcome="refused",tenant="tenant-123"} 1"#)
    );
}

#[tokio::test]
async fn what_pubsub_would_refuse_for_its_size_is_refused_before_any_call() {
    let plane = Plane::start().await;
    let publisher = plane.publisher(publisher()).await;
    let title = "x".repeat(MAX_MESSAGE_BYTES);
    let large = factory()
        .document_ingested(&tenant(), "doc-1", title, "pdf")
        .build();
    let error = publisher.publish(&large).await.unwrap_err();
    assert!(
        matches!(error, PublishError::TooLarge(TooLarge::Message { bytes, limit: MAX_MESSAGE_BYTES })
        if bytes > MAX_MESSAGE_BYTES)
    );
    assert!(!error.is_retryable());

    let version = custom(
        "document.ingested",
        Map::from_iter([("version".to_owned(), json!("9".repeat(1_025)))]),
    );
    let error = publisher.publish(&version).await.unwrap_err();
    assert!(
        matches!(error, PublishError::TooLarge(TooLarge::Attribute { name, bytes: 1_025, .. }) if name == "version")
    );

    let options = PublishOptions::ordered("k".repeat(1_025));
    let error = publisher
        .publish_with(&document("doc-1"), &options)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        PublishError::TooLarge(TooLarge::OrderingKey { .. })
    ));
    assert_eq!(plane.publish_calls(), 0);

    // Nearly the largest is taken, by the emulator's own count, with small ones around it.
    let title = "x".repeat(MAX_MESSAGE_BYTES - 2_000);
    let large = factory()
        .document_ingested(&tenant(), "doc-2", title, "pdf")
        .build();
    let small = document("doc-3");
    let results = publisher
        .publish_all([&small, &large, &small], &PublishOptions::default())
        .await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test]
async fn a_trace_context_goes_along() {
    let plane = Plane::start().await;
    let current = || TraceContext::parse(PARENT, Some("vendor=1")).ok();
    let publisher = plane.publisher(publisher().trace_context(current)).await;
    publisher.publish(&document("doc-1")).await.unwrap();
    let own = TraceContext::parse("00-11111111111111111111111111111111-2222222222222222-00", None).unwrap();
    let options = PublishOptions::default().traced(&own);
    publisher
        .publish_with(&document("doc-1"), &options)
        .await
        .unwrap();
    let received = plane.receive("document-events", 2).await;
    let mut parents: Vec<_> = received
        .iter()
        .map(|message| {
            (
                message.attributes["traceparent"].as_str(),
                message.attributes.get("tracestate").map(String::as_str),
            )
        })
        .collect();
    parents.sort_unstable();
    assert_eq!(parents, [(PARENT, Some("vendor=1")), (own.traceparent(), None)]);
}

#[tokio::test]
async fn events_may_travel_as_cloudevents() {
    let plane = Plane::start().await;
    for form in [Form::CloudEventsBinary, Form::CloudEventsStructured] {
        let publisher = plane.publisher(publisher().form(form)).await;
        let event = document("doc-1");
        publisher.publish(&event).await.unwrap();
        let received = plane.receive("document-events", 1).await.remove(0);
        assert_eq!(received.attributes["tenant_id"], "tenant-123");
        assert_eq!(received.attributes["event_type"], "document.ingested");
        let message = cloudevents::Message {
            attributes: received.attributes,
            data: received.data.into(),
        };
        assert_eq!(cloudevents::from_message(&message).unwrap(), event);
    }
}

#[tokio::test]
async fn tenants_are_counted_up_to_a_bound() {
    let plane = Plane::start().await;
    let registry = Registry::new();
    let builder = publisher().metrics(&registry).max_tenants_in_metrics(2);
    let publisher = plane.publisher(builder).await;
    for tenant in ["a", "b", "c", "d", "a"] {
        let tenant = tenant.parse().unwrap();
        let event = factory().document_deleted(&tenant, "doc-1").build();
        publisher.publish(&event).await.unwrap();
    }
    let text = exposed(&registry);
    for (tenant, count) in [("a", 2), ("b", 1), ("*", 2)] {
        let line = format!(
            r#"events_published_total{{event_type="document.deleted",outcome="published",tenant="{tenant}"}} {count}"#
        );
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(!text.contains(r#"tenant="c""#));
    assert!(
        text.contains(r#"events_publish_seconds_count{event_type="document.deleted"} 5"#),
        "{text}"
    );

    let second = crate::support::publisher().metrics(&registry);
    let error = second.build(&plane.connection()).await.unwrap_err();
    assert!(matches!(error, PublishError::Metrics(_)));
}
