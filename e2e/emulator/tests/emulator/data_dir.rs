//! What a data directory keeps across a restart. That a kill changes nothing about it: `kill.rs`.

use pubsub_emulator::{DELETED_TOPIC, Emulator, iam_pb, pb};
use serde_json::{Value, json};
use std::path::Path;

const TOPIC: &str = "projects/p/topics/events";
const SUBSCRIPTION: &str = "projects/p/subscriptions/sub";

async fn call(
    endpoint: &str,
    verb: reqwest::Method,
    path: &str,
    body: Value,
) -> reqwest::Result<(u16, Value)> {
    let response = reqwest::Client::new()
        .request(verb, format!("{endpoint}/v1/{path}"))
        .json(&body)
        .send()
        .await?;
    Ok((response.status().as_u16(), response.json().await?))
}

async fn start(directory: &Path) -> Emulator {
    Emulator::builder().data_dir(directory).start().await.unwrap()
}

fn messages(data: &[&str]) -> Vec<pb::PubsubMessage> {
    let message = |data: &&str| pb::PubsubMessage {
        data: data.as_bytes().to_vec().into(),
        ..Default::default()
    };
    data.iter().map(message).collect()
}

async fn put(endpoint: &str, path: &str, body: Value) {
    let (status, reply) = call(endpoint, reqwest::Method::PUT, path, body).await.unwrap();
    assert_eq!(status, 200, "{reply}");
}

async fn seek(endpoint: &str, to: Value) {
    let path = format!("{SUBSCRIPTION}:seek");
    assert_eq!(
        call(endpoint, reqwest::Method::POST, &path, to).await.unwrap().0,
        200
    );
}

async fn pull(endpoint: &str, max: u32) -> Vec<Value> {
    let path = format!("{SUBSCRIPTION}:pull");
    let (_, reply) = call(
        endpoint,
        reqwest::Method::POST,
        &path,
        json!({ "maxMessages": max }),
    )
    .await
    .unwrap();
    reply["receivedMessages"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_restart_forgets_no_resource() {
    let directory = tempfile::tempdir().unwrap();
    let first = start(directory.path()).await;
    let endpoint = first.endpoint();
    put(&endpoint, "projects/p/topics/gone", json!({})).await;
    put(
        &endpoint,
        TOPIC,
        json!({"labels": {"a": "b"}, "messageRetentionDuration": "600s"}),
    )
    .await;
    put(
        &endpoint,
        SUBSCRIPTION,
        json!({"topic": TOPIC, "expirationPolicy": {}}),
    )
    .await;
    put(
        &endpoint,
        "projects/p/subscriptions/stranded",
        json!({"topic": "projects/p/topics/gone"}),
    )
    .await;
    let filtered = json!({"topic": TOPIC, "filter": "attributes:none"});
    put(&endpoint, "projects/p/subscriptions/filtered", filtered).await;
    call(
        &endpoint,
        reqwest::Method::DELETE,
        "projects/p/topics/gone",
        json!({}),
    )
    .await
    .unwrap();
    let bindings = vec![iam_pb::Binding {
        role: "roles/pubsub.publisher".to_owned(),
        members: vec!["allUsers".to_owned()],
        condition: None,
    }];
    let policy = first
        .set_policy(
            TOPIC,
            iam_pb::Policy {
                bindings,
                ..Default::default()
            },
        )
        .unwrap();
    first.set_project_number("p", 4711);
    let before = (first.topic(TOPIC), first.subscription(SUBSCRIPTION));
    first.shutdown().await;

    let second = start(directory.path()).await;
    assert_eq!((second.topic(TOPIC), second.subscription(SUBSCRIPTION)), before);
    assert_eq!(
        second
            .subscription("projects/p/subscriptions/stranded")
            .unwrap()
            .topic,
        DELETED_TOPIC
    );
    assert_eq!(
        (second.policy(TOPIC), second.project_number("p")),
        (Some(policy), 4711)
    );
    second.publish(TOPIC, messages(&["1"])).unwrap();
    assert_eq!(
        second.stats("projects/p/subscriptions/filtered").unwrap().backlog,
        0
    );
    assert_eq!(second.stats(SUBSCRIPTION).unwrap().backlog, 1);
}

#[tokio::test]
async fn a_restart_forgets_no_message_but_the_leases() {
    let directory = tempfile::tempdir().unwrap();
    let first = start(directory.path()).await;
    let endpoint = first.endpoint();
    put(&endpoint, TOPIC, json!({"messageRetentionDuration": "600s"})).await;
    put(&endpoint, SUBSCRIPTION, json!({"topic": TOPIC})).await;
    first.publish(TOPIC, messages(&["1", "2", "3"])).unwrap();
    put(
        &endpoint,
        "projects/p/snapshots/snap",
        json!({"subscription": SUBSCRIPTION}),
    )
    .await;
    let pulled = pull(&endpoint, 2).await;
    let ack = json!({"ackIds": [pulled[0]["ackId"]]});
    call(
        &endpoint,
        reqwest::Method::POST,
        &format!("{SUBSCRIPTION}:acknowledge"),
        ack,
    )
    .await
    .unwrap();
    let stats = first.stats(SUBSCRIPTION).unwrap();
    assert_eq!((stats.backlog, stats.outstanding), (2, 1));
    first.shutdown().await;

    let second = start(directory.path()).await;
    let (endpoint, backlog) = (second.endpoint(), || second.stats(SUBSCRIPTION).unwrap());
    assert_eq!(
        (backlog().backlog, backlog().outstanding),
        (2, 0),
        "the lease is gone, the message is not"
    );
    seek(&endpoint, json!({"snapshot": "projects/p/snapshots/snap"})).await;
    assert_eq!(backlog().backlog, 3, "the snapshot kept what was acked after it");
    seek(&endpoint, json!({"time": "2100-01-01T00:00:00Z"})).await;
    assert_eq!(backlog().backlog, 0);
    seek(&endpoint, json!({"time": "2020-01-01T00:00:00Z"})).await;
    assert_eq!(backlog().backlog, 3, "the topic retained them");
    second.publish(TOPIC, messages(&["4"])).unwrap();
    let pulled = pull(&endpoint, 10).await;
    let ids: std::collections::BTreeSet<_> = pulled
        .iter()
        .map(|m| m["message"]["messageId"].to_string())
        .collect();
    assert_eq!(ids.len(), 4, "ids go on where they were");
}
