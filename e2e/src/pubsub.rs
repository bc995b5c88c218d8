//! What a test sees of Pub/Sub, and does there by hand.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "this is how a test fails"
)]

use std::collections::{BTreeMap, BTreeSet};

use pubsub_emulator::{Emulator, pb};
use serde_json::{Value, json};

use crate::{eventually::eventually, stage::PROJECT, tenants::PATIENCE};

/// Waits until the operator has compared everything with Pub/Sub so many times more.
pub async fn resyncs(emulator: &Emulator, times: usize) {
    let count = || {
        let calls = emulator.calls();
        calls
            .iter()
            .filter(|call| call.method.ends_with("ListSubscriptions"))
            .count()
    };
    let seen = count();
    eventually("resyncs", PATIENCE, async || {
        let now = count();
        if now >= seen + times { Ok(()) } else { Err(now) }
    })
    .await;
}

/// Every call that changed something, or was to.
#[must_use]
pub fn writes(emulator: &Emulator) -> Vec<String> {
    let is_write = |method: &str| {
        ["Create", "Update", "Delete", "Set"]
            .iter()
            .any(|verb| method.contains(&format!(".{verb}")))
    };
    let calls = emulator.calls().into_iter();
    calls
        .filter(|call| is_write(call.method))
        .map(|call| format!("{} {}", call.method, call.resource))
        .collect()
}

/// How often each object was made and deleted with success, by method and name.
#[must_use]
pub fn made_and_deleted(emulator: &Emulator) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in emulator.calls() {
        let counts_here = call.code.is_none()
            && [
                "Publisher.CreateTopic",
                "Subscriber.CreateSubscription",
                "Subscriber.DeleteSubscription",
            ]
            .contains(&call.method);
        if counts_here {
            *counts
                .entry(format!("{} {}", call.method, call.resource))
                .or_default() += 1;
        }
    }
    counts
}

/// Takes what there is in a subscription and acknowledges it; gives the messages, as REST has them.
pub async fn take(emulator: &Emulator, subscription: &str) -> Vec<Value> {
    let http = reqwest::Client::new();
    let post = async |verb: &str, body: Value| -> Value {
        let url = format!("{}/v1/{subscription}:{verb}", emulator.endpoint());
        let answer = http.post(url).json(&body).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    };
    let pulled = post("pull", json!({"maxMessages": 100, "returnImmediately": true})).await;
    let received = pulled.get("receivedMessages").and_then(Value::as_array);
    let received = received.cloned().unwrap_or_default();
    let ids: Vec<_> = received.iter().filter_map(|one| one.get("ackId")).collect();
    if !ids.is_empty() {
        post("acknowledge", json!({ "ackIds": ids })).await;
    }
    received
        .iter()
        .filter_map(|one| one.get("message").cloned())
        .collect()
}

/// Publishes an empty message with these attributes to a topic of this id.
pub fn publish(emulator: &Emulator, topic: &str, attributes: &[(&str, &str)]) {
    let message = pb::PubsubMessage {
        attributes: attributes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..pb::PubsubMessage::default()
    };
    let topic = format!("projects/{PROJECT}/topics/{topic}");
    emulator.publish(&topic, vec![message]).unwrap();
}

/// The workers that may pull a subscription: whoever has a right on it and is not Pub/Sub's own service agent.
#[must_use]
pub fn workers(emulator: &Emulator, subscription: &str) -> BTreeSet<String> {
    let bindings = emulator
        .policy(subscription)
        .map(|policy| policy.bindings)
        .unwrap_or_default();
    let members = bindings.into_iter().flat_map(|binding| binding.members);
    members
        .filter(|member| !member.starts_with("serviceAccount:service-"))
        .collect()
}
