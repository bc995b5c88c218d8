//! The `http` handler against a real service on the loopback.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use event_worker::{
    Event, Handler, Outcome, Unavailable,
    handle::Context,
    handlers::http::{HttpHandler, HttpSettings},
};
use events::{DomainEvent, EventFactory, EventType, TenantId};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn note(State(seen): State<Seen>, headers: HeaderMap, body: Bytes) -> StatusCode {
    seen.lock().push((headers, body));
    StatusCode::NO_CONTENT
}

async fn busy() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "17")]).into_response()
}

async fn service(seen: Seen) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .route("/note", post(note))
        .route("/busy", post(busy))
        .route("/broken", post(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/never", post(|| async { StatusCode::UNPROCESSABLE_ENTITY }))
        .route("/moved", post(|| async { Redirect::to("/note") }))
        .route("/hangs", post(std::future::pending::<StatusCode>))
        .with_state(seen);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

fn event() -> Event {
    let tenant = TenantId::parse("tenant-123").unwrap();
    let event_type = EventType::parse("document.ingested").unwrap();
    let data = serde_json::json!({"document_id": "doc-456"});
    let data = data.as_object().cloned().unwrap();
    Event::new(
        EventFactory::new("ingest").create(&tenant, event_type, data),
        context(),
    )
}

fn context() -> Context {
    Context {
        message_id: "1".to_owned(),
        bytes: 100,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        tracestate: None,
        delivery_attempt: Some(2),
        published_at: None,
        subscription: "projects/acme-events/subscriptions/sub-1".parse().unwrap(),
    }
}

async fn ask(url: &str) -> Outcome {
    let handler = HttpHandler::new(HttpSettings::new(
        url.parse().unwrap(),
        Duration::from_millis(500),
    ))
    .unwrap();
    handler.handle(&event()).await
}

#[tokio::test]
async fn posts_a_cloud_event() {
    let seen = Seen::default();
    let base = service(Arc::clone(&seen)).await;
    assert_eq!(ask(&format!("{base}/note")).await, Outcome::Success);
    let (headers, body) = seen.lock().pop().unwrap();
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-type", "document.ingested"),
        ("ce-source", "ingest"),
        ("ce-tenantid", "tenant-123"),
        ("content-type", "application/json"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ] {
        assert_eq!(headers[name], value, "{name}");
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
    let id = headers["ce-id"].to_str().unwrap();
    assert_eq!(headers["ce-correlationid"], id);
    assert_eq!(
        headers["ce-idempotencykey"],
        format!("document.ingested:tenant-123:{id}")
    );
    assert!(headers["ce-time"].to_str().unwrap().ends_with('Z'));
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"document_id": "doc-456", "version": "1.0"})
    );
}

/// A payload whose numbers no double holds, and whose fields are in no order.
const PRECISE: &str = r#"{"version": "2.0", "total": 123456789012345678901234567890.10, "a": 0.1000000000000000055511151231257827}"#;

#[tokio::test]
async fn a_payload_is_passed_on_letter_by_letter() {
    let seen = Seen::default();
    let base = service(Arc::clone(&seen)).await;
    let envelope = serde_json::to_string(&*event()).unwrap();
    let (head, _) = envelope.split_once("\"data\":").unwrap();
    let precise = DomainEvent::decode(format!("{head}\"data\":{PRECISE}}}").as_bytes()).unwrap();
    let url = format!("{base}/note").parse().unwrap();
    let handler = HttpHandler::new(HttpSettings::new(url, Duration::from_secs(5))).unwrap();
    assert_eq!(
        handler.handle(&Event::new(precise, context())).await,
        Outcome::Success
    );
    let (headers, body) = seen.lock().pop().unwrap();
    assert_eq!(
        (&body[..], &headers["ce-dataversion"]),
        (PRECISE.as_bytes(), &"2.0".parse().unwrap())
    );
}

#[tokio::test]
async fn reads_answers_as_verdicts() {
    let seen = Seen::default();
    let base = service(Arc::clone(&seen)).await;
    assert!(matches!(
        ask(&format!("{base}/never")).await,
        Outcome::Permanent { .. }
    ));
    assert!(matches!(
        ask(&format!("{base}/moved")).await,
        Outcome::Retryable { .. }
    ));
    assert!(seen.lock().is_empty(), "a redirect was followed");
    for path in ["broken", "hangs", "no-such-path"] {
        let outcome = ask(&format!("{base}/{path}")).await;
        assert!(
            matches!(outcome, Outcome::Unavailable { .. }),
            "{path}: {outcome:?}"
        );
    }
    let Outcome::Unavailable(busy) = ask(&format!("{base}/busy")).await else {
        panic!("503 is no verdict");
    };
    let asked = Unavailable::new("the handler answered 503 Service Unavailable")
        .kind("503")
        .after(Duration::from_secs(17));
    assert_eq!(busy, asked);
}

/// As behind a Service without endpoints, or on a machine that hangs: packets go, and none comes.
#[tokio::test]
async fn a_service_that_takes_no_connection_is_no_verdict_however_short_the_timeout() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Nobody accepts, so the kernel soon takes no more.
    while let Ok(taken) = tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await
    {
        waiting.push(taken.unwrap());
    }
    let outcome = ask(&format!("http://{address}/")).await;
    assert!(matches!(outcome, Outcome::Unavailable { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_no_verdict() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(ask(&url).await, Outcome::Unavailable { .. }));
}
