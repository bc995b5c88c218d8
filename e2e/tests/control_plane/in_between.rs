//! Something changes while the operator is at it, or one object goes as another for the same thing comes.

use std::{collections::BTreeMap, time::Duration};

use crds::{ConditionType, EventSubscription, Tenant, condition};
use e2e::{
    audit::Entry,
    control_plane::{ControlPlane, OPERATOR},
    eventually::eventually,
    pubsub::{made_and_deleted, publish, resyncs, take},
    quiet::is_quiet,
    stage::{PROJECT, Stage, operate},
    tenants::{PATIENCE, apply, delete, gone, is_older_than_all_to_come, ready, tenant_is},
    world::World,
};
use event_operator::subscription::ownership::key;
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use pubsub_emulator::Fault;
use serde_json::json;

fn subscription(tenant: &str) -> String {
    format!("projects/{PROJECT}/subscriptions/living-twin-user-events-{tenant}-worker")
}

#[tokio::test]
async fn an_edit_in_the_midst_of_work_is_not_called_done_before_it_is() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "edited-midway";
    stage.emulator.add_fault(Fault {
        method: "Subscriber.*".to_owned(),
        resource: Some(format!("-{tenant}-")),
        delay_ms: 500,
        ..Fault::default()
    });
    let spec = |seconds: i32| json!({"subscriptions": [{"topic": "user-events", "ackDeadline": format!("{seconds}s")}]});
    let deadline = || {
        let found = stage.emulator.subscription(&subscription(tenant));
        found.map(|one| one.ack_deadline_seconds)
    };
    apply(&client, tenant, spec(20)).await;
    for seconds in [30, 40, 50, 60] {
        // Wherever the work of the edit before has come to.
        eventually("work has begun", PATIENCE, async || {
            let api = Api::<EventSubscription>::namespaced(client.clone(), tenant);
            api.get_opt("user-events").await.unwrap().ok_or("no object")
        })
        .await;
        apply(&client, tenant, spec(seconds)).await;
        if seconds % 20 == 0 {
            ready(&client, tenant).await;
            assert_eq!(deadline(), Some(seconds), "Ready counts for the newest edit");
        }
    }
    let made: Vec<_> = made_and_deleted(&stage.emulator)
        .into_iter()
        .filter(|(what, _)| what.contains(&format!("-{tenant}-")))
        .map(|(_, count)| count)
        .collect();
    assert_eq!(made, [1, 1]);
}

#[tokio::test]
async fn who_is_edited_all_the_time_holds_nobody_up_and_gets_its_last_wish() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let noisy = "never-rests";
    let spec = |seconds: usize| json!({"subscriptions": [{"topic": "user-events", "ackDeadline": format!("{seconds}s")}]});
    apply(&client, noisy, spec(600)).await;
    ready(&client, noisy).await;

    let mut edits = 0;
    {
        let edit = async {
            loop {
                edits += 1;
                apply(&client, noisy, spec(10 + edits % 500)).await;
            }
        };
        let others = async {
            for number in 0..5 {
                let other = format!("waits-for-no-one-{number}");
                apply(
                    &client,
                    &other,
                    json!({"subscriptions": [{"topic": "user-events"}]}),
                )
                .await;
                ready(&client, &other).await;
            }
        };
        tokio::select! {
            () = edit => {}
            () = others => {}
        }
    }
    assert!(edits > 20, "that is no noise: {edits} edits");
    ready(&client, noisy).await;
    let found = stage.emulator.subscription(&subscription(noisy)).unwrap();
    let last = usize::try_from(found.ack_deadline_seconds).unwrap();
    assert!(
        [10 + edits % 500, 10 + (edits - 1) % 500].contains(&last),
        "{last} s after {edits} edits"
    );
}

async fn make(client: &Client, tenant: &str, name: &str, policy: &str) {
    let object = json!({
        "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "EventSubscription", "metadata": {"name": name},
        "spec": {"tenantRef": {"name": tenant}, "topic": "user-events", "deletionPolicy": policy},
    });
    Api::<EventSubscription>::namespaced(client.clone(), tenant)
        .create(&PostParams::default(), &serde_json::from_value(object).unwrap())
        .await
        .unwrap();
}

/// Waits until its Ready condition has this reason.
async fn is(client: &Client, tenant: &str, name: &str, reason: &str) {
    let api = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    eventually(&format!("{name} is {reason}"), PATIENCE, async || {
        let status = api.get(name).await.unwrap().status.unwrap_or_default();
        match condition::find(&status.conditions, ConditionType::Ready) {
            Some(said) if said.reason == reason => Ok(()),
            _ => Err(status.conditions),
        }
    })
    .await;
}

async fn remove(client: &Client, tenant: &str, name: &str) {
    Api::<EventSubscription>::namespaced(client.clone(), tenant)
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
}

async fn is_gone(client: &Client, tenant: &str, name: &str) {
    let api = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    eventually(&format!("{name} is gone"), PATIENCE, async || {
        match api.get_opt(name).await.unwrap() {
            None => Ok(()),
            Some(left) => Err(left.status),
        }
    })
    .await;
}

/// The subscription that was made first is there, with its message, its owner's mark and its worker's right.
async fn nothing_was_lost(stage: &Stage, tenant: &str) {
    let of_tenant =
        |(what, count): (String, usize)| what.contains(&format!("-{tenant}-")).then_some((what, count));
    let made: BTreeMap<_, _> = made_and_deleted(&stage.emulator)
        .into_iter()
        .filter_map(of_tenant)
        .collect();
    assert!(
        made.len() == 2 && made.values().all(|count| *count == 1),
        "each was made once and none deleted: {made:?}"
    );
    let found = stage.emulator.subscription(&subscription(tenant)).unwrap();
    assert!(!found.labels.contains_key(key::RELEASED_AT), "{:?}", found.labels);
    let policy = stage.emulator.policy(&subscription(tenant)).unwrap();
    let members: usize = policy.bindings.iter().map(|binding| binding.members.len()).sum();
    assert_eq!(members, 2, "{:?}", policy.bindings);
    assert_eq!(take(&stage.emulator, &subscription(tenant)).await.len(), 1);
}

#[tokio::test]
async fn who_loses_a_topic_takes_nothing_along_and_who_wins_it_next_has_everything() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "two-for-one";
    apply(
        &client,
        tenant,
        json!({"topics": "Listed", "subscriptions": [], "deletionPolicy": "Delete"}),
    )
    .await;
    ready(&client, tenant).await;
    make(&client, tenant, "first", "Delete").await;
    is(&client, tenant, "first", "Succeeded").await;
    publish(
        &stage.emulator,
        "living-twin-user-events",
        &[("tenant_id", tenant)],
    );
    let api = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    is_older_than_all_to_come(&api.get("first").await.unwrap()).await;
    make(&client, tenant, "second", "Delete").await;
    is(&client, tenant, "second", "DuplicateTopic").await;

    // The one that lost goes.
    remove(&client, tenant, "second").await;
    is_gone(&client, tenant, "second").await;
    is(&client, tenant, "first", "Succeeded").await;

    // The one that won goes, and the other is there.
    make(&client, tenant, "third", "Delete").await;
    is(&client, tenant, "third", "DuplicateTopic").await;
    remove(&client, tenant, "first").await;
    is_gone(&client, tenant, "first").await;
    is(&client, tenant, "third", "Succeeded").await;
    resyncs(&stage.emulator, 2).await;
    nothing_was_lost(stage, tenant).await;
}

#[tokio::test]
async fn a_new_name_for_the_same_thing_loses_nothing() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenant = "is-renamed";
    apply(&client, tenant, json!({"topics": "Listed", "subscriptions": []})).await;
    ready(&client, tenant).await;
    make(&client, tenant, "old-name", "Retain").await;
    is(&client, tenant, "old-name", "Succeeded").await;
    publish(
        &stage.emulator,
        "living-twin-user-events",
        &[("tenant_id", tenant)],
    );
    remove(&client, tenant, "old-name").await;
    make(&client, tenant, "new-name", "Retain").await;
    is_gone(&client, tenant, "old-name").await;
    is(&client, tenant, "new-name", "Succeeded").await;
    resyncs(&stage.emulator, 2).await;
    nothing_was_lost(stage, tenant).await;
}

#[tokio::test]
async fn who_is_suspended_rests_and_may_go() {
    let world = World::new().await;
    let operator = operate(&world.plane, &world.emulator, json!({}), |settings| {
        settings.resync = Duration::from_secs(1);
    })
    .await
    .unwrap();
    let spec = |suspended: bool| {
        let topics = json!([{"topic": "user-events"}]);
        json!({"deletionPolicy": "Delete", "suspended": suspended, "subscriptions": topics})
    };
    let tenant = "rests";
    apply(&world.client, tenant, spec(false)).await;
    ready(&world.client, tenant).await;
    apply(&world.client, tenant, spec(true)).await;
    tenant_is(&world.client, tenant, ConditionType::Suspended, None).await;
    is_quiet(&world.plane, &world.emulator).await;
    assert!(
        world.emulator.subscription(&subscription(tenant)).is_some(),
        "its messages are kept"
    );
    delete(&world.client, tenant).await;
    assert!(world.emulator.subscription(&subscription(tenant)).is_none());
    operator.abort();
}

/// How often the operator was told that it had seen an older one.
fn conflicts(plane: &ControlPlane, namespace: &str) -> usize {
    let is_one = |entry: &&Entry| {
        let about = entry.object_ref.clone().unwrap_or_default();
        let code = entry.response_status.as_ref().map(|status| status.code);
        entry.user.username == OPERATOR && code == Some(409) && about.namespace == namespace
    };
    plane.audit().unwrap().iter().filter(is_one).count()
}

#[tokio::test]
async fn what_somebody_else_writes_meanwhile_is_not_undone() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let (tenant, theirs) = ("written-by-two", "example.com/theirs");
    let spec = json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "user-events"}]});
    apply(&client, tenant, spec).await;
    ready(&client, tenant).await;
    let api = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    let write = async |metadata: serde_json::Value| {
        let patch = Patch::Merge(json!({"metadata": metadata}));
        api.patch("user-events", &PatchParams::default(), &patch)
            .await
            .unwrap()
    };
    let mut finalizers = api
        .get("user-events")
        .await
        .unwrap()
        .metadata
        .finalizers
        .unwrap_or_default();
    finalizers.push(theirs.to_owned());
    write(json!({"finalizers": finalizers})).await;
    // So that what the operator saw before it let go in Pub/Sub is old when it is done.
    stage.emulator.add_fault(Fault {
        method: "*".to_owned(),
        resource: Some(format!("-{tenant}-")),
        delay_ms: 500,
        ..Fault::default()
    });
    Api::<Tenant>::all(client.clone())
        .delete(tenant, &DeleteParams::default())
        .await
        .unwrap();
    let mut turn = 0;
    eventually(
        "the operator has let go, and theirs is left",
        PATIENCE,
        async || {
            turn += 1;
            let found = write(json!({"annotations": {theirs: turn.to_string()}})).await;
            let finalizers = found.metadata.finalizers.unwrap_or_default();
            match finalizers == [theirs] {
                true => Ok(()),
                false => Err((finalizers, found.status)),
            }
        },
    )
    .await;
    let found = api.get("user-events").await.unwrap();
    assert_eq!(found.metadata.annotations.unwrap()[theirs], turn.to_string());
    assert!(conflicts(&stage.plane, tenant) > 0, "nobody met anybody");
    assert!(stage.emulator.subscription(&subscription(tenant)).is_none());
    write(json!({"finalizers": []})).await;
    gone(&client, tenant).await;
}
