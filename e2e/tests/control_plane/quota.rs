//! The quota stretches a fleet's first sync; whoever edits something meanwhile does not wait for all of it.

use crds::{ConditionType, EventSubscription, condition};
use e2e::{
    control_plane::{ADMIN, ControlPlane},
    eventually::eventually,
    stage::{PROJECT, install_crds, operate, play_kubelet},
    tenants::{PATIENCE, apply, ready},
};
use kube::{Api, Client, api::ListParams};
use pubsub_emulator::Emulator;
use serde_json::json;

/// Ten calls in a second.
const CALLS_PER_MINUTE: u32 = 600;

/// Its 120 subscriptions cost four calls each: 48 seconds.
const FLEET: usize = 40;

const TOPICS: [&str; 3] = ["events", "document-events", "user-events"];

/// How many of the fleet are done.
async fn done(client: &Client) -> usize {
    let all = Api::<EventSubscription>::all(client.clone());
    let all = all.list(&ListParams::default()).await.unwrap().items;
    let is_done = |one: &&EventSubscription| {
        let of_fleet = one.spec.tenant_ref.name.starts_with("fleet-");
        let status = one.status.as_ref();
        of_fleet
            && status.is_some_and(|status| {
                condition::holds(&status.conditions, ConditionType::Ready, one.metadata.generation)
            })
    };
    all.iter().filter(is_done).count()
}

fn subscription(tenant: &str) -> String {
    format!("projects/{PROJECT}/subscriptions/living-twin-query-events-{tenant}-worker")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it races the API server against the quota, which needs a machine that does nothing else: make test-long"]
async fn an_edit_goes_before_the_rest_of_a_fleet() {
    let plane = ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let emulator = Emulator::builder().start().await.unwrap();
    let operator = operate(&plane, &emulator, json!({}), |settings| {
        settings.admin_calls_per_minute = CALLS_PER_MINUTE;
        settings.resync = PATIENCE;
    })
    .await
    .unwrap();
    let kubelet = tokio::spawn(play_kubelet(client.clone()));
    let one = |deadline: &str| json!({"subscriptions": [{"topic": "query-events", "ackDeadline": deadline}]});
    apply(&client, "early", one("60s")).await;
    ready(&client, "early").await;

    let topics: Vec<_> = TOPICS.iter().map(|topic| json!({"topic": topic})).collect();
    for number in 0..FLEET {
        apply(
            &client,
            &format!("fleet-{number}"),
            json!({"subscriptions": topics, "suspended": true}),
        )
        .await;
    }
    eventually("some of the fleet are done", PATIENCE, async || {
        match done(&client).await {
            0 => Err("none"),
            _ => Ok(()),
        }
    })
    .await;

    apply(&client, "early", one("90s")).await;
    apply(&client, "late", one("60s")).await;
    let before = done(&client).await;
    eventually(
        "the edit and the latecomer are in Pub/Sub",
        PATIENCE,
        async || {
            let edited = emulator
                .subscription(&subscription("early"))
                .unwrap()
                .ack_deadline_seconds;
            let is_there = emulator.subscription(&subscription("late")).is_some();
            if edited == 90 && is_there {
                Ok(())
            } else {
                Err((edited, is_there))
            }
        },
    )
    .await;
    let meanwhile = done(&client).await - before;
    let rest = FLEET * TOPICS.len() - before;
    // Those that were being worked on, whose calls wait for the same quota, and some whose turn it was by rotation. In the
    // order in which they came it would be nearly all.
    assert!(
        rest > 60 && meanwhile * 2 < rest,
        "{rest} were not done before the edit, and {meanwhile} of them before it was carried out"
    );
    operator.abort();
    kubelet.abort();
}
