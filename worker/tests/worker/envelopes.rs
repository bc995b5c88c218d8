//! Messages in other envelopes than ours, through the real binary to a service: CloudEvents in both modes, a notification of
//! Cloud Storage, and bytes.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    binary::{binary, end},
    cloud::{Cloud, Plane},
};

/// What a service was given.
#[derive(Clone, Default)]
struct Given(Arc<Mutex<Vec<(HeaderMap, Bytes)>>>);

async fn take(State(given): State<Given>, headers: HeaderMap, body: Bytes) -> StatusCode {
    given.0.lock().push((headers, body));
    StatusCode::OK
}

impl Given {
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let app = Router::new().route("/", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    /// The request whose header has this value: these headers of it, empty where there is none, and its body.
    fn of(&self, (name, value): (&str, &str), headers: &[&str]) -> (Vec<String>, Bytes) {
        let given = self.0.lock();
        let found = given.iter().find(|(headers, _)| {
            let found = headers.get(name);
            found.is_some_and(|found| found == value)
        });
        let (found, body) = found.unwrap_or_else(|| panic!("no request with {name}: {value}"));
        let text = |name: &&str| {
            found
                .get(*name)
                .map_or("", |value| value.to_str().unwrap())
                .to_owned()
        };
        (headers.iter().map(text).collect(), body.clone())
    }
}

/// Lets a worker handle what was published, and returns its audit lines.
async fn handle(cloud: &Cloud, plane: &Plane<'_>, given: &Given, settings: &[(&str, &str)]) -> Vec<Value> {
    let worker = binary(cloud, plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", given.serve().await)
        .env("EXIT_WHEN_IDLE", "1s")
        .envs(settings.iter().copied())
        .spawn()
        .unwrap();
    let (code, log) = end(worker).await;
    assert_eq!(code, Some(0));
    log.into_iter()
        .filter(|line| line.get("audit").is_some())
        .collect()
}

fn outcomes(log: &[Value], outcome: &str) -> usize {
    log.iter().filter(|line| line["outcome"] == outcome).count()
}

const TENANT: (&str, &str) = ("tenant_id", "tenant-123");

#[tokio::test]
async fn cloud_events_are_handled_in_both_modes() {
    let cloud = Cloud::start().await;
    let plane = cloud
        .plane("cloudevents", json!({"maxDeliveryAttempts": 5}))
        .await;
    let binary = HashMap::from([
        TENANT,
        ("ce-specversion", "1.0"),
        ("ce-id", "binary-1"),
        ("ce-type", "com.example.someEvent"),
        ("ce-source", "/mycontext"),
        ("ce-time", "2020-03-10T03:56:24Z"),
        ("ce-subject", "larger context"),
        ("ce-comexampleextension1", "value"),
        (
            "ce-traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("content-type", "application/xml"),
    ]);
    // Published twice by one publisher: handled once. The same id of another source is another event.
    for _ in 0..2 {
        plane.publish_bytes(b"<order/>".to_vec(), &binary).await;
    }
    let mut other = binary.clone();
    other.insert("ce-source", "/other");
    plane.publish_bytes(b"<order/>".to_vec(), &other).await;
    let structured = json!({
        "specversion": "1.0", "id": "structured-1", "type": "com.example.someEvent", "source": "/structured",
        "sampledrate": 30, "tenantid": "tenant-123", "data": {"total": 1.50},
    });
    let in_json = HashMap::from([
        TENANT,
        ("content-type", "application/cloudevents+json; charset=utf-8"),
    ]);
    plane
        .publish_bytes(structured.to_string().into_bytes(), &in_json)
        .await;
    // What names another tenant, and what is no CloudEvent.
    let theirs = structured.to_string().replace("tenant-123", "tenant-456");
    plane.publish_bytes(theirs.into_bytes(), &in_json).await;
    plane
        .publish_bytes(b"{}".to_vec(), &HashMap::from([TENANT]))
        .await;

    let given = Given::default();
    let log = handle(&cloud, &plane, &given, &[("ENVELOPE", "cloudevents")]).await;
    assert_eq!((outcomes(&log, "success"), outcomes(&log, "duplicate")), (3, 1));
    assert!(outcomes(&log, "tenant_mismatch") > 0 && outcomes(&log, "undecodable") > 0);
    assert_eq!(given.0.lock().len(), 3);
    let names = [
        "ce-type",
        "ce-source",
        "ce-time",
        "ce-subject",
        "ce-comexampleextension1",
        "ce-tenantid",
        "content-type",
        "traceparent",
        "ce-traceparent",
    ];
    let (headers, body) = given.of(("ce-source", "/mycontext"), &names);
    let expected = [
        "com.example.someEvent",
        "/mycontext",
        "2020-03-10T03:56:24Z",
        "larger%20context",
        "value",
        "tenant-123",
        "application/xml",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "",
    ];
    assert_eq!(
        (headers, &body[..]),
        (expected.map(ToOwned::to_owned).to_vec(), &b"<order/>"[..])
    );
    let (headers, body) = given.of(("ce-id", "structured-1"), &["ce-sampledrate", "content-type"]);
    assert_eq!(
        (headers, &body[..]),
        (
            vec!["30".to_owned(), "application/json".to_owned()],
            &br#"{"total":1.5}"#[..]
        )
    );
}

#[tokio::test]
async fn a_notification_of_cloud_storage_and_bytes_are_handled_as_they_are() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("raw", json!({})).await;
    let object = r#"{"kind": "storage#object", "name": "a/b.pdf", "bucket": "scans", "metageneration": "1"}"#;
    let notification = HashMap::from([
        TENANT,
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
    ]);
    let message = plane
        .publish_bytes(object.as_bytes().to_vec(), &notification)
        .await;
    let mut nothing = notification.clone();
    nothing.insert("payloadFormat", "NONE");
    nothing.insert("eventType", "OBJECT_DELETE");
    plane.publish_bytes(Vec::new(), &nothing).await;
    plane
        .publish_bytes(vec![0, 159, 255], &HashMap::from([TENANT]))
        .await;
    plane
        .publish_bytes(vec![1], &HashMap::from([("tenant_id", "tenant-456")]))
        .await;

    let given = Given::default();
    let log = handle(&cloud, &plane, &given, &[("ENVELOPE", "raw")]).await;
    assert_eq!(outcomes(&log, "success"), 3);
    assert!(outcomes(&log, "tenant_mismatch") > 0);
    assert_eq!(given.0.lock().len(), 3);
    let names = [
        "ce-id",
        "ce-time",
        "ce-bucketid",
        "ce-objectid",
        "content-type",
        "ce-tenantid",
        "ce-source",
    ];
    let (headers, body) = given.of(("ce-type", "OBJECT_FINALIZE"), &names);
    let source = format!(
        "//pubsub.googleapis.com/projects/acme-events/subscriptions/{}",
        plane.subscription()
    );
    let expected = [
        message.as_str(),
        "2026-01-01T00:00:00.123456Z",
        "scans",
        "a/b.pdf",
        "application/json",
        "tenant-123",
        &source,
    ];
    assert_eq!(
        (headers, &body[..]),
        (expected.map(ToOwned::to_owned).to_vec(), object.as_bytes())
    );
    let (headers, body) = given.of(("ce-type", "OBJECT_DELETE"), &["content-type"]);
    assert_eq!((headers, body.len()), (vec![String::new()], 0));
    let (headers, body) = given.of(("ce-type", "raw.message"), &["content-type"]);
    assert_eq!(
        (headers, &body[..]),
        (vec!["application/octet-stream".to_owned()], &[0, 159, 255][..])
    );
}

#[tokio::test]
async fn a_batch_has_foreign_data_in_the_json_of_cloudevents() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("rawbatch", json!({})).await;
    let with = |event_type| HashMap::from([TENANT, ("event_type", event_type), ("orderId", "7")]);
    plane
        .publish_bytes(b"{\"n\": 1.0}".to_vec(), &with("object"))
        .await;
    plane.publish_bytes(b"[1]".to_vec(), &with("set")).await;
    plane.publish_bytes(Vec::new(), &with("nothing")).await;
    let given = Given::default();
    let settings = [("ENVELOPE", "raw"), ("BATCH_SIZE", "3"), ("BATCH_WAIT", "500ms")];
    let log = handle(&cloud, &plane, &given, &settings).await;
    assert_eq!(outcomes(&log, "success"), 3);
    let bodies: Vec<Value> = given
        .0
        .lock()
        .iter()
        .flat_map(|(_, body)| serde_json::from_slice::<Vec<Value>>(body).unwrap())
        .collect();
    let of = |event_type: &str| bodies.iter().find(|event| event["type"] == event_type).unwrap();
    let [object, set, nothing] = ["object", "set", "nothing"].map(of);
    assert_eq!(
        (&object["data"], &object["orderid"]),
        (&json!({"n": 1.0}), &json!("7"))
    );
    assert_eq!(object["datacontenttype"], "application/json");
    assert_eq!((&set["data_base64"], set.get("data")), (&json!("WzFd"), None));
    for absent in ["data", "data_base64", "datacontenttype"] {
        assert_eq!(nothing.get(absent), None, "{absent}");
    }
}
