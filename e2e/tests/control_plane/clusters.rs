//! Two clusters work in one project. Topics are shared: one cluster writes a topic, and the other compares it with its own
//! settings and reports. Neither touches what carries the stamp of the other.

use std::collections::BTreeSet;

use crds::{ConditionType, EventSubscription, Tenant};
use e2e::{
    control_plane::{ADMIN, ControlPlane},
    eventually::eventually,
    pubsub::{publish, resyncs, take, workers, writes},
    stage::{PROJECT, install_crds, operate, play_kubelet},
    tenants::{PATIENCE, apply, delete, ready, tenant_is},
};
use event_operator::subscription::ownership::key;
use kube::{Api, Client};
use pubsub_emulator::Emulator;
use serde_json::{Value, json};

const TOPIC: &str = "user-events";

struct Cluster {
    client: Client,
    operator: tokio::task::JoinHandle<()>,
    _plane: ControlPlane,
}

impl Cluster {
    async fn start(emulator: &Emulator, id: &str, region: &str) -> Self {
        let plane = ControlPlane::alone();
        let client = plane.client(ADMIN).await.unwrap();
        install_crds(&client).await.unwrap();
        tokio::spawn(play_kubelet(client.clone()));
        let keys = json!({"clusterId": id, "regions": [region], "labels": {"team": id}});
        let operator = operate(&plane, emulator, keys, |_| ()).await.unwrap();
        Self {
            client,
            operator,
            _plane: plane,
        }
    }
}

fn with(id: &str) -> Value {
    json!({"id": id, "deletionPolicy": "Delete", "subscriptions": [{"topic": TOPIC}]})
}

fn subscription(id: &str) -> String {
    format!("projects/{PROJECT}/subscriptions/living-twin-{TOPIC}-{id}-worker")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clusters_share_topics_and_neither_writes_what_is_the_others() {
    let emulator = Emulator::builder().start().await.unwrap();
    let first = Cluster::start(&emulator, "prod-eu", "europe-west1").await;
    apply(&first.client, "acme", with("acme-eu")).await;
    ready(&first.client, "acme").await;

    // The other cluster has other settings, a Tenant of the same name, and one that asks for the first one's id.
    let second = Cluster::start(&emulator, "prod-us", "us-central1").await;
    apply(&second.client, "acme", with("acme-us")).await;
    apply(&second.client, "thief", with("acme-eu")).await;
    let why = eventually("the difference is reported", PATIENCE, async || {
        let api = Api::<EventSubscription>::namespaced(second.client.clone(), "acme");
        let status = api.get_opt(TOPIC).await.unwrap().and_then(|one| one.status);
        let conditions = status.clone().unwrap_or_default().conditions;
        match crds::condition::find(&conditions, ConditionType::TopicReady) {
            Some(found) if found.reason == "TopicDiffers" => Ok(found.message.clone()),
            _ => Err(status),
        }
    })
    .await;
    assert!(why.contains("prod-eu"), "{why}");
    let refused = eventually(
        "another cluster's subscription is left alone",
        PATIENCE,
        async || {
            let api = Api::<EventSubscription>::namespaced(second.client.clone(), "thief");
            let status = api.get_opt(TOPIC).await.unwrap().and_then(|one| one.status);
            let conditions = status.clone().unwrap_or_default().conditions;
            match crds::condition::find(&conditions, ConditionType::Stalled) {
                Some(found) if found.status == "True" => Ok((found.reason.clone(), found.message.clone())),
                _ => Err(status),
            }
        },
    )
    .await;
    assert_eq!(refused.0, "ResourceConflict", "{}", refused.1);

    // Both are settled: nobody writes, at any resync, and the topic is as its own cluster asks.
    resyncs(&emulator, 4).await;
    emulator.clear_calls();
    resyncs(&emulator, 8).await;
    assert_eq!(writes(&emulator), [""; 0]);
    let topic = emulator
        .topic(&format!("projects/{PROJECT}/topics/living-twin-{TOPIC}"))
        .unwrap();
    assert_eq!(topic.labels[key::CLUSTER], "prod-eu");
    assert_eq!(topic.labels["team"], "prod-eu");
    assert_eq!(
        topic.message_storage_policy.unwrap().allowed_persistence_regions,
        ["europe-west1"]
    );

    // Each tenant's events come to it alone, and what goes in one cluster stays in the other.
    for id in ["acme-eu", "acme-us"] {
        let attributes = [("tenant_id", id), ("event_type", "user.login")];
        publish(&emulator, &format!("living-twin-{TOPIC}"), &attributes);
    }
    for name in ["thief", "acme"] {
        delete(&second.client, name).await;
    }
    let left: BTreeSet<_> = emulator.subscriptions().into_iter().collect();
    assert!(left.contains(&subscription("acme-eu")) && !left.contains(&subscription("acme-us")));
    assert_eq!(workers(&emulator, &subscription("acme-eu")).len(), 1);
    assert_eq!(take(&emulator, &subscription("acme-eu")).await.len(), 1);
    let tenant = Api::<Tenant>::all(first.client.clone())
        .get("acme")
        .await
        .unwrap();
    tenant_is(&first.client, "acme", ConditionType::Ready, None).await;
    assert_eq!(tenant.status.unwrap().binding.unwrap().cluster_id, "prod-eu");
    first.operator.abort();
    second.operator.abort();
}
