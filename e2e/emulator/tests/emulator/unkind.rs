//! The emulator being unkind: faults, gaps, quotas, permissions; and its own HTTP API.

use crate::support::{Bench, PROJECT, subscription, topic};
use google_cloud_gax::{error::rpc::Code, retry_policy::NeverRetry};
use google_cloud_pubsub::model::Topic;
use pubsub_emulator::{Fault, IamMode, Settings};
use serde_json::{Value, json};
use std::time::Duration;

impl Bench {
    /// One attempt, so that the client's own retries hide nothing.
    async fn try_create(&self, id: &str) -> Result<Topic, Code> {
        let create = self.topics.create_topic().set_name(topic(id));
        with_one_attempt(create)
            .send()
            .await
            .map_err(|error| error.status().expect("a status").code)
    }

    async fn try_get(&self, id: &str) -> Result<Topic, Code> {
        let get = self.topics.get_topic().set_topic(topic(id));
        with_one_attempt(get)
            .send()
            .await
            .map_err(|error| error.status().expect("a status").code)
    }

    async fn control(&self, verb: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.emulator.endpoint());
        let request = reqwest::Client::new().request(verb, url).json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn rest(&self, verb: reqwest::Method, path: &str, member: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.emulator.endpoint());
        let request = reqwest::Client::new()
            .request(verb, url)
            .bearer_auth(member)
            .json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

fn with_one_attempt<B: google_cloud_gax::options::RequestOptionsBuilder>(builder: B) -> B {
    builder.with_retry_policy(NeverRetry)
}

#[tokio::test]
async fn a_planned_fault_strikes_the_call_it_names() {
    let bench = Bench::start().await;
    bench.emulator.add_fault(Fault {
        skip: 1,
        ..Fault::fail("Publisher.*", pubsub_emulator::Code::Internal, 1)
    });
    assert!(bench.try_create("one").await.is_ok());
    assert_eq!(bench.try_create("two").await.unwrap_err(), Code::Internal);
    assert!(bench.emulator.topic(&topic("two")).is_none());
    assert!(bench.try_create("two").await.is_ok());
}

#[tokio::test]
async fn faults_are_planned_over_http_too() {
    let bench = Bench::start().await;
    let fault =
        json!({"method": "Publisher.CreateTopic", "code": "PERMISSION_DENIED", "count": 1, "delayMs": 20});
    let (status, _) = bench
        .control(reqwest::Method::POST, "/emulator/v1/faults", fault)
        .await;
    assert_eq!(status, 200);
    assert_eq!(bench.try_create("one").await.unwrap_err(), Code::PermissionDenied);
    let (status, error) = bench
        .control(reqwest::Method::POST, "/emulator/v1/faults", json!({"kode": 1}))
        .await;
    assert_eq!((status, error["error"]["code"].as_u64()), (400, Some(400)));
    let (_, calls) = bench
        .control(
            reqwest::Method::GET,
            "/emulator/v1/calls?method=Publisher.*",
            json!({}),
        )
        .await;
    assert_eq!(calls["calls"][0]["code"], "PERMISSION_DENIED");
    let (_, counters) = bench
        .control(reqwest::Method::GET, "/emulator/v1/counters", json!({}))
        .await;
    assert_eq!(counters["calls"][0]["count"], 1);
}

#[tokio::test]
async fn settings_change_by_name_and_typing_errors_are_refused() {
    let bench = Bench::start().await;
    let (status, settings) = bench
        .control(
            reqwest::Method::PATCH,
            "/emulator/v1/settings",
            json!({"filters": false}),
        )
        .await;
    assert_eq!(
        (status, &settings["filters"], &settings["iam"]),
        (200, &json!(false), &json!("off"))
    );
    assert!(!bench.emulator.settings().filters);
    let (status, _) = bench
        .control(
            reqwest::Method::PATCH,
            "/emulator/v1/settings",
            json!({"filter": true}),
        )
        .await;
    assert_eq!(status, 400);
    let health = reqwest::get(format!("{}/healthz", bench.emulator.endpoint()))
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
}

#[tokio::test]
async fn a_fresh_object_can_be_missing_for_a_while() {
    let bench = Bench::with(Settings {
        read_after_write_gap_ms: 60_000,
        ..Settings::default()
    })
    .await;
    bench.try_create("one").await.unwrap();
    assert_eq!(bench.try_get("one").await.unwrap_err(), Code::NotFound);
    assert_eq!(bench.try_create("one").await.unwrap_err(), Code::AlreadyExists);
    bench.create("sub", "one", |s| s).await;
    let list = bench
        .subscriptions
        .list_subscriptions()
        .set_project(format!("projects/{PROJECT}"));
    assert!(list.send().await.unwrap().subscriptions.is_empty());
    bench.publish("one", "x", &[]);
    bench.backlog_is("sub", 1).await;
    bench
        .emulator
        .change_settings(|settings| settings.read_after_write_gap_ms = 1);
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert!(bench.try_get("one").await.is_ok());
}

#[tokio::test]
async fn the_admin_quota_answers_429_with_its_metadata() {
    let bench = Bench::with(Settings {
        admin_quota_per_minute: Some(2),
        ..Settings::default()
    })
    .await;
    bench.try_create("one").await.unwrap();
    bench.try_create("two").await.unwrap();
    assert_eq!(bench.try_get("one").await.unwrap_err(), Code::ResourceExhausted);
    let path = format!("/v1/{}", topic("one"));
    let (status, error) = bench.rest(reqwest::Method::GET, &path, "user:a", json!({})).await;
    assert_eq!(
        (status, &error["error"]["status"]),
        (429, &json!("RESOURCE_EXHAUSTED"))
    );
    let metadata = &error["error"]["details"][0]["metadata"];
    assert_eq!(metadata["quota_limit"], "administratorPerMinutePerProject");
    assert_eq!(
        metadata["consumer"],
        format!("projects/{}", bench.emulator.project_number(PROJECT))
    );
    // Publishing is not administration.
    bench
        .emulator
        .change_settings(|settings| settings.admin_quota_per_minute = Some(0));
    let message = json!({"messages": [{"data": "eA=="}]});
    let (status, _) = bench
        .rest(
            reqwest::Method::POST,
            &format!("{path}:publish"),
            "user:a",
            message,
        )
        .await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn access_is_by_the_principal_of_the_token() {
    let bench = Bench::with(Settings {
        iam: IamMode::Enforce,
        ..Settings::default()
    })
    .await;
    let bench = &bench;
    let put = |path: String, member: &'static str, body: Value| async move {
        let (status, reply) = bench
            .rest(reqwest::Method::PUT, &format!("/v1/{path}"), member, body)
            .await;
        (
            status,
            reply["error"]["status"].as_str().unwrap_or_default().to_owned(),
            reply,
        )
    };
    assert_eq!(
        bench.try_create("one").await.unwrap_err(),
        Code::Unauthenticated,
        "an anonymous caller"
    );
    let (status, code, reply) = put(topic("one"), "user:a", json!({})).await;
    assert_eq!((status, code.as_str()), (403, "PERMISSION_DENIED"));
    let metadata = &reply["error"]["details"][0]["metadata"];
    assert_eq!(metadata["permission"], "pubsub.topics.create");
    assert_eq!(metadata["resource"], format!("projects/{PROJECT}"));

    bench.grant(&format!("projects/{PROJECT}"), "roles/pubsub.editor", "user:a");
    assert_eq!(put(topic("one"), "user:a", json!({})).await.0, 200);
    // A subscription needs a right on its project and one on its topic.
    let custom = format!("projects/{PROJECT}/roles/pubsub.subscriptions.create");
    bench.grant(&format!("projects/{PROJECT}"), &custom, "user:b");
    let body = json!({"topic": topic("one")});
    let (status, _, reply) = put(subscription("sub"), "user:b", body.clone()).await;
    let permission = &reply["error"]["details"][0]["metadata"]["permission"];
    assert_eq!(
        (status, permission),
        (403, &json!("pubsub.topics.attachSubscription"))
    );
    bench.grant(&topic("one"), "roles/pubsub.subscriber", "user:b");
    assert_eq!(put(subscription("sub"), "user:b", body).await.0, 200);

    // A policy of the subscription alone lets a worker pull, and do nothing else.
    bench.grant(&subscription("sub"), "roles/pubsub.subscriber", "user:worker");
    bench.publish("one", "x", &[]);
    let pull = format!("/v1/{}:pull", subscription("sub"));
    let (status, pulled) = bench
        .rest(
            reqwest::Method::POST,
            &pull,
            "user:worker",
            json!({"maxMessages": 1}),
        )
        .await;
    assert_eq!(
        (status, pulled["receivedMessages"].as_array().map(Vec::len)),
        (200, Some(1))
    );
    let (status, _) = bench
        .rest(
            reqwest::Method::GET,
            &format!("/v1/{}", topic("one")),
            "user:worker",
            json!({}),
        )
        .await;
    assert_eq!(status, 403);
    let test = format!("/v1/{}:testIamPermissions", subscription("sub"));
    let asked = json!({"permissions": ["pubsub.subscriptions.consume", "pubsub.subscriptions.delete"]});
    let (_, has) = bench
        .rest(reqwest::Method::POST, &test, "user:worker", asked)
        .await;
    assert_eq!(has["permissions"], json!(["pubsub.subscriptions.consume"]));
}

#[tokio::test]
async fn the_first_grant_asks_for_no_permission() {
    let bench = Bench::with(Settings {
        iam: IamMode::Enforce,
        ..Settings::default()
    })
    .await;
    let set = |resource: String, role: &str| {
        let policy = json!({"bindings": [{"role": role, "members": ["user:a"]}]});
        let path = format!("/emulator/v1/policies/{resource}");
        let bench = &bench;
        async move { bench.control(reqwest::Method::PUT, &path, policy).await.0 }
    };
    assert_eq!(
        set(format!("projects/{PROJECT}"), "roles/pubsub.editor").await,
        200
    );
    assert_eq!(set(topic("none"), "roles/pubsub.editor").await, 404);
    assert_eq!(set(format!("projects/{PROJECT}"), "editor").await, 400);
    let path = format!("/v1/{}", topic("one"));
    let (status, _) = bench.rest(reqwest::Method::PUT, &path, "user:a", json!({})).await;
    assert_eq!(status, 200);
    let calls = bench.emulator.calls();
    let callers: Vec<_> = calls
        .iter()
        .map(|call| (call.method, call.caller.as_deref()))
        .collect();
    assert_eq!(
        callers,
        [("Publisher.CreateTopic", Some("user:a"))],
        "the grant is no call"
    );
}

#[tokio::test]
async fn a_grant_takes_effect_after_its_propagation() {
    let bench = Bench::with(Settings {
        iam: IamMode::Enforce,
        iam_propagation_ms: 60_000,
        ..Settings::default()
    })
    .await;
    bench.grant(&format!("projects/{PROJECT}"), "roles/pubsub.editor", "user:a");
    let path = format!("/v1/{}", topic("one"));
    assert_eq!(
        bench
            .rest(reqwest::Method::PUT, &path, "user:a", json!({}))
            .await
            .0,
        403
    );
    assert_eq!(
        bench
            .emulator
            .policy(&format!("projects/{PROJECT}"))
            .unwrap()
            .bindings
            .len(),
        1,
        "it can be read"
    );
    bench
        .emulator
        .change_settings(|settings| settings.iam_propagation_ms = 0);
    assert_eq!(
        bench
            .rest(reqwest::Method::PUT, &path, "user:a", json!({}))
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn enums_are_names_or_numbers_as_asked_for() {
    let bench = Bench::start().await;
    bench.create_topic("one").await;
    bench.create("sub", "one", |s| s).await;
    let path = format!("/v1/{}", subscription("sub"));
    let (_, named) = bench.rest(reqwest::Method::GET, &path, "user:a", json!({})).await;
    assert_eq!(named["state"], "ACTIVE");
    let (_, numbered) = bench
        .rest(
            reqwest::Method::GET,
            &format!("{path}?$alt=json;enum-encoding%3Dint"),
            "user:a",
            json!({}),
        )
        .await;
    assert_eq!(numbered["state"], 1);
    let path = format!("/v1/{}", topic("one"));
    let (status, error) = bench
        .rest(reqwest::Method::PUT, &path, "user:a", json!({"labelz": {}}))
        .await;
    assert_eq!(
        (status, &error["error"]["status"]),
        (400, &json!("INVALID_ARGUMENT"))
    );
    let (status, _) = bench
        .rest(reqwest::Method::GET, "/v2/nothing", "user:a", json!({}))
        .await;
    assert_eq!(status, 501);
}

#[tokio::test]
async fn monitoring_shows_the_backlog_of_each_subscription() {
    let bench = Bench::start().await;
    bench.create_topic("one").await;
    bench.create("full", "one", |s| s).await;
    bench
        .create("empty", "one", |s| s.set_filter("attributes:none"))
        .await;
    bench.publish("one", "x", &[]);
    let read = |filter: &'static str, page: &'static str| {
        let bench = &bench;
        async move {
            let metric = "pubsub.googleapis.com/subscription/num_undelivered_messages";
            let url = format!("{}/v3/projects/{PROJECT}/timeSeries", bench.emulator.endpoint());
            let filter = format!("metric.type=\"{metric}\"{filter}");
            let query = [
                ("filter", filter.as_str()),
                ("interval.endTime", "2999-01-01T00:00:00Z"),
                ("pageSize", page),
            ];
            let url = reqwest::Url::parse_with_params(&url, query).unwrap();
            reqwest::get(url).await.unwrap().json::<Value>().await.unwrap()
        }
    };
    let all = read("", "0").await;
    let values: Vec<_> = all["timeSeries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (
                s["resource"]["labels"]["subscription_id"].as_str(),
                s["points"][0]["value"]["int64Value"].as_str(),
            )
        })
        .collect();
    assert_eq!(values, [(Some("empty"), Some("0")), (Some("full"), Some("1"))]);
    let page = read("", "1").await;
    assert_eq!(
        (
            page["timeSeries"].as_array().map(Vec::len),
            page["nextPageToken"].is_string()
        ),
        (Some(1), true)
    );
    let one = read(" AND resource.labels.subscription_id = \"full\"", "0").await;
    assert_eq!(one["timeSeries"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn schemas_are_stored_with_their_revisions() {
    let bench = Bench::start().await;
    let parent = format!("/v1/projects/{PROJECT}/schemas");
    let avro =
        json!({"type": "AVRO", "definition": "{\"type\": \"record\", \"name\": \"a\", \"fields\": []}"});
    let bench = &bench;
    let rest = |verb, path: String, body| async move { bench.rest(verb, &path, "user:a", body).await };
    let (status, made) = rest(
        reqwest::Method::POST,
        format!("{parent}?schemaId=order"),
        avro.clone(),
    )
    .await;
    assert_eq!((status, made["type"].as_str()), (200, Some("AVRO")));
    let (status, second) = rest(
        reqwest::Method::POST,
        format!("{parent}/order:commit"),
        json!({"schema": avro}),
    )
    .await;
    assert_eq!(status, 200);
    assert_ne!(second["revisionId"], made["revisionId"]);
    let (_, revisions) = rest(
        reqwest::Method::GET,
        format!("{parent}/order:listRevisions"),
        json!({}),
    )
    .await;
    assert_eq!(revisions["schemas"].as_array().map(Vec::len), Some(2));
    let with_schema = json!({"schemaSettings": {"schema": format!("projects/{PROJECT}/schemas/order"), "encoding": "JSON"}});
    assert_eq!(
        rest(reqwest::Method::PUT, format!("/v1/{}", topic("one")), with_schema)
            .await
            .0,
        200
    );
    assert_eq!(
        rest(reqwest::Method::DELETE, format!("{parent}/order"), json!({}))
            .await
            .0,
        200
    );
    let (_, stranded) = rest(reqwest::Method::GET, format!("/v1/{}", topic("one")), json!({})).await;
    assert_eq!(stranded["schemaSettings"]["schema"], "_deleted-schema_");
}

/// The credentials of the official client with a principal of the emulator's.
#[derive(Debug)]
struct As(&'static str);

impl google_cloud_auth::credentials::CredentialsProvider for As {
    async fn headers(
        &self,
        _: axum::http::Extensions,
    ) -> Result<
        google_cloud_auth::credentials::CacheableResource<axum::http::HeaderMap>,
        google_cloud_auth::errors::CredentialsError,
    > {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert(
            "authorization",
            format!("Bearer {}", self.0).parse().expect("a header"),
        );
        let entity_tag = google_cloud_auth::credentials::EntityTag::new();
        Ok(google_cloud_auth::credentials::CacheableResource::New {
            entity_tag,
            data: headers,
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

#[tokio::test]
async fn a_revoked_grant_ends_an_open_stream() {
    let bench = Bench::start().await;
    bench.create_topic("one").await;
    bench.create("sub", "one", |s| s).await;
    bench.grant(&subscription("sub"), "roles/pubsub.subscriber", "user:worker");
    bench
        .emulator
        .change_settings(|settings| settings.iam = IamMode::Enforce);
    let subscriber = google_cloud_pubsub::client::Subscriber::builder()
        .with_endpoint(bench.emulator.endpoint())
        .with_credentials(google_cloud_auth::credentials::Credentials::from(As(
            "user:worker",
        )))
        .build()
        .await
        .unwrap();
    let mut stream = subscriber.subscribe(subscription("sub")).build();
    bench.publish("one", "1", &[]);
    stream.next().await.unwrap().unwrap().1.ack();
    let nobody = pubsub_emulator::iam_pb::Policy::default();
    bench.emulator.set_policy(&subscription("sub"), nobody).unwrap();
    bench.publish("one", "2", &[]);
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.status().unwrap().code, Code::PermissionDenied);
}
