//! A Tenant that goes takes nothing along that is somebody else's, and nothing of somebody else's holds it.

use e2e::{
    control_plane::{ADMIN, ControlPlane, LIMITED},
    eventually::eventually,
    process::Operator,
    stage::{Stage, install_crds, play_kubelet},
    tenants::{PATIENCE, apply, delete, ready},
};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace, Pod, Secret},
    events::v1::Event,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use pubsub_emulator::Emulator;
use serde_json::{Value, json};

use super::rights::bind;

fn one() -> Value {
    json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "events"}]})
}

async fn create<K>(client: &Client, namespace: &str, object: Value) -> K
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + serde::de::DeserializeOwned
        + serde::Serialize
        + Clone
        + std::fmt::Debug,
{
    let object = serde_json::from_value(object).unwrap();
    Api::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &object)
        .await
        .unwrap()
}

/// What the operator says about a Tenant's namespace.
async fn note(client: &Client, tenant: &str) -> String {
    let events = Api::<Event>::all(client.clone());
    let params = ListParams::default().fields(&format!("regarding.name={tenant},reason=NamespaceStays"));
    eventually("it is said that the namespace stays", PATIENCE, async || {
        let found = events.list(&params).await.unwrap().items;
        found
            .first()
            .and_then(|event| event.note.clone())
            .ok_or("no event")
    })
    .await
}

async fn is_there(client: &Client, namespace: &str) -> bool {
    let namespaces = Api::<Namespace>::all(client.clone());
    let found = namespaces.get_opt(namespace).await.unwrap();
    found.is_some_and(|one| one.metadata.deletion_timestamp.is_none())
}

#[tokio::test]
async fn a_namespace_stays_with_what_others_put_into_it() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "leaves-things";
    apply(&client, tenant, one()).await;
    ready(&client, tenant).await;
    create::<Secret>(&client, tenant, json!({"metadata": {"name": "theirs"}})).await;
    create::<ConfigMap>(&client, tenant, json!({"metadata": {"name": "theirs"}})).await;
    delete(&client, tenant).await;

    let note = note(&client, tenant).await;
    assert!(note.ends_with("kubectl delete namespace leaves-things"), "{note}");
    assert!(is_there(&client, tenant).await);
    for left in [
        Api::<Secret>::namespaced(client.clone(), tenant)
            .get_metadata_opt("theirs")
            .await
            .unwrap()
            .is_some(),
        Api::<ConfigMap>::namespaced(client.clone(), tenant)
            .get_metadata_opt("theirs")
            .await
            .unwrap()
            .is_some(),
    ] {
        assert!(left);
    }
    // And its own comes back into it.
    apply(&client, tenant, one()).await;
    ready(&client, tenant).await;
}

#[tokio::test]
async fn where_it_is_asked_for_an_empty_namespace_goes_and_no_other() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let kubelet = tokio::spawn(play_kubelet(client.clone()));
    // With no more rights than the chart grants for it.
    bind(&client, &["--set", "config.deleteNamespaces=true"]).await;
    let emulator = Emulator::builder().start().await.unwrap();
    let keys = json!({"visibilityLag": "0s", "resync": "10s", "deleteNamespaces": true});
    let operator = Operator::start_with(plane, LIMITED, &emulator, "event-operator", keys).unwrap();
    for tenant in ["full", "empty"] {
        apply(&client, tenant, one()).await;
        ready(&client, tenant).await;
    }
    create::<Secret>(&client, "full", json!({"metadata": {"name": "theirs"}})).await;
    delete(&client, "full").await;
    delete(&client, "empty").await;

    let note = note(&client, "full").await;
    assert!(
        note.contains("Secret theirs") && note.ends_with("kubectl delete namespace full"),
        "{note}"
    );
    assert!(is_there(&client, "full").await);
    eventually("the empty one goes", PATIENCE, async || {
        match is_there(&client, "empty").await {
            false => Ok(()),
            true => Err(operator.log()),
        }
    })
    .await;
    kubelet.abort();
}

/// It carries the worker's label, as anybody's pod may.
fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "event-worker"}},
        "spec": {"restartPolicy": "Never", "containers": [{
            "name": "main", "image": "job:1",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        }]},
    })
}

#[tokio::test]
async fn a_pod_that_only_looks_like_a_worker_holds_nobody() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "has-jobs";
    apply(&client, tenant, one()).await;
    ready(&client, tenant).await;
    let pods = Api::<Pod>::namespaced(client.clone(), tenant);
    for (name, phase) in [
        ("runs", "Running"),
        ("is-done", "Succeeded"),
        ("has-failed", "Failed"),
    ] {
        create::<Pod>(&client, tenant, pod(name)).await;
        let status = json!({"status": {"phase": phase}});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
            .await
            .unwrap();
    }
    delete(&client, tenant).await;
    for name in ["runs", "is-done", "has-failed"] {
        assert!(pods.get_opt(name).await.unwrap().is_some(), "{name} is gone");
    }
}
