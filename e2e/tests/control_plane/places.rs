//! Names and settings are edited: what is in Pub/Sub stays where it is and goes on, until somebody asks for the move; and
//! another id is another customer, whatever the Tenant is called.

use std::collections::BTreeSet;

use crds::{ConditionType, EventSubscription, Tenant, condition, label};
use e2e::{
    control_plane::{ADMIN, ControlPlane, OPERATOR},
    eventually::eventually,
    pubsub::{self, resyncs, workers},
    stage::{self, PROJECT, Stage, install_crds, play_kubelet},
    tenants::{PATIENCE, apply, condition_of, delete, ready, tenant_is},
};
use event_operator::subscription::ownership::{Role, key};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use pubsub_emulator::{Code, Emulator, Fault};
use serde_json::{Value, json};

const TOPIC: &str = "user-events";

fn one() -> Value {
    json!({"subscriptions": [{"topic": TOPIC}]})
}

fn subscription(project: &str, prefix: &str, id: &str) -> String {
    format!("projects/{project}/subscriptions/{prefix}-{TOPIC}-{id}-worker")
}

fn publish(emulator: &Emulator, prefix: &str, tenant: &str) {
    let attributes = [("tenant_id", tenant), ("event_type", "user.login")];
    pubsub::publish(emulator, &format!("{prefix}-{TOPIC}"), &attributes);
}

async fn annotate(client: &Client, tenant: &str, key: &str, value: &str) {
    let patch = json!({"metadata": {"annotations": {key: value}}});
    Api::<Tenant>::all(client.clone())
        .patch(tenant, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// The worker's list: each subscription's name, and until when it is handled.
async fn list(client: &Client, namespace: &str) -> Vec<(String, Option<String>)> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let map = maps.get("event-worker").await.unwrap().data.unwrap();
    let list: Value = serde_json::from_str(&map["subscriptions.json"]).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = list["subscriptions"].as_array().unwrap().iter();
    all.map(|one| (text(&one["name"]).unwrap(), text(&one["handleUntil"])))
        .collect()
}

async fn in_place(client: &Client, tenant: &str, reason: &str, named: &[&str]) {
    let so = format!("is so for {reason}");
    condition_of(client, tenant, ConditionType::InPlace, &so, |found| {
        found.reason == reason && named.iter().all(|one| found.message.contains(one))
    })
    .await;
}

#[tokio::test]
async fn a_tenant_of_the_same_name_and_another_id_gets_nothing_of_the_one_before() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let name = "renamed-customer";
    let with = |id: &str| {
        let mut spec = one();
        spec["id"] = json!(id);
        spec
    };
    apply(&client, name, with("cust-1")).await;
    ready(&client, name).await;
    let old = subscription(PROJECT, "living-twin", "cust-1");
    publish(&stage.emulator, "living-twin", "cust-1");
    delete(&client, name).await;
    assert_eq!(workers(&stage.emulator, &old), BTreeSet::new());

    // Well within retainFor. The adopt annotation is for what is hand-made, and no way to another customer's messages.
    apply(&client, name, with("cust-2")).await;
    annotate(&client, name, label::ADOPT, "true").await;
    ready(&client, name).await;
    resyncs(&stage.emulator, 2).await;
    let new = subscription(PROJECT, "living-twin", "cust-2");
    let pulled: Vec<_> = list(&client, name).await.into_iter().map(|one| one.0).collect();
    assert_eq!(pulled, std::slice::from_ref(&new));
    assert_eq!(workers(&stage.emulator, &old), BTreeSet::new());
    assert_eq!(workers(&stage.emulator, &new).len(), 1);
    let kept = stage.emulator.subscription(&old).unwrap();
    assert!(!kept.labels.contains_key(key::SWITCHED_AT), "{:?}", kept.labels);

    // It goes with `Delete`, and the one before loses nothing by that.
    let mut last = with("cust-2");
    last["deletionPolicy"] = json!("Delete");
    apply(&client, name, last).await;
    delete(&client, name).await;
    assert!(!stage.emulator.subscriptions().contains(&new));
    assert_eq!(pubsub::take(&stage.emulator, &old).await.len(), 1);
}

async fn pulls_both_in_full(client: &Client, tenant: &str, names: [&str; 2]) {
    let both = names.map(|name| (name.to_owned(), None));
    eventually("the worker pulls both, each in full", PATIENCE, async || {
        let pulled = list(client, tenant).await;
        if pulled == both { Ok(()) } else { Err(pulled) }
    })
    .await;
}

/// An operator with these settings, until it is aborted.
async fn operate(plane: &ControlPlane, emulator: &Emulator, keys: Value) -> tokio::task::JoinHandle<()> {
    stage::operate(plane, emulator, keys, |_| ()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_move_nothing_by_themselves_and_a_move_loses_nothing() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    tokio::spawn(play_kubelet(client.clone()));
    let emulator = Emulator::builder().start().await.unwrap();
    let (stays, goes) = ("stays", "goes");

    let first = operate(plane, &emulator, json!({})).await;
    for name in [stays, goes] {
        apply(&client, name, one()).await;
        ready(&client, name).await;
        in_place(&client, name, "Succeeded", &[]).await;
    }
    first.abort();
    let old = |name: &str| subscription(PROJECT, "living-twin", name);

    // `helm upgrade --set config.topicPrefix=next`, and then another project.
    let elsewhere = "next-project";
    for (keys, target) in [
        (json!({"topicPrefix": "next"}), format!("{PROJECT}/next")),
        (
            json!({"projectId": elsewhere, "projectNumber": emulator.project_number(elsewhere)}),
            format!("{elsewhere}/living-twin"),
        ),
    ] {
        let before = emulator.subscriptions();
        emulator.clear_calls();
        let edited = operate(plane, &emulator, keys).await;
        for name in [stays, goes] {
            let here = format!("{PROJECT}/living-twin");
            in_place(&client, name, "MoveRequired", &[here.as_str(), target.as_str()]).await;
            tenant_is(&client, name, ConditionType::Stalled, Some("MoveRequired")).await;
        }
        resyncs(&emulator, 2).await;
        assert_eq!(emulator.subscriptions(), before);
        assert_eq!(pubsub::writes(&emulator), [""; 0], "{target}");
        for name in [stays, goes] {
            assert_eq!(list(&client, name).await, [(old(name), None)]);
            assert_eq!(workers(&emulator, &old(name)).len(), 1);
        }
        edited.abort();
    }

    // One of them is moved; publishers use the old topic for a while.
    publish(&emulator, "living-twin", goes);
    annotate(&client, goes, label::MOVE, &format!("{PROJECT}/next")).await;
    let moving = operate(plane, &emulator, json!({"topicPrefix": "next"})).await;
    let new = subscription(PROJECT, "next", goes);
    in_place(&client, goes, "Moving", &[]).await;
    ready(&client, goes).await;
    pulls_both_in_full(&client, goes, [&old(goes), &new]).await;
    publish(&emulator, "living-twin", goes);
    publish(&emulator, "next", goes);
    in_place(&client, stays, "MoveRequired", &[]).await;
    resyncs(&emulator, 2).await;
    assert_eq!(
        list(&client, goes).await,
        [(old(goes), None), (new.clone(), None)]
    );
    assert_eq!(pubsub::take(&emulator, &old(goes)).await.len(), 2);
    assert_eq!(pubsub::take(&emulator, &new).await.len(), 1);
    let left = emulator.subscription(&old(goes)).unwrap();
    assert!(left.labels.contains_key(key::SWITCHED_AT), "{:?}", left.labels);
    assert_eq!(
        left.labels[key::ROLE],
        Role::Worker.as_str(),
        "it is kept for a whole retention"
    );
    let dead_letters = format!("projects/{PROJECT}/subscriptions/living-twin-{TOPIC}-{goes}-dlq");
    let child = Api::<EventSubscription>::namespaced(client.clone(), goes)
        .get(TOPIC)
        .await
        .unwrap();
    assert_eq!(
        child.status.unwrap().former_dead_letter_subscriptions,
        std::slice::from_ref(&dead_letters)
    );
    moving.abort();

    // A start anew in the middle of it finds its way; and with its Tenant both are let go.
    let before = plane.writes(OPERATOR).unwrap().len();
    emulator.clear_calls();
    let again = operate(plane, &emulator, json!({"topicPrefix": "next"})).await;
    resyncs(&emulator, 3).await;
    assert_eq!(plane.writes(OPERATOR).unwrap()[before..], [""; 0]);
    assert_eq!(pubsub::writes(&emulator), [""; 0]);
    delete(&client, goes).await;
    for name in [&old(goes), &new, &dead_letters] {
        let kept = emulator.subscription(name).unwrap();
        assert!(kept.labels.contains_key(key::RELEASED_AT), "{name}");
        assert_eq!(workers(&emulator, name), BTreeSet::new(), "{name}");
    }

    // It comes back without a binding, and takes up both, with what waits in the former.
    publish(&emulator, "living-twin", goes);
    apply(&client, goes, one()).await;
    in_place(&client, goes, "Moving", &[]).await;
    pulls_both_in_full(&client, goes, [&old(goes), &new]).await;
    ready(&client, goes).await;
    assert_eq!(workers(&emulator, &old(goes)).len(), 1);
    assert_eq!(pubsub::take(&emulator, &old(goes)).await.len(), 1);
    again.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_project_that_cannot_be_listed_holds_up_nothing_and_can_be_forgotten() {
    let stage = &Stage::alone();
    let client = stage.client().await.unwrap();
    let (tenant, left, next) = ("leaves-a-project", "left-project", "next-project");
    let with = |project: &str, deadline: &str| {
        json!({
            "projectId": project,
            "subscriptions": [{"topic": TOPIC, "ackDeadline": deadline}],
        })
    };
    let place = |project: &str| format!("{project}/{PROJECT}/living-twin");
    let old = subscription(left, "living-twin", tenant);
    let new = subscription(next, "living-twin", tenant);
    apply(&client, tenant, with(left, "60s")).await;
    ready(&client, tenant).await;
    // So that it is not empty, and drains.
    publish(&stage.emulator, "living-twin", tenant);
    annotate(&client, tenant, label::MOVE, &place(next)).await;
    apply(&client, tenant, with(next, "60s")).await;
    in_place(&client, tenant, "Moving", &[]).await;
    ready(&client, tenant).await;
    let pulled = async || {
        let mut pulled: Vec<_> = list(&client, tenant).await.into_iter().map(|one| one.0).collect();
        pulled.sort();
        pulled
    };
    let both = [old.clone(), new.clone()];
    eventually("the worker pulls both", PATIENCE, async || {
        let pulled = pulled().await;
        if pulled == both { Ok(()) } else { Err(pulled) }
    })
    .await;

    // The rights on the project are gone, or the project is.
    for method in ["Publisher.ListTopics", "Subscriber.ListSubscriptions"] {
        stage.emulator.add_fault(Fault {
            method: method.to_owned(),
            resource: Some(left.to_owned()),
            code: Some(Code::PermissionDenied),
            ..Fault::default()
        });
    }
    resyncs(&stage.emulator, 2).await;
    apply(&client, tenant, with(next, "90s")).await;
    eventually("the new place is looked after", PATIENCE, async || {
        let deadline = stage.emulator.subscription(&new).unwrap().ack_deadline_seconds;
        if deadline == 90 { Ok(()) } else { Err(deadline) }
    })
    .await;
    let forget = format!("{}={}", label::FORGET_PLACE, place(left));
    let api = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    let status = eventually("it says what it cannot look at", PATIENCE, async || {
        let status = api.get(TOPIC).await.unwrap().status.unwrap();
        let says = |what, reason, text: &str| {
            condition::find(&status.conditions, what)
                .is_some_and(|one| one.reason == reason && one.message.contains(text))
        };
        let all = says(ConditionType::Stalled, "PermissionDenied", &forget)
            && says(ConditionType::Draining, "NotObserved", left);
        if all { Ok(status) } else { Err(status) }
    })
    .await;
    assert_eq!(status.draining.len(), 1, "{:?}", status.draining);
    assert_eq!(status.draining, status.draining_subscriptions);
    assert_eq!(pulled().await, both);

    annotate(&client, tenant, label::FORGET_PLACE, &place(left)).await;
    ready(&client, tenant).await;
    in_place(&client, tenant, "Succeeded", &[]).await;
    eventually("the worker pulls the new one alone", PATIENCE, async || {
        let pulled = pulled().await;
        if pulled == [new.clone()] {
            Ok(())
        } else {
            Err(pulled)
        }
    })
    .await;
    // Nothing there was deleted.
    stage.emulator.clear_faults();
    assert_eq!(pubsub::take(&stage.emulator, &old).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_without_a_binding_is_bound_where_its_subscriptions_are() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    tokio::spawn(play_kubelet(client.clone()));
    let emulator = Emulator::builder().start().await.unwrap();
    let name = "restored";
    let first = operate(plane, &emulator, json!({})).await;
    apply(&client, name, one()).await;
    ready(&client, name).await;
    in_place(&client, name, "Succeeded", &[]).await;
    first.abort();

    // As a version without bindings left it, and as a restore without annotations and status brings it back.
    let api = Api::<Tenant>::all(client.clone());
    let bare = json!({"metadata": {"annotations": {label::BINDING: null}}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(bare))
        .await
        .unwrap();
    let bare = json!({"status": {"binding": null}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(bare))
        .await
        .unwrap();
    emulator.clear_calls();
    let upgraded = operate(plane, &emulator, json!({"topicPrefix": "next"})).await;
    let here = format!("{PROJECT}/living-twin");
    in_place(&client, name, "MoveRequired", &[here.as_str()]).await;
    resyncs(&emulator, 2).await;
    assert_eq!(pubsub::writes(&emulator), [""; 0]);
    let binding = api.get(name).await.unwrap().status.unwrap().binding.unwrap();
    assert_eq!(
        (binding.topic_prefix.as_str(), binding.tenant_id.as_str()),
        ("living-twin", name)
    );
    upgraded.abort();
}

/// The Tenants that have an EventSubscription for a topic.
async fn with_topic(client: &Client, topic: &str) -> BTreeSet<String> {
    let all = Api::<EventSubscription>::all(client.clone());
    let all = all.list(&ListParams::default()).await.unwrap();
    all.into_iter()
        .filter(|one| one.spec.settings.topic == topic)
        .map(|one| one.spec.tenant_ref.name)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_goes_from_the_catalogue_halts_after_a_few() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    tokio::spawn(play_kubelet(client.clone()));
    let emulator = Emulator::builder().start().await.unwrap();
    let catalogue = |keys: &[&str]| -> Value {
        json!({"catalogue": keys.iter().map(|key| ((*key).to_owned(), json!({}))).collect::<serde_json::Map<_, _>>()})
    };
    let both = catalogue(&["events", TOPIC]);
    let first = operate(plane, &emulator, both).await;
    let names: BTreeSet<_> = (0..6).map(|number| format!("brakes-{number}")).collect();
    for name in &names {
        apply(&client, name, json!({"deletionPolicy": "Delete"})).await;
    }
    for name in &names {
        ready(&client, name).await;
    }
    first.abort();

    let (wave, mut digest) = (3, String::new());
    // The second is a restart, or another leader: it counts on.
    for _ in 0..2 {
        let halting = operate(plane, &emulator, catalogue(&["events"])).await;
        eventually(
            "three have lost it and three say that it halted",
            PATIENCE,
            async || {
                let left = with_topic(&client, TOPIC).await;
                if left.len() > names.len() - wave {
                    return Err(format!("{left:?}"));
                }
                for name in &left {
                    let said = Api::<Tenant>::all(client.clone())
                        .get(name)
                        .await
                        .unwrap()
                        .status
                        .unwrap()
                        .conditions;
                    match condition::find(&said, ConditionType::ChangeHalted) {
                        Some(halted) if halted.status == "True" => {
                            let quoted = halted.message.split('"').nth(1).unwrap();
                            quoted.clone_into(&mut digest);
                        }
                        _ => return Err(format!("{said:?}")),
                    }
                }
                Ok(())
            },
        )
        .await;
        resyncs(&emulator, 3).await;
        assert_eq!(with_topic(&client, TOPIC).await.len(), names.len() - wave);
        halting.abort();
    }
    let left = with_topic(&client, TOPIC).await;
    for name in &left {
        assert!(
            emulator
                .subscriptions()
                .contains(&subscription(PROJECT, "living-twin", name))
        );
    }
    // An edit of a Tenant is its user's, and does not count.
    let mut meant = catalogue(&["events"]);
    meant["brake"] = json!({"goOn": "something else"});
    let halting = operate(plane, &emulator, meant.clone()).await;
    apply(
        &client,
        left.first().unwrap(),
        json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "events"}]}),
    )
    .await;
    ready(&client, left.first().unwrap()).await;
    eventually("the edited one has lost it", PATIENCE, async || {
        let left = with_topic(&client, TOPIC).await;
        if left.len() < names.len() - wave {
            Ok(())
        } else {
            Err(left)
        }
    })
    .await;
    resyncs(&emulator, 2).await;
    assert_eq!(with_topic(&client, TOPIC).await.len(), names.len() - wave - 1);
    halting.abort();

    meant["brake"]["goOn"] = json!(digest);
    let going_on = operate(plane, &emulator, meant).await;
    eventually("it goes on when that is meant", PATIENCE, async || {
        let left = with_topic(&client, TOPIC).await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    for name in &names {
        ready(&client, name).await;
    }
    going_on.abort();
}
