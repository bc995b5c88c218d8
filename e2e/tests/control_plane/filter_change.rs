//! The event types of a subscription are edited while events come in: another subscription takes the old one's place, the
//! old one stays until it is measured to be empty, and no event is in neither.

use std::{collections::BTreeSet, time::Duration};

use crds::{ConditionType, EventSubscription, condition};
use e2e::{
    eventually::eventually,
    pubsub::{self, resyncs},
    stage::Stage,
    tenants::{PATIENCE, apply, ready},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use pubsub_emulator::{Code, Fault};
use serde_json::{Value, json};

const TENANT: &str = "changes-its-mind";

fn spec(types: &[&str]) -> Value {
    json!({"subscriptions": [{"topic": "document-events", "eventTypes": types}]})
}

fn publish(stage: &Stage, event_type: &str, name: &str) {
    let attributes = [("tenant_id", TENANT), ("event_type", event_type), ("name", name)];
    pubsub::publish(&stage.emulator, "living-twin-document-events", &attributes);
}

/// Takes what is there; gives the events' names.
async fn take(stage: &Stage, subscription: &str) -> BTreeSet<String> {
    let messages = pubsub::take(&stage.emulator, subscription).await;
    let name = |one: &Value| one["attributes"]["name"].as_str().unwrap().to_owned();
    messages.iter().map(name).collect()
}

async fn look(client: &Client) -> EventSubscription {
    let api = Api::<EventSubscription>::namespaced(client.clone(), TENANT);
    api.get("document-events").await.unwrap()
}

async fn draining(client: &Client) -> String {
    let conditions = look(client).await.status.unwrap().conditions;
    condition::find(&conditions, ConditionType::Draining)
        .unwrap()
        .message
        .clone()
}

#[tokio::test]
async fn another_filter_loses_nothing() {
    let stage = &Stage::alone();
    let client = stage.client().await.unwrap();
    apply(&client, TENANT, spec(&["document.ingested"])).await;
    ready(&client, TENANT).await;
    let old = look(&client).await.status.unwrap().subscription.unwrap();
    publish(stage, "document.ingested", "before");

    apply(&client, TENANT, spec(&["document.ingested", "document.deleted"])).await;
    ready(&client, TENANT).await;
    let status = eventually("the switch is written down", PATIENCE, async || {
        let status = look(&client).await.status.unwrap();
        let written = status
            .draining
            .iter()
            .any(|one| one.subscription == old && one.switched_at.is_some());
        if written { Ok(status) } else { Err(status) }
    })
    .await;
    let new = status.subscription.unwrap();
    assert_ne!(new, old);

    // The worker is told of both, and until when the old one counts.
    let list = eventually("the worker's list names both", PATIENCE, async || {
        let api = Api::<ConfigMap>::namespaced(client.clone(), TENANT);
        let map = api.get("event-worker").await.unwrap().data.unwrap();
        let list: Value = serde_json::from_str(&map["subscriptions.json"]).unwrap();
        let until = |name: &str| {
            let all = list["subscriptions"].as_array().unwrap();
            all.iter()
                .find(|one| one["name"] == name)
                .map(|one| one["handleUntil"].clone())
        };
        match (until(&new), until(&old)) {
            (Some(Value::Null), Some(Value::String(_))) => Ok(list),
            _ => Err(list),
        }
    })
    .await;
    assert_eq!(list["subscriptions"].as_array().unwrap().len(), 2);

    // Both are published to; what only the new filter lets through is in the new one only.
    publish(stage, "document.ingested", "after");
    publish(stage, "document.deleted", "newly wanted");
    resyncs(&stage.emulator, 3).await;
    assert!(
        stage.emulator.subscriptions().contains(&old),
        "it holds a message from before the switch"
    );
    assert!(
        draining(&client).await.contains("its oldest message is of"),
        "{}",
        draining(&client).await
    );

    // It is emptied while Monitoring is down: nobody knows, so it stays, and that is said.
    stage.emulator.add_fault(Fault::fail(
        "MetricService.ListTimeSeries",
        Code::Unavailable,
        10_000,
    ));
    let handled = take(stage, &old).await;
    assert_eq!(handled, BTreeSet::from(["after".to_owned(), "before".to_owned()]));
    eventually("it is said that nobody knows", PATIENCE, async || {
        let message = draining(&client).await;
        if message.contains("Cloud Monitoring cannot be asked") {
            Ok(())
        } else {
            Err(message)
        }
    })
    .await;
    resyncs(&stage.emulator, 2).await;
    assert!(stage.emulator.subscriptions().contains(&old));

    stage.emulator.clear_faults();
    eventually("the old subscription goes", PATIENCE, async || {
        let left = stage.emulator.subscriptions();
        if left.contains(&old) {
            Err(draining(&client).await)
        } else {
            Ok(())
        }
    })
    .await;
    eventually("nothing drains any more", PATIENCE, async || {
        let status = look(&client).await.status.unwrap();
        if status.draining.is_empty() {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
    assert_eq!(
        take(stage, &new).await,
        BTreeSet::from(["after".to_owned(), "newly wanted".to_owned()]),
        "everything from after the switch is in the new one"
    );
    ready(&client, TENANT).await;
    tokio::time::timeout(Duration::from_secs(30), resyncs(&stage.emulator, 2))
        .await
        .unwrap();
    assert!(stage.emulator.subscriptions().contains(&new));
}
