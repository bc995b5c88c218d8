//! The real binary: signals, exit codes, and what its log says.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::support::{
    binary::{binary, end, terminate},
    cloud::{Cloud, event},
    service::{ANY, Service},
    until,
};
use axum::http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

#[tokio::test]
async fn sigterm_finishes_what_runs_and_gives_back_the_rest() {
    let cloud = Cloud::start().await;
    // What is given back comes again at once: it must not come to the stream that is closing.
    let plane = cloud.plane("drain", json!({"retryPolicy": null})).await;
    let service = Service::start(ANY, |_| (StatusCode::OK, Duration::from_secs(2))).await;
    let all = plane.publish(6, "tenant-123").await;
    let child = binary(&cloud, &plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", &service.url)
        .env("MAX_CONCURRENT_MESSAGES", "2")
        .env("SHUTDOWN_GRACE", "10s")
        .spawn()
        .unwrap();
    until("two running handlers", || async {
        (service.seen.lock().len() == 2).then_some(())
    })
    .await;
    let start = Instant::now();
    terminate(child.id().unwrap()).await;
    let (code, log) = end(child).await;
    assert_eq!(code, Some(0));
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    let running = service.seen.lock().clone();
    assert_eq!(running.len(), 2, "nothing new was started");
    for id in &running {
        let lines = log
            .iter()
            .filter(|line| line["event_id"] == id.as_str() && line["message"] == "Event processed.");
        assert_eq!(lines.count(), 1);
    }
    // The rest comes again long before its lease of a minute would end.
    let left = parking_lot::Mutex::new(Vec::new());
    until("the rest", || async {
        let taken = plane.left().await;
        left.lock().extend(taken);
        (left.lock().len() == 4).then_some(())
    })
    .await;
    assert!(start.elapsed() < Duration::from_secs(30));
    let mut ids = [running, left.into_inner()].concat();
    ids.sort();
    assert_eq!(ids, all);
}

#[tokio::test]
async fn a_stop_cuts_what_outlasts_the_grace() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("cut", json!({})).await;
    let service = Service::start(ANY, |_| (StatusCode::OK, Duration::from_mins(10))).await;
    plane.publish(1, "tenant-123").await;
    let child = binary(&cloud, &plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", &service.url)
        .env("HANDLER_TIMEOUT", "10m")
        .env("SHUTDOWN_GRACE", "2s")
        .spawn()
        .unwrap();
    until("a running handler", || async {
        (service.seen.lock().len() == 1).then_some(())
    })
    .await;
    let start = Instant::now();
    terminate(child.id().unwrap()).await;
    assert_eq!(end(child).await.0, Some(0));
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    until("the event", || async {
        Some(plane.left().await).filter(|left| left.len() == 1)
    })
    .await;
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_job_ends_when_there_is_nothing_to_do() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("job", json!({})).await;
    let own = plane.publish(3, "tenant-123").await;
    let foreign = plane.publish(1, "tenant-456").await;
    let child = binary(&cloud, &plane)
        .env("EXIT_WHEN_IDLE", "3s")
        .spawn()
        .unwrap();
    let (code, log) = end(child).await;
    assert_eq!(code, Some(0));
    for id in &own {
        let mut lines = log.iter().filter(|line| line["event_id"] == id.as_str());
        let line = lines.next().unwrap();
        assert_eq!(line["message"], "Event processed.");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["event_type"], "document.ingested");
        assert_eq!(line["outcome"], "success");
        assert_eq!(line["tenant"], "tenant-123");
        assert_eq!(lines.next(), None);
    }
    let refused = log.iter().find(|line| line["event_id"] == foreign[0].as_str());
    let refused = refused.unwrap();
    assert_eq!(refused["message"], "Refused a message of another tenant.");
    assert_eq!(refused["level"], "WARN");
    assert_eq!(refused["tenant"], "tenant-123");
}

#[tokio::test]
async fn no_log_holds_a_payload_an_attribute_or_a_credential() {
    const CANARY: &str = "canary-7f3a";
    let cloud = Cloud::start().await;
    let plane = cloud.plane("secrecy", json!({})).await;
    let statuses = [
        StatusCode::OK,
        StatusCode::UNPROCESSABLE_ENTITY,
        StatusCode::FOUND,
    ];
    let calls = AtomicUsize::new(0);
    let service = Service::start(ANY, move |_| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        (statuses[call % statuses.len()], Duration::ZERO)
    })
    .await;
    for _ in 0..3 {
        let mut event = event("tenant-123");
        event.data = json!({"note": CANARY}).as_object().cloned().unwrap().into();
        event.user_id = Some(CANARY.to_owned());
        plane.publish_one(&event, None).await;
    }
    let own = HashMap::from([("tenant_id", "tenant-123"), ("note", CANARY)]);
    plane
        .publish_raw(format!("{{\"event_id\": \"{CANARY} \"}}"), &own)
        .await;
    let foreign = HashMap::from([("tenant_id", CANARY), ("event_type", CANARY)]);
    plane.publish_raw(format!("\"{CANARY}\""), &foreign).await;
    let url = format!("http://user:{CANARY}@{}/?key={CANARY}", service.address);
    let child = binary(&cloud, &plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", url)
        .env("LOG_LEVEL", "TRACE")
        .env("EXIT_WHEN_IDLE", "3s")
        .spawn()
        .unwrap();
    let (code, log) = end(child).await;
    assert_eq!(code, Some(0));
    for outcome in [
        "success",
        "permanent",
        "retryable",
        "undecodable",
        "tenant_mismatch",
    ] {
        assert!(log.iter().any(|line| line["outcome"] == outcome), "{outcome}");
    }
    for line in log {
        assert!(!line.to_string().contains(CANARY), "{line}");
    }
}

#[tokio::test]
async fn a_wrong_setting_is_one_line_and_exit_2() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("wrong", json!({})).await;
    for (variable, value) in [
        ("MAX_CONCURRENT_MESSAGES", "many"),
        ("TENANT_ID", "a b"),
        ("SUBSCRIPTIONS_FILE", "/there/beside"),
        ("IDEMPOTENCY_URL", "http://redis:6379"),
    ] {
        let output = binary(&cloud, &plane)
            .env(variable, value)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{variable}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(variable), "{text}");
    }
}
