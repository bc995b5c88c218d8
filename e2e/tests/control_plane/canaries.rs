//! Workers at zero prove nothing about a new image: those that run take it first.

use std::{collections::BTreeMap, time::Duration};

use crds::ConditionType;
use e2e::{
    control_plane::{ADMIN, ControlPlane},
    eventually::eventually,
    pubsub::resyncs,
    stage::{NEVER_READY, install_crds, operate, play_kubelet},
    tenants::{PATIENCE, apply, ready, tenant_is},
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use pubsub_emulator::Emulator;
use serde_json::json;

/// An operator whose workers have this image by default, until it is aborted.
async fn with_image(plane: &ControlPlane, emulator: &Emulator, image: &str) -> tokio::task::JoinHandle<()> {
    operate(plane, emulator, json!({}), |settings| {
        image.clone_into(&mut settings.worker.image);
        settings.resync = Duration::from_secs(1);
        settings.rollout.patience = Duration::from_secs(5);
    })
    .await
    .unwrap()
}

async fn images(client: &Client) -> BTreeMap<String, String> {
    let list = Api::<Deployment>::all(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    let image = |one: &Deployment| {
        let spec = one.spec.as_ref()?.template.spec.as_ref()?;
        spec.containers.first()?.image.clone()
    };
    list.items
        .iter()
        .map(|one| (one.namespace().unwrap(), image(one).unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_image_reaches_none_that_sleeps_and_a_good_one_reaches_all() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let kubelet = tokio::spawn(play_kubelet(client.clone()));
    let emulator = Emulator::builder().start().await.unwrap();
    let first = with_image(plane, &emulator, "worker:1").await;
    let (canary, sleepers) = ("sings", ["sleeps-1", "sleeps-2", "sleeps-3"]);
    apply(&client, canary, json!({"subscriptions": [{"topic": "events"}]})).await;
    ready(&client, canary).await;
    for name in sleepers {
        apply(
            &client,
            name,
            json!({"topics": "Listed", "subscriptions": [], "suspended": true}),
        )
        .await;
        tenant_is(&client, name, ConditionType::Suspended, None).await;
    }
    first.abort();

    let bad = with_image(plane, &emulator, &format!("{NEVER_READY}:2")).await;
    eventually("the canary has it", PATIENCE, async || {
        let images = images(&client).await;
        if images[canary].contains(NEVER_READY) {
            Ok(())
        } else {
            Err(images)
        }
    })
    .await;
    // Each is looked at several times, until long after the canary was given up.
    resyncs(&emulator, 8).await;
    let now = images(&client).await;
    for name in sleepers {
        assert_eq!(now[name], "worker:1", "{now:?}");
    }
    bad.abort();

    let good = with_image(plane, &emulator, "worker:3").await;
    eventually("all have the good one", PATIENCE, async || {
        let images = images(&client).await;
        match images.values().all(|image| image == "worker:3") {
            true => Ok(()),
            false => Err(images),
        }
    })
    .await;
    good.abort();
    kubelet.abort();
}
