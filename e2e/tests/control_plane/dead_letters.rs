//! A message that could not be handled: `kubectl get` says so within a resync, and stops to say so when it is taken.

use crds::{ConditionType, EventSubscription, condition};
use e2e::{
    eventually::eventually,
    pubsub::{publish, take},
    stage::{PROJECT, Stage},
    tenants::{PATIENCE, apply, ready},
};
use kube::{Api, Client};
use serde_json::json;

const TENANT: &str = "has-dead-letters";

async fn say(client: &Client, status: &str, message: &str) {
    let api = Api::<EventSubscription>::namespaced(client.clone(), TENANT);
    eventually(&format!("DeadLettersPresent is {status}"), PATIENCE, async || {
        let conditions = api.get("events").await.unwrap().status.unwrap().conditions;
        let said = condition::find(&conditions, ConditionType::DeadLettersPresent).unwrap();
        let is_ready = condition::find(&conditions, ConditionType::Ready).unwrap().status == "True";
        let as_wanted = said.status == status && said.message.contains(message) && is_ready;
        if as_wanted { Ok(()) } else { Err(conditions) }
    })
    .await;
}

#[tokio::test]
async fn dead_letters_are_said_until_they_are_taken() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    apply(&client, TENANT, json!({"subscriptions": [{"topic": "events"}]})).await;
    ready(&client, TENANT).await;
    say(&client, "False", "").await;
    let attributes = [("tenant_id", TENANT)];
    publish(&stage.emulator, "living-twin-events-dlq", &attributes);
    let id = format!("living-twin-events-{TENANT}-dlq");
    say(&client, "True", &id).await;
    let taken = take(&stage.emulator, &format!("projects/{PROJECT}/subscriptions/{id}")).await;
    assert_eq!(taken.len(), 1);
    say(&client, "False", "").await;
}
