//! EventSubscriptions that are deleted by somebody other than their Tenant: a garbage collector after a restore, or a hand.

use crds::{EventSubscription, label};
use e2e::{
    control_plane::{ADMIN, ControlPlane},
    eventually::eventually,
    pubsub,
    stage::{PROJECT, Stage, install_crds, operate, play_kubelet},
    tenants::{PATIENCE, apply, ready},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use pubsub_emulator::Emulator;
use serde_json::{Value, json};

fn name(tenant: &str, topic: &str) -> String {
    format!("projects/{PROJECT}/subscriptions/living-twin-{topic}-{tenant}-worker")
}

fn publish(emulator: &Emulator, tenant: &str, count: usize) {
    let attributes = [("tenant_id", tenant), ("event_type", "user.login")];
    for _ in 0..count {
        pubsub::publish(emulator, "living-twin-user-events", &attributes);
    }
}

fn backlog(emulator: &Emulator, tenant: &str) -> Option<usize> {
    let stats = emulator.stats(&name(tenant, "user-events"));
    stats.ok().map(|one| one.backlog)
}

/// Waits until there is another object of this name, which is not being deleted.
async fn is_made_again(api: &Api<EventSubscription>, name: &str, before: &str) {
    eventually(&format!("{name} is made again"), PATIENCE, async || {
        match api.get_opt(name).await.unwrap() {
            Some(one) if one.uid().as_deref() != Some(before) => Ok(()),
            other => Err(other.map(|one| one.metadata)),
        }
    })
    .await;
}

fn delete_all() -> Value {
    json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "user-events"}]})
}

/// A backup is restored: owner references name a uid of before, and the garbage collector takes what they stand on.
#[tokio::test]
async fn what_the_garbage_collector_takes_after_a_restore_keeps_its_messages() {
    let plane = ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let emulator = Emulator::builder().start().await.unwrap();
    let kubelet = tokio::spawn(play_kubelet(client.clone()));
    let operator = operate(&plane, &emulator, json!({}), |_| ()).await.unwrap();
    let tenant = "restored";
    apply(&client, tenant, delete_all()).await;
    ready(&client, tenant).await;
    publish(&emulator, tenant, 3);
    operator.abort();

    let api = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    let one = api.get("user-events").await.unwrap();
    let mut owners = one.owner_references().to_vec();
    owners[0].uid = "00000000-0000-0000-0000-000000000000".to_owned();
    let stale = json!({"metadata": {"ownerReferences": owners}});
    api.patch("user-events", &PatchParams::default(), &Patch::Merge(stale))
        .await
        .unwrap();
    eventually("the garbage collector takes it", PATIENCE, async || {
        let one = api.get("user-events").await.unwrap();
        one.metadata.deletion_timestamp.clone().ok_or(one.metadata)
    })
    .await;

    let operator = operate(&plane, &emulator, json!({}), |_| ()).await.unwrap();
    is_made_again(&api, "user-events", &one.uid().unwrap()).await;
    ready(&client, tenant).await;
    assert_eq!(
        backlog(&emulator, tenant),
        Some(3),
        "in the very same subscription"
    );
    let deleted = emulator
        .calls()
        .iter()
        .filter(|call| call.method == "Subscriber.DeleteSubscription")
        .count();
    assert_eq!(deleted, 0);
    operator.abort();
    kubelet.abort();
}

#[tokio::test]
async fn a_hand_deletes_nothing_that_the_tenant_asks_for_and_all_that_it_does_not() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "has-hands";
    apply(&client, tenant, delete_all()).await;
    ready(&client, tenant).await;
    publish(&stage.emulator, tenant, 3);
    let api = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    let before = api.get("user-events").await.unwrap().uid().unwrap();
    api.delete("user-events", &DeleteParams::default()).await.unwrap();
    is_made_again(&api, "user-events", &before).await;
    ready(&client, tenant).await;
    assert_eq!(backlog(&stage.emulator, tenant), Some(3));
    let labels = stage
        .emulator
        .subscription(&name(tenant, "user-events"))
        .unwrap()
        .labels;
    assert!(!labels.contains_key("event-operator-released-at"), "{labels:?}");

    // The same by hand, of a topic that the Tenant asks for: the generated one is its heir.
    let by_hand = |topic: &str| -> EventSubscription {
        serde_json::from_value(json!({
            "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "EventSubscription",
            "metadata": {"name": "by-hand"},
            "spec": {"tenantRef": {"name": tenant}, "topic": topic, "deletionPolicy": "Delete"},
        }))
        .unwrap()
    };
    let make = async |topic: &str| {
        api.create(&PostParams::default(), &by_hand(topic)).await.unwrap();
        eventually("it is ready", PATIENCE, async || {
            let one = api.get("by-hand").await.unwrap();
            let conditions = one.status.unwrap_or_default().conditions;
            let is_ready =
                crds::condition::holds(&conditions, crds::ConditionType::Ready, one.metadata.generation);
            if is_ready { Ok(()) } else { Err(conditions) }
        })
        .await;
    };
    let remove = async || {
        api.delete("by-hand", &DeleteParams::default()).await.unwrap();
        eventually("it is gone", PATIENCE, async || {
            match api.get_opt("by-hand").await.unwrap() {
                None => Ok(()),
                Some(one) => Err(one.status),
            }
        })
        .await;
    };
    make("user-events").await;
    remove().await;
    eventually("the Tenant makes its own again", PATIENCE, async || {
        let one = api.get_opt("user-events").await.unwrap();
        one.filter(|one| one.labels().contains_key(label::GENERATED))
            .ok_or("not yet")
    })
    .await;
    ready(&client, tenant).await;
    assert_eq!(backlog(&stage.emulator, tenant), Some(3));

    // What the Tenant does not ask for goes by its policy.
    make("system-events").await;
    assert!(
        stage
            .emulator
            .subscription(&name(tenant, "system-events"))
            .is_some()
    );
    remove().await;
    assert!(
        stage
            .emulator
            .subscription(&name(tenant, "system-events"))
            .is_none()
    );
}
