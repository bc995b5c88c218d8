//! An API server that misbehaves: it is killed and comes back, it answers nothing but 429, 503 and 500 for a while, and its
//! watches end, are late, or are told that they know too little. Whatever it does, in the end there is what is there without
//! it, and nothing was made twice on the way.

use std::{collections::BTreeMap, time::Duration};

use crds::EventSubscription;
use e2e::{
    control_plane::OPERATOR,
    eventually::eventually,
    gateway::{End, Gateway},
    portrait::{differences, own},
    pubsub::{made_and_deleted, resyncs},
    quiet::is_quiet,
    stage::{PROJECT, operate, operate_with, settings_on},
    tenants::{PATIENCE, apply, delete, gone, ready},
    world::World,
};
use event_operator::settings::Settings;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, api::DeleteParams};
use pubsub_emulator::{Emulator, Fault};
use serde_json::{Value, json};

/// What everything in Pub/Sub is called.
const PREFIX: &str = "living-twin";

fn spec(deadline: &str) -> Value {
    json!({"deletionPolicy": "Delete", "subscriptions": [
        {"topic": "user-events", "ackDeadline": deadline}, {"topic": "events", "ackDeadline": deadline},
    ]})
}

/// The operator looks often.
fn hurry(settings: &mut Settings) {
    settings.resync = Duration::from_secs(1);
}

fn worker_subscription(tenant: &str) -> String {
    format!("projects/{PROJECT}/subscriptions/{PREFIX}-user-events-{tenant}-worker")
}

/// From now on each of these takes a while, so that what happens next happens in the middle of work.
fn slow(emulator: &Emulator, method: &str) {
    emulator.add_fault(Fault {
        method: method.to_owned(),
        delay_ms: 500,
        ..Fault::default()
    });
}

/// Waits until something was made for a tenant.
async fn work_has_begun(emulator: &Emulator, tenant: &str) {
    eventually(&format!("work on {tenant} has begun"), PATIENCE, async || {
        let made = made_and_deleted(emulator);
        match made.keys().any(|what| what.contains(tenant)) {
            true => Ok(()),
            false => Err(made),
        }
    })
    .await;
}

/// Waits until an edit has come to Pub/Sub.
async fn has_deadline(emulator: &Emulator, tenant: &str, seconds: i32) {
    eventually(
        &format!("the edit of {tenant} is in Pub/Sub"),
        PATIENCE,
        async || {
            let found = emulator.subscription(&worker_subscription(tenant));
            match found.map(|one| one.ack_deadline_seconds) {
                Some(found) if found == seconds => Ok(()),
                other => Err(other),
            }
        },
    )
    .await;
}

/// Nothing was made twice, and nothing deleted but what these Tenants had, once.
fn nothing_twice_and_nobody_elses(emulator: &Emulator, deleted: &[&str]) {
    let counts = made_and_deleted(emulator);
    let wrong: BTreeMap<_, _> = counts
        .iter()
        .filter(|(what, count)| {
            let may_go = deleted.iter().any(|tenant| what.contains(&format!("-{tenant}-")));
            **count != 1 || (what.contains("Delete") && !may_go)
        })
        .collect();
    assert_eq!(wrong, BTreeMap::new(), "made twice, or deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_restarts_in_the_middle_of_work_costs_time_and_nothing_else() {
    let world = World::new().await;
    let operator = operate(&world.plane, &world.emulator, json!({}), hurry)
        .await
        .unwrap();
    for name in ["edited", "leaving"] {
        apply(&world.client, name, spec("60s")).await;
    }
    for name in ["edited", "leaving"] {
        ready(&world.client, name).await;
    }
    slow(&world.emulator, "Subscriber.CreateSubscription");
    apply(&world.client, "half-done", spec("60s")).await;
    work_has_begun(&world.emulator, "half-done").await;
    world.plane.stop_api_server().unwrap();
    // It asks Pub/Sub as before, and has nobody to tell.
    resyncs(&world.emulator, 1).await;
    world.plane.start_api_server().unwrap();

    // No watch of the operator's has come back yet.
    apply(&world.client, "edited", spec("90s")).await;
    apply(&world.client, "new", spec("60s")).await;
    Api::<crds::Tenant>::all(world.client.clone())
        .delete("leaving", &DeleteParams::default())
        .await
        .unwrap();
    for name in ["half-done", "edited", "new"] {
        ready(&world.client, name).await;
    }
    has_deadline(&world.emulator, "edited", 90).await;
    gone(&world.client, "leaving").await;

    is_quiet(&world.plane, &world.emulator).await;
    nothing_twice_and_nobody_elses(&world.emulator, &["leaving"]);
    assert!(!operator.is_finished());
    operator.abort();
}

/// How long nothing is answered, and how often a request may be tried meanwhile: kube's own retries begin with milliseconds and
/// double, and several watches ask for the same.
const STORM: Duration = Duration::from_secs(6);
const TRIES: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_refusals_is_waited_out_and_leaves_no_trace() {
    let world = World::new().await;
    let gateway = Gateway::before(&world.plane, OPERATOR).await.unwrap();
    let settings = settings_on(&world.emulator, json!({}), hurry).unwrap();
    let operator = operate_with(gateway.client().unwrap(), settings).await.unwrap();
    for name in ["calm", "edited", "leaving"] {
        apply(&world.client, name, spec("60s")).await;
    }
    for name in ["calm", "edited", "leaving"] {
        ready(&world.client, name).await;
    }
    let calm = world.portrait("calm", PREFIX).await;

    slow(&world.emulator, "Subscriber.CreateSubscription");
    apply(&world.client, "stormy", spec("60s")).await;
    work_has_begun(&world.emulator, "stormy").await;
    gateway.storm_begins();
    apply(&world.client, "edited", spec("90s")).await;
    Api::<crds::Tenant>::all(world.client.clone())
        .delete("leaving", &DeleteParams::default())
        .await
        .unwrap();
    tokio::time::sleep(STORM).await;
    let refused = gateway.refused();
    gateway.storm_ends();
    for verb in ["GET ", "WATCH ", "PATCH "] {
        assert!(
            refused.keys().any(|one| one.starts_with(verb)),
            "{verb}: {refused:#?}"
        );
    }
    assert!(refused.values().all(|tries| *tries <= TRIES), "{refused:#?}");

    for name in ["stormy", "edited"] {
        ready(&world.client, name).await;
    }
    has_deadline(&world.emulator, "edited", 90).await;
    gone(&world.client, "leaving").await;
    is_quiet(&world.plane, &world.emulator).await;
    nothing_twice_and_nobody_elses(&world.emulator, &["leaving"]);
    let stormy = world.portrait("stormy", PREFIX).await;
    assert_eq!(differences(&own(calm), &own(stormy)), Vec::<String>::new());
    assert!(!operator.is_finished());
    operator.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_end_lag_and_expire_are_made_up_for() {
    let world = World::new().await;
    let gateway = Gateway::before(&world.plane, OPERATOR).await.unwrap();
    let operator = operate_with(
        gateway.client().unwrap(),
        settings_on(&world.emulator, json!({}), hurry).unwrap(),
    )
    .await
    .unwrap();
    for name in ["bystander", "edited", "leaving"] {
        apply(&world.client, name, spec("60s")).await;
    }
    for name in ["bystander", "edited", "leaving"] {
        ready(&world.client, name).await;
    }
    let bystander = world.portrait("bystander", PREFIX).await;

    what_it_made_is_seen_late(&world, &gateway).await;
    what_others_did_is_seen_late(&world, &gateway).await;
    watches_end_again_and_again(&world, &gateway).await;
    for (name, how) in [("expired", &[End::Expired]), ("broken", &[End::Broken])] {
        gateway.end_watches(how);
        apply(&world.client, name, spec("60s")).await;
        ready(&world.client, name).await;
    }

    is_quiet(&world.plane, &world.emulator).await;
    nothing_twice_and_nobody_elses(&world.emulator, &["leaving", "short"]);
    let namespaces = Api::<Namespace>::all(world.client.clone());
    assert!(
        namespaces.get_opt("fleeting").await.unwrap().is_none(),
        "it was gone before the operator heard of it"
    );
    let after = world.portrait("bystander", PREFIX).await;
    assert_eq!(differences(&own(bystander), &own(after)), Vec::<String>::new());
    assert!(!operator.is_finished());
    operator.abort();
}

/// The operator makes objects, and its caches do not show them.
async fn what_it_made_is_seen_late(world: &World, gateway: &Gateway) {
    gateway.hold_back(&[
        "namespaces",
        "serviceaccounts",
        "configmaps",
        "deployments",
        "networkpolicies",
    ]);
    apply(&world.client, "late", spec("60s")).await;
    let subscriptions = Api::<EventSubscription>::namespaced(world.client.clone(), "late");
    eventually("it made what Pub/Sub is asked for by", PATIENCE, async || {
        subscriptions.get_opt("events").await.unwrap().ok_or("not yet")
    })
    .await;
    resyncs(&world.emulator, 2).await;
    assert_eq!(
        world.emulator.subscription(&worker_subscription("late")),
        None,
        "nobody may pull before it is known who the worker is"
    );
    gateway.hold_back(&[]);
    ready(&world.client, "late").await;
}

/// Tenants and EventSubscriptions are made, edited and deleted, and the operator hears of it later.
async fn what_others_did_is_seen_late(world: &World, gateway: &Gateway) {
    let tenants = Api::<crds::Tenant>::all(world.client.clone());
    gateway.hold_back(&["eventsubscriptions"]);
    apply(&world.client, "edited", spec("90s")).await;
    apply(&world.client, "later", spec("60s")).await;
    tenants.delete("leaving", &DeleteParams::default()).await.unwrap();
    resyncs(&world.emulator, 3).await;
    gateway.hold_back(&["tenants"]);
    // Was there only while nobody looked.
    apply(&world.client, "fleeting", spec("60s")).await;
    tenants
        .delete("fleeting", &DeleteParams::default())
        .await
        .unwrap();
    apply(&world.client, "edited", spec("30s")).await;
    resyncs(&world.emulator, 2).await;
    gateway.hold_back(&[]);
    for name in ["edited", "later"] {
        ready(&world.client, name).await;
    }
    has_deadline(&world.emulator, "edited", 30).await;
    for name in ["leaving", "fleeting"] {
        gone(&world.client, name).await;
    }
}

/// Every watch ends when it has hardly begun.
async fn watches_end_again_and_again(world: &World, gateway: &Gateway) {
    let story = async {
        apply(&world.client, "short", spec("60s")).await;
        ready(&world.client, "short").await;
        apply(&world.client, "short", spec("90s")).await;
        has_deadline(&world.emulator, "short", 90).await;
        delete(&world.client, "short").await;
    };
    let ends = async {
        let mut clock = tokio::time::interval(Duration::from_millis(200));
        loop {
            clock.tick().await;
            gateway.end_watches(&[End::Closed]);
        }
    };
    tokio::select! {
        () = story => {}
        () = ends => unreachable!("they end for ever"),
    }
}
