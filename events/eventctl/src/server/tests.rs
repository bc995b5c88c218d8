use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use events::{Catalogue, Connection, ProjectId};
use futures::StreamExt as _;
use pubsub_emulator::{Emulator, Fault, pb};
use tower::ServiceExt as _;

use super::*;
use crate::topics;

const HOST: &str = "localhost:8000";

struct Server {
    router: Router,
    emulator: Emulator,
}

async fn server(tenants: &[&str]) -> Server {
    let emulator = Emulator::builder().start().await.unwrap();
    let project = ProjectId::parse("local-project").unwrap();
    let catalogue: Catalogue = topics::catalogue(None, &project, None).unwrap();
    for (_, topic) in catalogue.topics() {
        let topic = pb::Topic {
            name: topic.to_string(),
            ..pb::Topic::default()
        };
        emulator.create_topic(topic).unwrap();
    }
    let connection = Connection::emulator(&emulator.address().to_string());
    let publisher = Publisher::builder(catalogue).retry_for(std::time::Duration::from_millis(100));
    let dev = Dev {
        publisher: RwLock::new(publisher.build(&connection).await.unwrap()),
        feed: Feed::default(),
        tenants: tenants.iter().map(|id| TenantId::parse(id).unwrap()).collect(),
        project: project.to_string(),
    };
    Server {
        router: app(Arc::new(dev), guard::Hosts::new(vec!["dev.example".to_owned()])),
        emulator,
    }
}

impl Server {
    async fn ask(&self, request: Request<Body>) -> (StatusCode, String, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let media_type = response.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        let status = response.status();
        let body = to_bytes(response.into_body(), LARGEST_BODY).await.unwrap();
        (
            status,
            media_type,
            serde_json::from_slice(&body).unwrap_or_default(),
        )
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, Value) {
        let mut request = Request::post(path).header(header::HOST, HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (status, media_type, body) = self.ask(request.body(Body::from(body.to_owned())).unwrap()).await;
        let problem = media_type == "application/problem+json";
        assert_eq!(problem, !status.is_success(), "{body}");
        if problem {
            assert_eq!(body["status"], status.as_u16());
        }
        (status, body)
    }

    async fn draft(&self, body: &str) -> (StatusCode, Value) {
        self.post(
            "/test/publish-event",
            &[("content-type", "application/json")],
            body,
        )
        .await
    }
}

fn get_of(path: &str, host: &str) -> Request<Body> {
    Request::get(path)
        .header(header::HOST, host)
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn the_document_describes_every_route_but_the_pages() {
    let document: Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
    let described: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let mut served: Vec<&str> = routes().into_iter().map(|(path, _)| path).collect();
    served.retain(|path| *path != "/" && !path.starts_with("/page."));
    served.sort_unstable();
    assert_eq!(described, served);
    let server = server(&[]).await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in ["get", "post"] {
            let request = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(path);
            let request = request.header(header::HOST, HOST).body(Body::empty()).unwrap();
            let status = server.router.clone().oneshot(request).await.unwrap().status();
            let is_described = methods.get(method).is_some();
            assert_eq!(
                status != StatusCode::METHOD_NOT_ALLOWED,
                is_described,
                "{method} {path}"
            );
            let known = methods.pointer(&format!("/{method}/responses/{}", status.as_u16()));
            assert!(
                !is_described || known.is_some(),
                "{method} {path} answers {status}"
            );
        }
    }
}

#[tokio::test]
async fn the_curl_of_the_documentation_publishes_a_sample() {
    let server = server(&["test-tenant"]).await;
    let (status, answer) = server
        .draft(r#"{"event_type": "document.ingested", "tenant_id": "test-tenant"}"#)
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(
        answer["topic"],
        "projects/local-project/topics/living-twin-document-events"
    );
    let (_, _, about) = server.ask(get_of("/about", HOST)).await;
    assert_eq!(about["samples"]["document.ingested"]["version"], "1.0");
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_is_allowed() {
    let server = server(&["tenant-123"]).await;
    for (body, field) in [
        ("{}", "event_type"),
        ("[]", ""),
        (
            r#"{"event_type": "document.ingested", "tenant_id": "other"}"#,
            "tenant_id",
        ),
        (
            r#"{"event_type": "document.ingested", "tenant_id": "a b"}"#,
            "tenant_id",
        ),
        (
            r#"{"event_type": "order.placed", "tenant_id": "tenant-123"}"#,
            "event_type",
        ),
        (
            r#"{"event_type": "user.login", "tenant_id": "tenant-123", "data": 7}"#,
            "data",
        ),
        (
            r#"{"event_type": "user.login", "tenant_id": "tenant-123", "colour": 7}"#,
            "colour",
        ),
    ] {
        let (status, answer) = server.draft(body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(answer["errors"][0]["field"], field, "{body}: {answer}");
        assert!(!answer["errors"][0]["detail"].as_str().unwrap().is_empty());
    }
    let (status, _) = server
        .post("/test/publish-event", &[("content-type", "text/plain")], "{}")
        .await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = format!(
        r#"{{"event_type": "user.login", "tenant_id": "tenant-123", "data": {{"x": "{}"}}}}"#,
        "x".repeat(10_000_001)
    );
    assert_eq!(server.draft(&large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        server.draft(&"x".repeat(LARGEST_BODY + 1)).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(server.post("/nowhere", &[], "").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn cloud_events_are_taken_in_each_mode() {
    let server = server(&["tenant-123"]).await;
    let event = |id: &str, tenant: &str| {
        json!({"specversion": "1.0", "id": id, "source": "/ingest", "type": "user.login", "tenantid": tenant,
            "time": "2026-01-02T03:04:05Z", "data": {"user_id": "u-1"}})
    };
    let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
    let (status, answer) = server
        .post("/events", &structured, &event("1", "tenant-123").to_string())
        .await;
    assert_eq!(
        (status, &answer["published"][0]["event_id"]),
        (StatusCode::OK, &json!("1"))
    );
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let both = json!([event("2", "tenant-123"), event("3", "tenant-123")]);
    let (status, answer) = server.post("/events", &batch, &both.to_string()).await;
    assert_eq!(
        (status, answer["published"].as_array().unwrap().len()),
        (StatusCode::OK, 2)
    );
    let wrong = json!([event("4", "tenant-123"), event("5", "a b")]);
    let (status, answer) = server.post("/events", &batch, &wrong.to_string()).await;
    assert_eq!(
        (status, &answer["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("1.tenantid"))
    );
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "6"),
        ("ce-source", "/in%C3%A4"),
        ("ce-type", "user.login"),
        ("ce-tenantid", "tenant-123"),
        ("ce-time", "2026-01-02T03:04:05Z"),
    ];
    let (status, answer) = server.post("/events", &binary, r#"{"user_id": "u-1"}"#).await;
    assert_eq!(
        (status, &answer["published"][0]["event_id"]),
        (StatusCode::OK, &json!("6")),
        "{answer}"
    );
    let (status, answer) = server.post("/events", &binary[..5], "{}").await;
    assert_eq!(
        (status, &answer["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("tenantid"))
    );
    assert_eq!(
        server.post("/events", &[], "{}").await.0,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
}

#[tokio::test]
async fn a_foreign_host_is_refused_and_no_page_elsewhere_may_read() {
    let server = server(&[]).await;
    for host in [
        "localhost",
        "localhost:8000",
        "127.0.0.1:1",
        "[::1]:8000",
        "LOCALHOST",
        "dev.example",
    ] {
        assert_eq!(
            server.ask(get_of("/about", host)).await.0,
            StatusCode::OK,
            "{host}"
        );
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "evil.example:8000",
        "",
        "127.0.0.1.nip.io",
    ] {
        let (status, media_type, answer) = server.ask(get_of("/about", host)).await;
        assert_eq!(
            (status, media_type.as_str()),
            (StatusCode::MISDIRECTED_REQUEST, "application/problem+json")
        );
        assert_eq!(answer["errors"][0]["field"], "Host");
    }
    let request = Request::get("/about")
        .header(header::HOST, HOST)
        .header(header::ORIGIN, "https://evil.example");
    let response = server
        .router
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert!(
        response
            .headers()
            .get(header::ACCESS_CONTROL_ALLOW_ORIGIN)
            .is_none()
    );
}

#[tokio::test]
async fn the_stream_has_what_was_seen_of_the_tenant_that_is_asked_for() {
    let server = server(&[]).await;
    for tenant in ["tenant-123", "tenant-456", "tenant-123"] {
        let draft = format!(r#"{{"event_type": "user.login", "tenant_id": "{tenant}"}}"#);
        assert_eq!(server.draft(&draft).await.0, StatusCode::OK);
    }
    let mut request = get_of("/events/stream?tenant=tenant-123", HOST);
    request
        .headers_mut()
        .insert("last-event-id", "1".parse().unwrap());
    let response = server.router.clone().oneshot(request).await.unwrap();
    let mut body = response.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    assert!(
        first.contains("event: published") && first.contains("id: 3") && first.contains("tenant-123"),
        "{first}"
    );
    for path in ["/events/stream?tenant=a%20b", "/events/stream?colour=red"] {
        let (status, _, answer) = server.ask(get_of(path, HOST)).await;
        assert!(
            status.is_client_error() && answer["errors"][0]["field"] == "tenant",
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_broker_that_fails_for_now_is_told_from_one_that_refuses() {
    let server = server(&[]).await;
    let event = r#"{"event_type": "user.login", "tenant_id": "tenant-123"}"#;
    for (code, status) in [
        ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
        ("PERMISSION_DENIED", StatusCode::BAD_GATEWAY),
    ] {
        let fault: Fault =
            serde_json::from_value(json!({"method": "Publisher.Publish", "code": code})).unwrap();
        server.emulator.add_fault(fault);
        assert_eq!(server.draft(event).await.0, status);
        server.emulator.clear_faults();
    }
}
