//! Pub/Sub does not do as asked, in the ways it has. What passes is waited out and leaves nothing double; what somebody has to
//! see to is said, with what to do; and nobody else is held up.

use std::collections::BTreeMap;

use crds::{ConditionType, EventSubscription, condition, label};
use e2e::{
    eventually::eventually,
    pubsub::made_and_deleted,
    stage::{PROJECT, Stage},
    tenants::{PATIENCE, apply, gone, ready},
};
use event_operator::subscription::ownership::key;
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use pubsub_emulator::{Code, Fault, Strike};
use serde_json::{Value, json};

fn one() -> Value {
    json!({"subscriptions": [{"topic": "user-events"}]})
}

/// Another wish, so that it is looked at now.
fn edited() -> Value {
    json!({"subscriptions": [{"topic": "user-events", "ackDeadline": "60s"}]})
}

/// The next calls that name this tenant come to this.
fn refuse(stage: &Stage, tenant: &str, method: &str, code: Code, fault: Fault) {
    stage.emulator.add_fault(Fault {
        method: method.to_owned(),
        resource: Some(format!("-{tenant}-")),
        code: Some(code),
        ..fault
    });
}

fn times(count: u32) -> Fault {
    Fault {
        count: Some(count),
        ..Fault::default()
    }
}

/// Waits until it says so, and gives the message.
async fn says(client: &Client, tenant: &str, what: ConditionType, reason: &str) -> String {
    let api = Api::<EventSubscription>::namespaced(client.clone(), tenant);
    eventually(
        &format!("{tenant} is {what} for {reason}"),
        PATIENCE,
        async || {
            let Some(one) = api.get_opt("user-events").await.unwrap() else {
                return Err(None);
            };
            let conditions = one.status.unwrap_or_default().conditions;
            match condition::find(&conditions, what) {
                Some(said) if said.status == "True" && said.reason == reason => Ok(said.message.clone()),
                _ => Err(Some(conditions)),
            }
        },
    )
    .await
}

#[tokio::test]
async fn a_project_that_cannot_be_listed_is_said_before_anything_is_made() {
    let stage = &Stage::alone();
    let client = stage.client().await.unwrap();
    // From the first look: where its event plane is, is not known, and not guessed.
    stage.emulator.add_fault(Fault::fail(
        "Subscriber.ListSubscriptions",
        Code::PermissionDenied,
        1_000,
    ));
    let tenant = "not-listed";
    apply(&client, tenant, one()).await;
    let why = says(&client, tenant, ConditionType::Stalled, "PermissionDenied").await;
    assert!(why.contains("pubsub.subscriptions.list"), "{why}");
    assert!(stage.emulator.subscriptions().is_empty());
    stage.emulator.clear_faults();
    apply(&client, tenant, edited()).await;
    ready(&client, tenant).await;
}

#[tokio::test]
async fn what_passes_is_waited_out_and_nothing_is_made_twice() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let mut tenants = Vec::new();
    let codes = [
        Code::Unavailable,
        Code::Internal,
        Code::Aborted,
        Code::DeadlineExceeded,
    ];
    for (number, code) in codes.into_iter().enumerate() {
        for (method, short) in [
            ("Subscriber.CreateSubscription", "made"),
            ("IAMPolicy.SetIamPolicy", "granted"),
        ] {
            for (strike, when) in [(Strike::Before, "before"), (Strike::AfterEffect, "after")] {
                let tenant = format!("passes-{short}-{when}-{number}");
                let fault = Fault { strike, ..times(1) };
                refuse(stage, &tenant, method, code, fault);
                apply(&client, &tenant, one()).await;
                tenants.push(tenant);
            }
        }
    }
    for tenant in &tenants {
        ready(&client, tenant).await;
        let found: BTreeMap<_, _> = made_and_deleted(&stage.emulator)
            .into_iter()
            .filter(|(what, _)| what.contains(&format!("-{tenant}-")))
            .collect();
        let subscription =
            |role| format!("projects/{PROJECT}/subscriptions/living-twin-user-events-{tenant}-{role}");
        // A create whose answer was lost is not one that the call log has as done.
        for (what, count) in &found {
            assert!(
                what.starts_with("Subscriber.CreateSubscription") && *count == 1,
                "{what} {count}"
            );
        }
        for role in ["worker", "dlq"] {
            assert!(
                stage.emulator.subscription(&subscription(role)).is_some(),
                "{tenant} {role}"
            );
        }
        let policy = stage.emulator.policy(&subscription("worker")).unwrap();
        let members: usize = policy.bindings.iter().map(|binding| binding.members.len()).sum();
        assert_eq!(
            members, 2,
            "{tenant}: the worker and the service agent, each once"
        );
    }
}

#[tokio::test]
async fn what_was_made_and_cannot_be_seen_yet_is_not_made_again() {
    // Alone: a list that another tenant's look brings would show it before it is looked for three times.
    let stage = &Stage::alone();
    let client = stage.client().await.unwrap();
    let tenant = "cannot-be-seen";
    // The answer is lost, and for a while whoever asks is told that there is nothing.
    let lost = Fault {
        strike: Strike::AfterEffect,
        ..times(1)
    };
    refuse(
        stage,
        tenant,
        "Subscriber.CreateSubscription",
        Code::Unavailable,
        lost,
    );
    refuse(
        stage,
        tenant,
        "Subscriber.GetSubscription",
        Code::NotFound,
        times(3),
    );
    apply(&client, tenant, one()).await;
    let events = Api::<Event>::namespaced(client.clone(), tenant);
    ready(&client, tenant).await;
    let of_it = |method: &str, code: Option<Code>| {
        let calls = stage.emulator.calls();
        let its = |call: &&pubsub_emulator::Call| {
            call.method == method && call.code == code && call.resource.contains(&format!("-{tenant}-"))
        };
        calls.iter().filter(its).count()
    };
    assert_eq!(
        of_it("Subscriber.GetSubscription", Some(Code::NotFound)),
        3,
        "it was looked for"
    );
    // That of the other one of the two: what is there is not made over, and a further try is refused.
    assert_eq!(of_it("Subscriber.CreateSubscription", None), 1);
    assert_eq!(of_it("Subscriber.DeleteSubscription", None), 0);
    let said = events.list(&ListParams::default()).await.unwrap();
    let said: Vec<_> = said.iter().filter_map(|one| one.reason.as_deref()).collect();
    assert!(!said.contains(&"BacklogLost"), "nothing was lost: {said:?}");
}

#[tokio::test]
async fn a_missing_right_is_named_with_its_object_and_an_edit_is_tried_again() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    for (tenant, method, code, permission) in [
        (
            "may-not-make",
            "Subscriber.CreateSubscription",
            Code::PermissionDenied,
            "pubsub.subscriptions.create",
        ),
        (
            "may-not-grant",
            "IAMPolicy.SetIamPolicy",
            Code::PermissionDenied,
            "pubsub.subscriptions.setIamPolicy",
        ),
        (
            "is-nobody",
            "Subscriber.CreateSubscription",
            Code::Unauthenticated,
            "pubsub.subscriptions.create",
        ),
    ] {
        refuse(stage, tenant, method, code, Fault::default());
        apply(&client, tenant, one()).await;
        let message = says(&client, tenant, ConditionType::Stalled, "PermissionDenied").await;
        let object = format!("on projects/{PROJECT}/subscriptions/living-twin-user-events-{tenant}-");
        assert!(
            message.contains(permission) && message.contains(&object),
            "{message}"
        );
        stage.emulator.lift_faults(&format!("-{tenant}-"));
        apply(&client, tenant, edited()).await;
        ready(&client, tenant).await;
    }
}

#[tokio::test]
async fn a_full_project_is_said_and_holds_nobody_else_up() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let full = r#"Your project has exceeded a limit: (type="subscriptions-per-project", current=10000, maximum=10000)."#;
    let fault = Fault {
        message: Some(full.to_owned()),
        ..Fault::default()
    };
    let code = Code::ResourceExhausted;
    refuse(
        stage,
        "finds-no-room",
        "Subscriber.CreateSubscription",
        code,
        fault,
    );
    apply(&client, "finds-no-room", one()).await;
    let message = says(&client, "finds-no-room", ConditionType::Stalled, "QuotaExceeded").await;
    assert!(
        message.contains(full) && message.contains("Raise the limit"),
        "{message}"
    );

    // An exceeded rate would hold up everybody, and this is asked for again and again.
    apply(&client, "is-not-held-up", one()).await;
    ready(&client, "is-not-held-up").await;

    stage.emulator.lift_faults("-finds-no-room-");
    apply(&client, "finds-no-room", edited()).await;
    ready(&client, "finds-no-room").await;
}

#[tokio::test]
async fn a_deletion_waits_for_pubsub_says_so_and_can_be_let_go() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let tenants = Api::<crds::Tenant>::all(client.clone());
    let worker =
        |tenant: &str| format!("projects/{PROJECT}/subscriptions/living-twin-user-events-{tenant}-worker");
    for tenant in ["leaves-in-an-outage", "leaves-without-rights"] {
        apply(&client, tenant, one()).await;
        ready(&client, tenant).await;
    }

    // Pub/Sub is away, and comes back.
    let tenant = "leaves-in-an-outage";
    refuse(
        stage,
        tenant,
        "IAMPolicy.SetIamPolicy",
        Code::Unavailable,
        times(2),
    );
    tenants.delete(tenant, &DeleteParams::default()).await.unwrap();
    let message = says(&client, tenant, ConditionType::Reconciling, "Unavailable").await;
    assert!(
        message.contains("Deletion waits since") && message.contains("events.livingtwin.io/abandon=true"),
        "{message}"
    );
    gone(&client, tenant).await;
    let left = stage.emulator.subscription(&worker(tenant)).unwrap();
    assert!(left.labels.contains_key(key::RELEASED_AT), "{:?}", left.labels);

    // The right is gone for good; somebody lets go of the EventSubscription, and then of the Tenant.
    let tenant = "leaves-without-rights";
    let code = Code::PermissionDenied;
    refuse(stage, tenant, "IAMPolicy.SetIamPolicy", code, Fault::default());
    tenants.delete(tenant, &DeleteParams::default()).await.unwrap();
    let message = says(&client, tenant, ConditionType::Stalled, "PermissionDenied").await;
    assert!(message.contains("pubsub.subscriptions.setIamPolicy"), "{message}");
    let abandon = Patch::Merge(json!({"metadata": {"annotations": {label::ABANDON: "true"}}}));
    Api::<EventSubscription>::namespaced(client.clone(), tenant)
        .patch("user-events", &PatchParams::default(), &abandon)
        .await
        .unwrap();
    eventually("the Tenant says what is left behind", PATIENCE, async || {
        let status = tenants.get(tenant).await.unwrap().status.unwrap_or_default();
        match condition::find(&status.conditions, ConditionType::Stalled) {
            Some(said) if said.reason == "PermissionDenied" => Ok(()),
            _ => Err(status.conditions),
        }
    })
    .await;
    tenants
        .patch(tenant, &PatchParams::default(), &abandon)
        .await
        .unwrap();
    gone(&client, tenant).await;
    let left = stage.emulator.subscription(&worker(tenant)).unwrap();
    assert!(!left.labels.contains_key(key::RELEASED_AT), "{:?}", left.labels);
}
