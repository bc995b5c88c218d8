//! A platform engineer pauses a Tenant, repairs what they want by hand, and lets it go on.

use std::time::Duration;

use crds::{ConditionType, EventSubscription, Tenant, condition, label};
use e2e::{
    eventually::eventually,
    pubsub::resyncs,
    stage::{PROJECT, Stage},
    tenants::{PATIENCE, apply, condition_of, gone, ready, tenant_is},
};
use event_operator::status::Truth;
use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

async fn pause(client: &Client, tenant: &str, paused: bool) {
    let value = paused.then_some("true");
    let patch = json!({"metadata": {"annotations": {label::PAUSE: value}}});
    Api::<Tenant>::all(client.clone())
        .patch(tenant, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// Waits until the condition of the Tenant says this much.
async fn says(client: &Client, tenant: &str, what: ConditionType, truth: Truth, word: &str) -> Condition {
    condition_of(client, tenant, what, &format!("says {word:?}"), |one| {
        one.status == truth.as_str() && one.message.contains(word)
    })
    .await
}

fn deadline(stage: &Stage, tenant: &str) -> Option<i32> {
    let name = format!("projects/{PROJECT}/subscriptions/living-twin-events-{tenant}-worker");
    stage
        .emulator
        .subscription(&name)
        .map(|one| one.ack_deadline_seconds)
}

fn spec(seconds: i32) -> Value {
    json!({"subscriptions": [{"topic": "events", "ackDeadline": format!("{seconds}s")}]})
}

#[tokio::test]
async fn nothing_is_written_for_who_is_paused_and_everything_at_once_when_it_goes_on() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "rests-awhile";
    apply(&client, tenant, spec(60)).await;
    ready(&client, tenant).await;
    says(&client, tenant, ConditionType::Paused, Truth::False, "").await;

    pause(&client, tenant, true).await;
    says(
        &client,
        tenant,
        ConditionType::Paused,
        Truth::True,
        "Nothing differs",
    )
    .await;
    tenant_is(&client, tenant, ConditionType::Ready, None).await;
    let subscriptions = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    eventually("its EventSubscription says so too", PATIENCE, async || {
        let one = subscriptions.get("events").await.unwrap();
        let conditions = one.status.unwrap_or_default().conditions;
        match condition::holds(&conditions, ConditionType::Paused, one.metadata.generation) {
            true => Ok(()),
            false => Err(conditions),
        }
    })
    .await;

    // Edits, drift in Kubernetes and drift in Pub/Sub are told and left.
    apply(&client, tenant, spec(90)).await;
    let message = says(
        &client,
        tenant,
        ConditionType::Paused,
        Truth::True,
        "apply EventSubscription",
    )
    .await
    .message;
    assert!(message.contains("rests-awhile/events"), "{message}");
    let ready_says = says(&client, tenant, ConditionType::Ready, Truth::False, "paused").await;
    assert_eq!(ready_says.reason, "Paused");
    let deployments = Api::<Deployment>::namespaced(client.clone(), tenant);
    let scale = json!({"spec": {"replicas": 0}});
    deployments
        .patch("event-worker", &PatchParams::default(), &Patch::Merge(scale))
        .await
        .unwrap();
    says(
        &client,
        tenant,
        ConditionType::Paused,
        Truth::True,
        "apply Deployment",
    )
    .await;
    subscriptions
        .delete("events", &DeleteParams::default())
        .await
        .unwrap();
    resyncs(&stage.emulator, 2).await;
    let left = subscriptions.get("events").await.unwrap();
    assert!(left.metadata.deletion_timestamp.is_some(), "its deletion waits");
    let conditions = left.status.unwrap().conditions;
    let waits = condition::find(&conditions, ConditionType::Ready).unwrap();
    assert_eq!(waits.reason, "Paused", "{waits:?}");
    assert_eq!(deadline(stage, tenant), Some(60));
    let replicas = deployments
        .get("event-worker")
        .await
        .unwrap()
        .spec
        .unwrap()
        .replicas;
    assert_eq!(replicas, Some(0));

    let asked = std::time::Instant::now();
    pause(&client, tenant, false).await;
    ready(&client, tenant).await;
    assert_eq!(deadline(stage, tenant), Some(90));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(20), "it went on after {took:?}");
    says(&client, tenant, ConditionType::Paused, Truth::False, "").await;
}

#[tokio::test]
async fn a_paused_tenant_is_not_made_and_does_not_go_until_it_goes_on() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "paused-first";
    let api = Api::<Tenant>::all(client.clone());
    let object = json!({
        "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant",
        "metadata": {"name": tenant, "annotations": {label::PAUSE: "true"}}, "spec": spec(60),
    });
    api.patch(
        tenant,
        &PatchParams::apply("pauser").force(),
        &Patch::Apply(object),
    )
    .await
    .unwrap();
    let message = says(
        &client,
        tenant,
        ConditionType::Paused,
        Truth::True,
        "Would be written",
    )
    .await
    .message;
    assert!(message.contains("apply Namespace paused-first"), "{message}");
    assert_eq!(deadline(stage, tenant), None);
    assert!(
        stage
            .plane
            .writes("event-operator")
            .unwrap()
            .iter()
            .all(|write| !write.contains("/namespaces/paused-first"))
    );

    pause(&client, tenant, false).await;
    ready(&client, tenant).await;
    pause(&client, tenant, true).await;
    says(
        &client,
        tenant,
        ConditionType::Paused,
        Truth::True,
        "Nothing differs",
    )
    .await;
    api.delete(tenant, &DeleteParams::default()).await.unwrap();
    let waits = says(&client, tenant, ConditionType::Ready, Truth::False, "paused").await;
    assert_eq!(waits.reason, "Paused");
    assert_eq!(deadline(stage, tenant), Some(60));
    pause(&client, tenant, false).await;
    gone(&client, tenant).await;
}
