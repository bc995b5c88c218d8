//! The `http` handler with many events at a time, and a service that wants to know who is asking.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{Running, cloud::Cloud, settings, tls::Authority};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use event_worker::{
    BatchHandler, BatchSettings, Event, Handler, Outcome, Worker,
    handle::Context,
    handlers::{
        batch::Batched,
        http::{HttpHandler, HttpSettings},
    },
};
use events::{EventFactory, EventType, TenantId};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn event(source: &str) -> Event {
    let tenant = TenantId::parse("tenant-123").unwrap();
    let event_type = EventType::parse("document.ingested").unwrap();
    let data = json!({"document_id": "doc-456"}).as_object().cloned().unwrap();
    let context = Context {
        message_id: "1".to_owned(),
        bytes: 100,
        traceparent: Some(TRACE.to_owned()),
        tracestate: None,
        delivery_attempt: None,
        published_at: None,
        subscription: "projects/acme-events/subscriptions/sub-1".parse().unwrap(),
    };
    Event::new(
        EventFactory::new(source).create(&tenant, event_type, data),
        context,
    )
}

type Answer = Arc<dyn Fn(&[Value]) -> Response + Send + Sync>;

#[derive(Clone)]
struct Shared {
    answer: Answer,
    seen: Arc<Mutex<Vec<Vec<Value>>>>,
}

async fn take(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    assert_eq!(headers["content-type"], "application/cloudevents-batch+json");
    let batch: Vec<Value> = serde_json::from_str(&body).unwrap();
    let answer = (shared.answer)(&batch);
    shared.seen.lock().push(batch);
    answer
}

/// A service that takes batches; what it saw, and where it is.
async fn service(
    answer: impl Fn(&[Value]) -> Response + Send + Sync + 'static,
) -> (Arc<Mutex<Vec<Vec<Value>>>>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let seen = Arc::default();
    let shared = Shared {
        answer: Arc::new(answer),
        seen: Arc::clone(&seen),
    };
    let app = Router::new().route("/", post(take)).with_state(shared);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (seen, url)
}

fn handler(url: &str) -> HttpHandler {
    HttpHandler::new(HttpSettings::new(url.parse().unwrap(), Duration::from_secs(10))).unwrap()
}

fn retryable(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retryable { .. })
}

#[tokio::test]
async fn a_batch_is_a_json_array_of_cloud_events_with_a_result_for_each() {
    let (seen, url) = service(|batch| {
        let status = |source: &str| match source {
            "fine" => Some(200),
            "never" => Some(422),
            "later" => Some(409),
            "away" => Some(503),
            "odd" => Some(17),
            _ => None,
        };
        let result = |event: &Value| {
            let status = status(event["source"].as_str().unwrap())?;
            Some(json!({"idempotencykey": event["idempotencykey"], "status": status, "retryAfter": 7}))
        };
        let results: Vec<Value> = batch.iter().filter_map(result).collect();
        Json(json!({"results": results})).into_response()
    })
    .await;
    let events = ["fine", "never", "later", "away", "odd", "unnamed"].map(event);
    let outcomes = handler(&url).handle_batch(&events).await;
    assert_eq!(outcomes[0], Outcome::Success);
    assert!(matches!(outcomes[1], Outcome::Permanent { .. }));
    let wait = Some(Duration::from_secs(7));
    assert!(matches!(&outcomes[2], Outcome::Retryable { retry_after, .. } if *retry_after == wait));
    assert!(matches!(&outcomes[3], Outcome::Unavailable(busy) if busy.retry_after() == wait));
    assert!(retryable(&outcomes[4]) && retryable(&outcomes[5]));
    let sent = &seen.lock()[0][0];
    let first = &events[0];
    let expected = json!({
        "specversion": "1.0", "id": first.event_id.as_str(), "source": "fine", "type": "document.ingested",
        "time": first.occurred_at.to_string(), "tenantid": "tenant-123", "datacontenttype": "application/json",
        "correlationid": first.event_id.as_str(), "idempotencykey": first.idempotency_key(), "dataversion": "1.0",
        "traceparent": TRACE, "data": {"document_id": "doc-456", "version": "1.0"},
    });
    assert_eq!(*sent, expected);
}

#[tokio::test]
async fn an_answer_for_the_whole_batch_is_every_event_s() {
    for (status, body, good) in [
        (StatusCode::NO_CONTENT, "", true),
        (StatusCode::OK, "", true),
        (StatusCode::OK, "<html>fine</html>", false),
        (StatusCode::CONFLICT, "", false),
    ] {
        let (_, url) = service(move |_| (status, body).into_response()).await;
        let outcomes = handler(&url).handle_batch(&["a", "b"].map(event)).await;
        assert_eq!(outcomes.len(), 2);
        let as_expected = |outcome: &Outcome| match good {
            true => *outcome == Outcome::Success,
            false => retryable(outcome),
        };
        assert!(outcomes.iter().all(as_expected), "{status} {body}: {outcomes:?}");
    }
    let (_, broken) = service(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    for url in ["http://127.0.0.1:1/", &broken] {
        let outcomes = handler(url).handle_batch(&["a", "b"].map(event)).await;
        let unavailable = |outcome: &Outcome| matches!(outcome, Outcome::Unavailable { .. });
        assert!(outcomes.iter().all(unavailable), "{url}");
    }
}

#[tokio::test]
async fn one_poisonous_event_does_not_condemn_its_batch() {
    let (seen, url) = service(
        |batch| match batch.iter().any(|event| event["source"] == "poison") {
            true => StatusCode::BAD_REQUEST.into_response(),
            false => StatusCode::NO_CONTENT.into_response(),
        },
    )
    .await;
    let outcomes = handler(&url).handle_batch(&["a", "poison", "b"].map(event)).await;
    assert_eq!(
        (&outcomes[0], &outcomes[2]),
        (&Outcome::Success, &Outcome::Success)
    );
    assert!(matches!(outcomes[1], Outcome::Permanent { .. }));
    let sizes: Vec<_> = seen.lock().iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 1, 1, 1]);
}

#[tokio::test]
async fn a_worker_hands_over_batches_and_settles_each_event_by_itself() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("batches", json!({})).await;
    let refused = Arc::new(Mutex::new(None));
    let refuse = Arc::clone(&refused);
    let (seen, url) = service(move |batch| {
        let results = batch.iter().map(|event| {
            let key = &event["idempotencykey"];
            let first = refuse.lock().get_or_insert_with(|| key.clone()).clone();
            json!({"idempotencykey": key, "status": if first == *key { 422 } else { 200 }})
        });
        Json(json!({"results": results.collect::<Vec<_>>()})).into_response()
    })
    .await;
    plane.publish(40, "tenant-123").await;
    let batch = BatchSettings {
        size: 10,
        wait: Duration::from_millis(50),
    };
    let subscriptions = format!("--subscriptions={}", plane.subscription());
    let worker = Running::start(
        Worker::builder().otherwise(Batched::new(handler(&url), batch)),
        settings(&cloud, &[&subscriptions, "--max-concurrent-messages=10"]),
    )
    .await;
    worker.processed("success", 39).await;
    worker.processed("permanent", 1).await;
    assert!(worker.metric("event_worker_duplicates_total", &[]).await < 1.0);
    let dead = crate::support::until("the dead letter", || async {
        Some(plane.dead_letters().await).filter(|dead| !dead.is_empty())
    });
    let key = refused.lock().clone().unwrap();
    assert!(key.as_str().unwrap().ends_with(&dead.await[0]));
    worker.stop().await;
    let sizes: Vec<_> = seen.lock().iter().map(Vec::len).collect();
    assert!(
        sizes.iter().all(|size| *size <= 10) && sizes.len() < 20,
        "{sizes:?}"
    );
}

struct TlsListener(TcpListener, TlsAcceptor, Arc<AtomicUsize>);

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.0.accept().await.unwrap();
            if let Ok(stream) = self.1.accept(stream).await {
                self.2.fetch_add(1, Ordering::SeqCst);
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[tokio::test]
async fn knows_the_service_and_says_who_it_is_with_files_that_may_change() {
    let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
    let authority = Authority::new();
    let identity = authority.issue(&["localhost"], &[Ipv4Addr::LOCALHOST.into()]);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
        .unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let listener = TlsListener(
        listener,
        TlsAcceptor::from(Arc::new(config)),
        Arc::clone(&connections),
    );
    let tokens: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&tokens);
    let note = move |headers: HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().to_owned();
        noted.lock().push(token);
        async { StatusCode::NO_CONTENT }
    };
    let app = Router::new().route("/", post(note));
    tokio::spawn(async move { axum::serve(listener, app).await });

    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let own = authority.issue(&["worker"], &[]);
    let mut settings = HttpSettings::new(
        format!("https://{address}/").parse().unwrap(),
        Duration::from_secs(10),
    );
    settings.ca_file = Some(write("ca.pem", &authority.pem()));
    settings.token_file = Some(write("token", "first"));
    let stranger = HttpHandler::new(settings.clone()).unwrap();
    assert_ne!(stranger.handle(&event("a")).await, Outcome::Success);
    settings.identity_files = Some((
        write("worker.pem", &own.certificate),
        write("worker.key", &own.key),
    ));
    let handler = HttpHandler::new(settings.clone()).unwrap();
    for _ in 0..20 {
        assert_eq!(handler.handle(&event("a")).await, Outcome::Success);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "connections are kept");
    // As a Secret's volume does it: another file in its place.
    let renewed = authority.issue(&["worker"], &[]);
    write("worker.pem", &renewed.certificate);
    write("worker.key", &renewed.key);
    write("token", "second\n");
    crate::support::until("the new token", || async {
        assert_eq!(handler.handle(&event("a")).await, Outcome::Success);
        let last = tokens.lock().last().cloned().unwrap();
        (last == "Bearer second").then_some(())
    })
    .await;
    assert!(tokens.lock()[..20].iter().all(|token| token == "Bearer first"));
    settings.ca_file = Some(write("other.pem", &Authority::new().pem()));
    let deceived = HttpHandler::new(settings).unwrap();
    assert!(matches!(
        deceived.handle(&event("a")).await,
        Outcome::Unavailable { .. }
    ));
}
