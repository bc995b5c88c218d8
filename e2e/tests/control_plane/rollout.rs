//! A new default image goes through the fleet a few workers at a time, and a bad one stops after the first of them.

use std::{collections::BTreeMap, time::Duration};

use crds::{ConditionType, Tenant, condition};
use e2e::{
    control_plane::{ADMIN, ControlPlane, OPERATOR},
    eventually::eventually,
    pubsub::resyncs,
    stage::{self, NEVER_READY, install_crds, play_kubelet},
    tenants::{PATIENCE, apply, ready},
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use pubsub_emulator::Emulator;
use serde_json::json;

const TENANTS: usize = 6;
const AT_A_TIME: usize = 2;

/// An operator whose workers have this image by default, until it is aborted.
async fn operate(plane: &ControlPlane, emulator: &Emulator, image: &str) -> tokio::task::JoinHandle<()> {
    stage::operate(plane, emulator, json!({"visibilityLag": "2m"}), |settings| {
        image.clone_into(&mut settings.worker.image);
        settings.resync = Duration::from_secs(1);
        settings.rollout.max_concurrent = AT_A_TIME;
        settings.rollout.patience = Duration::from_secs(5);
    })
    .await
    .unwrap()
}

/// Image of each tenant's worker, and whether all of its pods are ready.
async fn workers(client: &Client) -> BTreeMap<String, (String, bool)> {
    let list = Api::<Deployment>::all(client.clone())
        .list(&ListParams::default())
        .await
        .unwrap();
    list.items
        .into_iter()
        .map(|one| {
            let live = serde_json::to_value(&one).unwrap();
            let settled = event_operator::tenant::rollout::state(&live)
                == event_operator::tenant::rollout::State::Settled;
            let image = live["spec"]["template"]["spec"]["containers"][0]["image"]
                .as_str()
                .unwrap();
            (one.namespace().unwrap(), (image.to_owned(), settled))
        })
        .collect()
}

fn with<'a>(
    workers: &'a BTreeMap<String, (String, bool)>,
    image: &'a str,
) -> impl Iterator<Item = &'a String> {
    workers
        .iter()
        .filter(move |(_, (one, _))| one == image)
        .map(|(name, _)| name)
}

/// Started again, an operator finds everything as it should be.
async fn started_again_it_writes_nothing(plane: &ControlPlane, emulator: &Emulator) {
    let before = plane.writes(OPERATOR).unwrap().len();
    emulator.clear_calls();
    let again = operate(plane, emulator, "worker:1").await;
    // The first look is at the start.
    resyncs(emulator, 3).await;
    again.abort();
    assert_eq!(plane.writes(OPERATOR).unwrap()[before..], [""; 0]);
}

/// … never more than so many at a time. Those that were broken before do not count: they keep nobody waiting.
async fn a_good_one_goes_through(plane: &ControlPlane, client: &Client, emulator: &Emulator) {
    let mut broken = workers(client).await;
    broken.retain(|_, (_, settled)| !*settled);
    let third = operate(plane, emulator, "worker:3").await;
    eventually("all have the good image", PATIENCE, async || {
        let workers = workers(client).await;
        let rolling = workers
            .iter()
            .filter(|(name, (image, settled))| image == "worker:3" && !settled && !broken.contains_key(*name))
            .count();
        assert!(rolling <= AT_A_TIME, "{rolling} at a time: {workers:#?}");
        let done = workers
            .values()
            .filter(|(image, settled)| image == "worker:3" && *settled)
            .count();
        if done == TENANTS - 1 { Ok(()) } else { Err(workers) }
    })
    .await;
    third.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_image_stops_after_the_first_wave_and_a_good_one_goes_on() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    tokio::spawn(play_kubelet(client.clone()));
    let emulator = Emulator::builder().start().await.unwrap();

    let first = operate(plane, &emulator, "worker:1").await;
    let names: Vec<_> = (0..TENANTS).map(|number| format!("roll-{number}")).collect();
    for name in &names {
        apply(&client, name, json!({"subscriptions": [{"topic": "events"}]})).await;
    }
    for name in &names {
        ready(&client, name).await;
    }
    // One of its own makes it broken before any rollout; it must not stop the others.
    apply(
        &client,
        "roll-broken",
        json!({"topics": "Listed", "subscriptions": [], "worker": {"image": format!("{NEVER_READY}:own")}}),
    )
    .await;
    eventually("the broken one was given up", PATIENCE, async || {
        let api = Api::<Tenant>::all(client.clone());
        let conditions = api
            .get("roll-broken")
            .await
            .unwrap()
            .status
            .unwrap_or_default()
            .conditions;
        let stalled =
            condition::find(&conditions, ConditionType::Stalled).is_some_and(|one| one.status == "True");
        if stalled { Ok(()) } else { Err(conditions) }
    })
    .await;
    first.abort();

    started_again_it_writes_nothing(plane, &emulator).await;

    let bad = format!("{NEVER_READY}:2");
    let second = operate(plane, &emulator, &bad).await;
    let tenants = Api::<Tenant>::all(client.clone());
    let waiting = eventually("the rollout is halted", PATIENCE, async || {
        let list = tenants.list(&ListParams::default()).await.unwrap();
        let halted = list.items.into_iter().find(|one| {
            let conditions = one.status.clone().unwrap_or_default().conditions;
            condition::find(&conditions, ConditionType::WorkerReady)
                .is_some_and(|one| one.reason == "RolloutHalted")
        });
        match halted {
            Some(one) => Ok(one),
            None => Err(workers(&client).await),
        }
    })
    .await;
    let after = workers(&client).await;
    let changed = with(&after, &bad).count();
    assert!(
        (1..=AT_A_TIME).contains(&changed),
        "{changed} workers got the bad image: {after:#?}"
    );
    let conditions = waiting.status.clone().unwrap().conditions;
    assert_eq!(
        condition::find(&conditions, ConditionType::Ready).unwrap().status,
        "True",
        "one that waits with its old worker is fine"
    );
    let message = &condition::find(&conditions, ConditionType::WorkerReady)
        .unwrap()
        .message;
    assert!(
        with(&after, &bad).any(|name| message.contains(name.as_str())),
        "{message}"
    );

    // An edit of a Tenant does not wait for the fleet.
    let edited = waiting.name_any();
    apply(
        &client,
        &edited,
        json!({"subscriptions": [{"topic": "events"}], "worker": {"image": "own:1"}}),
    )
    .await;
    eventually("the edit is applied", PATIENCE, async || {
        let workers = workers(&client).await;
        if workers[&edited].0 == "own:1" {
            Ok(())
        } else {
            Err(workers)
        }
    })
    .await;
    second.abort();

    a_good_one_goes_through(plane, &client, &emulator).await;
}
