//! REST as clients other than Google's Rust ones speak it: masks in the query, verbs in a header, compressed bodies.

use crate::support::{Bench, PROJECT, subscription, topic};
use flate2::{Compression, write::GzEncoder};
use pubsub_emulator::pb;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::io::Write as _;

impl Bench {
    fn request(&self, verb: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(verb, format!("{}/v1/{path}", self.emulator.endpoint()))
    }

    async fn with_subscription() -> Self {
        let bench = Self::start().await;
        bench.create_topic("events").await;
        bench.create("sub", "events", |s| s).await;
        bench
    }
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// As Terraform's provider and Config Connector send it: recorded traffic of the service, Config Connector's fixtures.
#[tokio::test]
async fn a_mask_may_stand_in_the_query() {
    let bench = Bench::with_subscription().await;
    let path = |mask: &str| format!("{}?updateMask={mask}", subscription("sub"));
    let patch = |mask: &str, fields: Value| {
        answer(
            bench
                .request(Method::PATCH, &path(mask))
                .json(&json!({"subscription": fields})),
        )
    };
    let fields = json!({"ackDeadlineSeconds": 30, "labels": {"team": "a"}, "retainAckedMessages": true});
    let (status, updated) = patch("ackDeadlineSeconds%2Clabels", fields).await;
    assert_eq!((status, &updated["ackDeadlineSeconds"]), (200, &json!(30)));
    assert_eq!(updated["labels"], json!({"team": "a"}));
    assert_eq!(updated["retainAckedMessages"], Value::Null, "not in the mask");
    for (mask, expected) in [("filter", "not mutable"), ("", "update_mask")] {
        let (status, refusal) = patch(mask, json!({"filter": "attributes:a"})).await;
        let message = refusal["error"]["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(expected), "{mask}: {refusal}");
    }
    let labels = json!({"topic": {"labels": {"a": "b"}}});
    let path = format!("{}?updateMask=labels", topic("events"));
    let (status, updated) = answer(bench.request(Method::PATCH, &path).json(&labels)).await;
    assert_eq!((status, &updated["labels"]), (200, &json!({"a": "b"})));
}

/// Java's HTTP/JSON transport knows no PATCH.
#[tokio::test]
async fn a_post_may_stand_for_another_verb_and_nothing_else_may() {
    const OVERRIDE: &str = "x-http-method-override";
    let bench = Bench::with_subscription().await;
    let update = json!({"subscription": {"ackDeadlineSeconds": 42}, "updateMask": "ackDeadlineSeconds"});
    let patch = bench
        .request(Method::POST, &subscription("sub"))
        .header(OVERRIDE, "PATCH");
    let (status, updated) = answer(patch.json(&update)).await;
    assert_eq!((status, &updated["ackDeadlineSeconds"]), (200, &json!(42)));
    let put = bench
        .request(Method::POST, &topic("more"))
        .header(OVERRIDE, "PUT");
    assert_eq!(answer(put.json(&json!({}))).await.0, 200);
    let get = bench
        .request(Method::GET, &topic("more"))
        .header(OVERRIDE, "DELETE");
    assert_eq!(answer(get).await.0, 200);
    assert!(bench.emulator.topic(&topic("more")).is_some());
}

#[tokio::test]
async fn a_body_may_be_compressed_and_is_bounded_by_what_it_becomes() {
    let bench = Bench::with_subscription().await;
    let publish = |encoding: &str, body: Vec<u8>| {
        let request = bench.request(Method::POST, &format!("{}:publish", topic("events")));
        let request = request.header("content-type", "application/json");
        answer(request.header("content-encoding", encoding).body(body))
    };
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let message = br#"{"messages": [{"data": "aGVsbG8="}]}"#;
    assert_eq!(publish("gzip", gzip(message)).await.0, 200);
    bench.backlog_is("sub", 1).await;
    assert_eq!(publish("gzip", b"not gzip".to_vec()).await.0, 400);
    assert_eq!(publish("br", message.to_vec()).await.0, 400);
    let (status, refusal) = publish("gzip", gzip(&vec![b' '; 64 << 20])).await;
    let words = refusal["error"]["message"].as_str().unwrap();
    assert!(status == 400 && words.contains("exceeds the limit"), "{refusal}");
    bench.backlog_is("sub", 1).await;
}

#[tokio::test]
async fn only_permissions_that_exist_are_tested() {
    let bench = Bench::with_subscription().await;
    for (permission, expected) in [
        ("pubsub.topics.publish", 200),
        ("pubsub.topics.frobnicate", 400),
        ("roles/pubsub.publisher", 400),
        ("pubsub.*", 400),
    ] {
        let test = bench.request(Method::POST, &format!("{}:testIamPermissions", topic("events")));
        let (status, _) = answer(test.json(&json!({"permissions": [permission]}))).await;
        assert_eq!(status, expected, "{permission}");
    }
}

#[tokio::test]
async fn a_snapshot_without_a_name_gets_one_over_grpc_alone() {
    let bench = Bench::with_subscription().await;
    let request = pb::CreateSnapshotRequest {
        subscription: subscription("sub"),
        ..pb::CreateSnapshotRequest::default()
    };
    let connection = crate::support::wire::Connection::open(&bench.emulator.address().to_string()).await;
    let path = "/google.pubsub.v1.Subscriber/CreateSnapshot";
    let made = connection
        .unary(path, prost::Message::encode_to_vec(&request), None)
        .await;
    let made = <pb::Snapshot as prost::Message>::decode(made.unwrap().as_slice()).unwrap();
    let snapshots = format!("projects/{PROJECT}/snapshots/");
    assert!(made.name.starts_with(&snapshots), "{}", made.name);
    let body = json!({"subscription": subscription("sub")});
    let (status, _) = answer(bench.request(Method::PUT, &snapshots).json(&body)).await;
    assert_eq!(status, 400);
}
