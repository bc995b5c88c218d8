//! Spans reach a collector, in the publisher's trace, and the handler goes on from them. The collector here is a stand-in
//! that speaks OTLP/gRPC with the collector's own protobuf.

use std::{collections::HashMap, fmt::Write as _, sync::Arc, time::Duration};

use crate::support::{
    binary::{binary, end, terminate},
    cloud::{Cloud, event},
    until,
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// The headers `traceparent` and `tracestate`, empty where there is none.
type Trace = [String; 2];

/// Events, and what each was handed over with.
#[derive(Clone, Default)]
struct Handed(Arc<Mutex<Vec<(String, Trace)>>>);

impl Handed {
    fn of(&self, id: &str) -> Option<Trace> {
        let handed = self.0.lock();
        let found = handed.iter().find(|(handed, _)| handed == id);
        found.map(|(_, trace)| trace.clone())
    }

    /// A service that takes events and notes these headers; what its source calls `fails` can never work.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let app = Router::new().route("/", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }
}

async fn take(State(seen): State<Handed>, headers: HeaderMap) -> StatusCode {
    let text = |name| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
            .to_owned()
    };
    let trace = ["traceparent", "tracestate"].map(text);
    seen.0.lock().push((text("ce-id"), trace));
    match text("ce-source").as_str() {
        "fails" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    }
}

#[derive(Clone, Default)]
struct Collector {
    exported: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    /// The header `x-team` of each export.
    teams: Arc<Mutex<Vec<Option<String>>>>,
}

impl Collector {
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(self.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpIncoming::from(listener)),
        );
        endpoint
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let team = request.metadata().get("x-team");
        let team = team.map(|team| team.to_str().unwrap().to_owned());
        self.teams.lock().push(team);
        self.exported.lock().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    let value = found.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(text) => Some(text.clone()),
        _ => Some(format!("{value:?}")),
    }
}

#[tokio::test]
async fn a_delivery_is_a_span_between_its_publisher_s_and_its_handler_s() {
    let collector = Collector::default();
    let endpoint = collector.serve().await;
    let seen = Handed::default();
    let url = seen.serve().await;

    let cloud = Cloud::start().await;
    let plane = cloud.plane("traced", json!({})).await;
    let traced = event("tenant-123");
    let parent = format!("00-{TRACE}-{PARENT}-01");
    plane.publish_traced(&traced, &parent, "congo=t61rcWkgMzE").await;
    let mut fails = event("tenant-123");
    fails.source = "fails".to_owned();
    plane.publish_one(&fails, None).await;
    let worker = binary(&cloud, &plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", url)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .spawn()
        .unwrap();
    until("both events", || async {
        (seen.0.lock().len() >= 2).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    terminate(worker.id().unwrap()).await;
    // Spans of the last moments are sent at a stop.
    let (code, log) = end(worker).await;
    assert_eq!(code, Some(0));

    let requests = collector.exported.lock().clone();
    let resource = requests[0].resource_spans[0].resource.as_ref().unwrap();
    let named = |key: &str| {
        let found = resource.attributes.iter().find(|attribute| attribute.key == key);
        format!("{:?}", found.unwrap().value)
    };
    assert!(named("service.name").contains("event-worker"));
    assert!(named("tenant.id").contains("tenant-123"));
    let spans: Vec<Span> = requests
        .into_iter()
        .flat_map(|request| request.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    let of = |id: &str| {
        let mut found = spans
            .iter()
            .filter(|span| attribute(span, "event.id").as_deref() == Some(id));
        found.next().unwrap()
    };
    let span = of(traced.event_id.as_str());
    assert_eq!(
        (hex(&span.trace_id), hex(&span.parent_span_id)),
        (TRACE.to_owned(), PARENT.to_owned())
    );
    assert_eq!(span.kind, SpanKind::Consumer as i32);
    assert_eq!(span.name, "process document.ingested");
    for (name, value) in [
        ("messaging.system", "gcp_pubsub"),
        ("event.outcome", "success"),
        ("messaging.destination.subscription.name", &plane.subscription()),
        ("event.correlation_id", traced.correlation_id().as_str()),
    ] {
        assert_eq!(attribute(span, name).as_deref(), Some(value), "{name}");
    }
    assert!(span.end_time_unix_nano > span.start_time_unix_nano);
    let passed_on = seen.of(traced.event_id.as_str()).unwrap();
    let own = format!("00-{TRACE}-{}-01", hex(&span.span_id));
    assert_eq!(passed_on, [own, "congo=t61rcWkgMzE".to_owned()]);
    assert_eq!(span.trace_state, "congo=t61rcWkgMzE");
    let line = log
        .iter()
        .find(|line| line["event_id"] == traced.event_id.as_str())
        .unwrap();
    assert_eq!(
        (&line["trace_id"], &line["span_id"]),
        (&json!(TRACE), &json!(hex(&span.span_id)))
    );

    let failed = of(fails.event_id.as_str());
    assert_eq!(attribute(failed, "event.outcome").as_deref(), Some("permanent"));
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    assert!(failed.parent_span_id.is_empty() && hex(&failed.trace_id) != TRACE);
}

#[tokio::test]
async fn a_context_that_is_not_of_the_form_is_left_out_and_googles_is_taken() {
    let seen = Handed::default();
    let url = seen.serve().await;
    let cloud = Cloud::start().await;
    let plane = cloud.plane("contexts", json!({})).await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let state = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";
    let zeros = format!("00-{}-{PARENT}-01", "0".repeat(32));
    let capitals = parent.to_uppercase();
    let dashes = format!("00-{}", "-".repeat(52));
    let later = format!("01-{TRACE}-{PARENT}-01-what-the-future-says");
    let none = ["", ""];
    let cases = [
        (
            vec![("traceparent", parent.as_str()), ("tracestate", state)],
            [parent.as_str(), state],
        ),
        (
            vec![
                ("googclient_traceparent", &parent),
                ("googclient_tracestate", state),
            ],
            [&parent, state],
        ),
        (vec![("traceparent", &later)], [&parent, ""]),
        (
            vec![("traceparent", &parent), ("tracestate", "a=1\r\nx: y")],
            [&parent, ""],
        ),
        (vec![("traceparent", &zeros), ("tracestate", state)], none),
        (vec![("traceparent", &capitals)], none),
        (vec![("traceparent", &dashes)], none),
        (vec![("tracestate", state)], none),
    ];
    let mut expected = Vec::new();
    for (attributes, headers) in cases {
        let event = event("tenant-123");
        let mut all: HashMap<&str, &str> = attributes.into_iter().collect();
        all.insert("tenant_id", "tenant-123");
        plane.publish_bytes(event.encode().unwrap(), &all).await;
        expected.push((event.event_id, headers.map(ToOwned::to_owned)));
    }
    let worker = binary(&cloud, &plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", url)
        .env("EXIT_WHEN_IDLE", "1s")
        .spawn()
        .unwrap();
    assert_eq!(end(worker).await.0, Some(0));
    for (id, headers) in expected {
        assert_eq!(seen.of(id.as_str()), Some(headers), "{id}");
    }
}

#[tokio::test]
async fn a_collector_that_is_not_there_keeps_nobody_from_working() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("untraced", json!({})).await;
    plane.publish(20, "tenant-123").await;
    let worker = binary(&cloud, &plane)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .env("EXIT_WHEN_IDLE", "2s")
        .spawn()
        .unwrap();
    let (code, log) = end(worker).await;
    assert_eq!(code, Some(0));
    let processed = log.iter().filter(|line| line["outcome"] == "success");
    assert_eq!(processed.count(), 20);
}

#[tokio::test]
async fn spans_go_where_the_variables_of_opentelemetry_say() {
    let cloud = Cloud::start().await;
    for (what, more, expected) in [
        ("the general endpoint", vec![], [1, 0]),
        (
            "the traces' own",
            vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "$OWN")],
            [0, 1],
        ),
        (
            "the traces' own alone",
            vec![
                ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "$OWN"),
            ],
            [0, 1],
        ),
        ("disabled", vec![("OTEL_SDK_DISABLED", "true")], [0, 0]),
        ("no exporter", vec![("OTEL_TRACES_EXPORTER", "none")], [0, 0]),
    ] {
        let [general, own] = [Collector::default(), Collector::default()];
        let own_endpoint = own.serve().await;
        let plane = cloud.plane("spans", json!({})).await;
        plane.publish(1, "tenant-123").await;
        let more = more
            .into_iter()
            .map(|(name, value)| (name, value.replace("$OWN", &own_endpoint)));
        let worker = binary(&cloud, &plane)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", general.serve().await)
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=events")
            .env("EXIT_WHEN_IDLE", "1s")
            .envs(more)
            .spawn()
            .unwrap();
        // Spans of the last moments are sent at a stop.
        assert_eq!(end(worker).await.0, Some(0), "{what}");
        let counts = [&general, &own].map(|collector| collector.exported.lock().len());
        assert_eq!(counts, expected, "{what}");
        let teams = [general, own]
            .map(|collector| collector.teams.lock().clone())
            .concat();
        assert!(
            teams.iter().all(|team| team.as_deref() == Some("events")),
            "{what}: {teams:?}"
        );
    }
}
