//! `eventctl publish`

use serde_json::Value;

use crate::support::{backlog, emulator, publish};

const ONE: [&str; 4] = ["--tenant", "tenant-123", "--type", "document.ingested"];

fn one(more: &[&'static str]) -> Vec<&'static str> {
    ONE.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn an_event_goes_to_the_topic_that_carries_its_type() {
    let emulator = emulator().await;
    let data = r#"{"document_id": "doc-456", "large": 12345678901234567890123}"#;
    let (code, answer, _) = publish(&emulator, &one(&["--data", data, "-o", "json"]), "").await;
    assert_eq!(code, 0);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(
        answer["topic"]
            .as_str()
            .unwrap()
            .ends_with("/living-twin-document-events")
    );
    assert_eq!(backlog(&emulator, "document-events"), 1);
    let (code, ..) = publish(&emulator, &one(&["--topic", "events"]), "").await;
    assert_eq!((code, backlog(&emulator, "events")), (0, 1));
    let (code, ..) = publish(&emulator, &one(&["--data", "-"]), data).await;
    assert_eq!((code, backlog(&emulator, "document-events")), (0, 2));
}

#[tokio::test]
async fn what_is_wrong_exits_2_and_publishes_nothing() {
    let emulator = emulator().await;
    for (arguments, input, expected) in [
        (one(&["--data", "[]"]), "", "a JSON object is needed"),
        (
            one(&["--data", "{\"version\": true}"]),
            "",
            "a version that is a text or a number",
        ),
        (one(&["--data", "{"]), "", "a JSON object is needed"),
        (
            one(&["--data", "-"]),
            "nonsense",
            "--data: a JSON object is needed",
        ),
        (one(&["--data", "@/nonexistent"]), "", "cannot read /nonexistent"),
        (one(&["--count", "0"]), "", "--count"),
        (one(&["--timeout", "0"]), "", "--timeout"),
        (one(&["--file", "-"]), "", "cannot be used with"),
        (one(&["--topic", "a b"]), "", "is not a Pub/Sub id"),
        (vec!["--tenant", "tenant-123", "--type", "Nonsense"], "", "--type"),
        (vec!["--tenant", "a b", "--type", "a.b"], "", "--tenant"),
        (
            vec!["--tenant", "tenant-123", "--type", "order.placed"],
            "",
            "no topic of the catalogue carries order.placed",
        ),
        (vec!["--type", "a.b"], "", "--tenant"),
        (vec!["--file", "/nonexistent"], "", "cannot read /nonexistent"),
        (
            vec!["--file", "-"],
            "{\"event_type\": \"user.login\"}\n",
            "-, line 1: tenant_id: is required",
        ),
        (vec!["--file", "-"], "\n\n7\n", "-, line 3: a JSON object"),
        (
            vec!["--file", "-", "--catalogue", "/nonexistent"],
            "",
            "cannot read the catalogue /nonexistent",
        ),
    ] {
        let (code, _, complaint) = publish(&emulator, &arguments, input).await;
        assert_eq!(code, 2, "{arguments:?}: {complaint}");
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    }
    for key in ["events", "document-events", "user-events"] {
        assert_eq!(backlog(&emulator, key), 0, "{key}");
    }
}

#[tokio::test]
async fn a_stream_is_published_up_to_the_first_line_that_is_no_event() {
    let emulator = emulator().await;
    let event = |number: u32| {
        let tenant = number % 2;
        format!(
            "{{\"event_type\": \"user.login\", \"tenant_id\": \"tenant-{tenant}\", \"event_id\": \"e-{number}\"}}\n"
        )
    };
    let mut input: String = (0..2_500).map(event).collect();
    input.push_str(r#"{"specversion": "1.0", "id": "ce-1", "source": "/s", "type": "document.deleted", "time": "2026-01-02T03:04:05Z", "tenantid": "tenant-1", "data": {}}"#);
    let (code, answer, complaint) = publish(&emulator, &["--file", "-", "-o", "json"], &input).await;
    assert_eq!(code, 0, "{complaint}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (&answer["published"], &answer["failed"]),
        (&2_501.into(), &0.into())
    );
    assert_eq!(
        (
            backlog(&emulator, "user-events"),
            backlog(&emulator, "document-events")
        ),
        (2_500, 1)
    );

    input.push_str("\n{}\n{\"event_type\": \"user.login\", \"tenant_id\": \"t\"}\n");
    let (code, answer, complaint) = publish(&emulator, &["--file", "-"], &input).await;
    assert_eq!(code, 2);
    assert!(answer.starts_with("Published 2501 in "), "{answer}");
    assert!(
        complaint.contains("line 2502: event_type: is required"),
        "{complaint}"
    );
    assert_eq!(backlog(&emulator, "user-events"), 5_000);
}

#[tokio::test]
async fn a_count_of_events_is_published_for_load() {
    let emulator = emulator().await;
    let (code, answer, _) = publish(&emulator, &one(&["--count", "1200"]), "").await;
    assert_eq!(code, 0);
    assert!(answer.starts_with("Published 1200 in "), "{answer}");
    assert_eq!(backlog(&emulator, "document-events"), 1_200);
}

#[tokio::test]
async fn what_pubsub_does_not_take_exits_1() {
    let emulator = emulator().await;
    let (code, _, complaint) = publish(&emulator, &one(&["--topic", "not-there"]), "").await;
    assert_eq!(code, 1, "{complaint}");
    assert!(
        complaint
            .contains("did not take the event for topic projects/acme-events/topics/living-twin-not-there")
    );
    let (code, answer, complaint) =
        publish(&emulator, &one(&["--topic", "not-there", "--count", "15"]), "").await;
    assert_eq!(code, 1);
    assert!(answer.starts_with("Published 0, 15 not in "), "{answer}");
    assert_eq!(complaint.matches("is not published").count(), 10, "{complaint}");
    assert!(
        complaint.contains("15 of 15 events were not published"),
        "{complaint}"
    );
}
