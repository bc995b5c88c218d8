//! A Tenant that goes leaves nobody with a right to its messages, whatever became of its EventSubscriptions before.

use std::collections::BTreeSet;

use crds::{ConditionType, EventSubscription, label};
use e2e::{
    eventually::eventually,
    pubsub::workers,
    stage::{PROJECT, Stage},
    tenants::{PATIENCE, apply, delete, ready, tenant_is},
};
use event_operator::subscription::ownership::key;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

async fn annotate_all(api: &Api<EventSubscription>) {
    let abandon = json!({"metadata": {"annotations": {label::ABANDON: "true"}}});
    for name in ["user-events", "events"] {
        api.patch(name, &PatchParams::default(), &Patch::Merge(&abandon))
            .await
            .unwrap();
    }
}

/// Who may pull what this tenant has on a topic, and whether it was let go.
fn state(stage: &Stage, tenant: &str, topic: &str) -> (BTreeSet<String>, bool) {
    let name = format!("projects/{PROJECT}/subscriptions/living-twin-{topic}-{tenant}-worker");
    let found = stage.emulator.subscription(&name).unwrap();
    let released = found.labels.contains_key(key::RELEASED_AT);
    (workers(&stage.emulator, &name), released)
}

fn two() -> Value {
    json!({"subscriptions": [{"topic": "user-events"}, {"topic": "events"}]})
}

#[tokio::test]
async fn what_was_abandoned_is_let_go_with_its_tenant_and_taken_back_with_it() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "abandons";
    apply(&client, tenant, two()).await;
    ready(&client, tenant).await;
    annotate_all(&Api::namespaced(client.clone(), tenant)).await;
    for topic in ["user-events", "events"] {
        let (workers, released) = state(stage, tenant, topic);
        assert!(workers.len() == 1 && !released, "{topic}: {workers:?} {released}");
    }

    delete(&client, tenant).await;
    for topic in ["user-events", "events"] {
        assert_eq!(state(stage, tenant, topic), (BTreeSet::new(), true), "{topic}");
    }

    apply(&client, tenant, two()).await;
    ready(&client, tenant).await;
    for topic in ["user-events", "events"] {
        let (workers, released) = state(stage, tenant, topic);
        assert!(workers.len() == 1 && !released, "{topic}: {workers:?} {released}");
    }
}

#[tokio::test]
async fn what_nothing_asks_for_any_more_is_let_go_while_its_tenant_lives() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "leaves-one";
    apply(&client, tenant, two()).await;
    ready(&client, tenant).await;
    annotate_all(&Api::namespaced(client.clone(), tenant)).await;
    let one =
        json!({"topics": "Listed", "subscriptions": [{"topic": "user-events"}], "deletionPolicy": "Delete"});
    apply(&client, tenant, one).await;
    eventually(
        "the worker's right to what was left is gone",
        PATIENCE,
        async || {
            let left = state(stage, tenant, "events");
            if left == (BTreeSet::new(), true) {
                Ok(())
            } else {
                Err(left)
            }
        },
    )
    .await;
    let (workers, released) = state(stage, tenant, "user-events");
    assert!(workers.len() == 1 && !released, "{workers:?} {released}");

    apply(&client, tenant, two()).await;
    eventually("it is taken up again", PATIENCE, async || {
        let (workers, released) = state(stage, tenant, "events");
        if workers.len() == 1 && !released {
            Ok(())
        } else {
            Err((workers, released))
        }
    })
    .await;
}

#[tokio::test]
async fn a_namespace_that_was_taken_away_takes_no_right_along() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "loses-namespace";
    apply(&client, tenant, two()).await;
    ready(&client, tenant).await;
    let relabel = json!({"metadata": {"labels": {label::TENANT: "somebody-else"}}});
    Api::<Namespace>::all(client.clone())
        .patch(tenant, &PatchParams::default(), &Patch::Merge(relabel))
        .await
        .unwrap();
    tenant_is(&client, tenant, ConditionType::Stalled, Some("NamespaceConflict")).await;

    delete(&client, tenant).await;
    for topic in ["user-events", "events"] {
        assert_eq!(state(stage, tenant, topic), (BTreeSet::new(), true), "{topic}");
    }
}
