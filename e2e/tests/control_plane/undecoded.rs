//! An object of a later version, after the CRD was rolled back: nothing is enforced for it, it says so, and it can go.

use std::time::Duration;

use crds::{ConditionType, EventSubscription, Tenant};
use e2e::{
    control_plane::{ADMIN, ControlPlane},
    eventually::eventually,
    pubsub::resyncs,
    stage::{PROJECT, install_crds, operate, play_kubelet},
    tenants::{PATIENCE, apply, ready},
};
use k8s_openapi::{
    api::apps::v1::Deployment,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt as _, Resource, ResourceExt as _,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
};
use pubsub_emulator::Emulator;
use serde_json::{Value, json};

/// Writes into an object what its schema does not allow.
async fn write_past<K>(client: &Client, namespace: Option<&str>, name: &str, patch: Value)
where
    K: Resource<DynamicType = ()> + kube::CustomResourceExt,
{
    let mut loose = K::crd();
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    loose.spec.versions[0].schema = serde_json::from_value(schema).unwrap();
    Api::<CustomResourceDefinition>::all(client.clone())
        .patch(
            K::crd_name(),
            &PatchParams::apply("test").force(),
            &Patch::Apply(&loose),
        )
        .await
        .unwrap();
    let resource = K::api_resource();
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    // The API server takes a moment to believe it.
    eventually("it is stored", PATIENCE, async || {
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
    })
    .await;
    install_crds(client).await.unwrap();
}

/// Waits until it is stalled, and gives the message. Read past its type, which cannot hold it.
async fn stalled<K>(client: &Client, namespace: Option<&str>, name: &str) -> String
where
    K: Resource<DynamicType = ()> + kube::CustomResourceExt,
{
    let resource = K::api_resource();
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    eventually(&format!("{name} is stalled"), PATIENCE, async || {
        let one = api.get(name).await.unwrap();
        let conditions = one.data["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let found = conditions.iter().find(|one| {
            one["type"] == ConditionType::Stalled.as_str()
                && one["status"] == "True"
                && one["reason"] == "InvalidSpec"
        });
        found
            .map(|one| one["message"].as_str().unwrap().to_owned())
            .ok_or(conditions)
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_read_is_left_alone_says_so_and_can_be_deleted() {
    let plane = ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let emulator = Emulator::builder().start().await.unwrap();
    let operator = operate(&plane, &emulator, json!({}), |settings| {
        settings.resync = Duration::from_secs(1);
    })
    .await
    .unwrap();
    let kubelet = tokio::spawn(play_kubelet(client.clone()));
    let tenant = "from-tomorrow";
    let spec = json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "events"}]});
    apply(&client, tenant, spec.clone()).await;
    ready(&client, tenant).await;
    let name = format!("projects/{PROJECT}/subscriptions/living-twin-events-{tenant}-worker");

    // One of its EventSubscriptions: it goes when asked, and comes back as its Tenant says.
    let children = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    let before = children.get("events").await.unwrap().uid();
    let later = json!({"spec": {"ackDeadline": {"at": "most"}}});
    write_past::<EventSubscription>(&client, Some(tenant), "events", later).await;
    let message = stalled::<EventSubscription>(&client, Some(tenant), "events").await;
    assert!(message.contains("spec.ackDeadline"), "{message}");
    let raw =
        Api::<DynamicObject>::namespaced_with(client.clone(), tenant, &EventSubscription::api_resource());
    raw.delete("events", &DeleteParams::default()).await.unwrap();
    eventually("it is made again", PATIENCE, async || {
        let one = raw.get_opt("events").await.unwrap().and_then(|one| one.uid());
        if one.is_some() && one != before {
            Ok(())
        } else {
            Err(one)
        }
    })
    .await;
    ready(&client, tenant).await;
    assert!(emulator.subscription(&name).is_some());

    // The Tenant itself: neither a later spec nor the one before is enforced.
    let later = json!({"spec": {"deletionPolicy": "Archive", "worker": {"image": 7}}});
    write_past::<Tenant>(&client, None, tenant, later).await;
    let message = stalled::<Tenant>(&client, None, tenant).await;
    assert!(
        message.contains("spec.worker") && message.contains("spec.deletionPolicy"),
        "{message}"
    );
    let deployments = Api::<Deployment>::namespaced(client.clone(), tenant);
    deployments
        .patch(
            "event-worker",
            &PatchParams::default(),
            &Patch::Merge(json!({"spec": {"replicas": 0}})),
        )
        .await
        .unwrap();
    // The others go on meanwhile.
    apply(&client, "of-today", spec.clone()).await;
    ready(&client, "of-today").await;
    resyncs(&emulator, 3).await;
    let replicas = deployments
        .get("event-worker")
        .await
        .unwrap()
        .spec
        .unwrap()
        .replicas;
    assert_eq!(replicas, Some(0), "nothing is enforced");

    let raw = Api::<DynamicObject>::all_with(client.clone(), &Tenant::api_resource());
    raw.delete(tenant, &DeleteParams::default()).await.unwrap();
    // Read past its type, which cannot hold it.
    eventually("it is gone", PATIENCE, async || {
        match raw.get_opt(tenant).await.unwrap() {
            None => Ok(()),
            Some(left) => Err(left.data["status"].clone()),
        }
    })
    .await;
    let kept = emulator.subscription(&name).unwrap();
    assert!(
        kept.labels.contains_key("event-operator-released-at"),
        "a policy that cannot be read is Retain: {:?}",
        kept.labels
    );
    operator.abort();
    kubelet.abort();
}
