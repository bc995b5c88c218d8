//! What kstatus makes of our status in every state, by its own rules for kinds it does not know
//! (<https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>): Flux, Argo CD and kpt wait by them, and
//! `kubectl wait --for=condition=Ready` has to say the same.

use crate::support::{UNKNOWN, World, now, settings, subscription, valid};
use crds::{ConditionType, Conditioned as _, EventSubscription, Reason, Tenant, TenantSpec, condition};
use event_operator::{
    failure::{Class, Failure},
    subscription::{self, apply::Outcome},
    tenant::{
        self,
        status::{Parts, Progress},
        validate::validate,
    },
};
use serde::Serialize;
use serde_json::{Value, json};

/// The rules, in the order in which kstatus has them.
fn kstatus(object: &impl Serialize) -> &'static str {
    let object = serde_json::to_value(object).unwrap();
    if object["metadata"]["deletionTimestamp"].is_string() {
        return "Terminating";
    }
    let status = &object["status"];
    if status["observedGeneration"].is_i64()
        && status["observedGeneration"] != object["metadata"]["generation"]
    {
        return "InProgress";
    }
    let is = |what: &str| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        conditions
            .into_iter()
            .find(|one| one["type"] == what)
            .map(|one| one["status"].clone())
    };
    if is("Reconciling") == Some(json!("True")) {
        return "InProgress";
    }
    if is("Stalled") == Some(json!("True")) {
        return "Failed";
    }
    match is("Ready").as_ref().and_then(Value::as_str) {
        // An object nobody looked at yet counts as done; hence the status that is written at first sight.
        Some("True") | None => "Current",
        Some(_) => "InProgress",
    }
}

fn waits_for_ready(object: &impl Serialize) -> bool {
    let object = serde_json::to_value(object).unwrap();
    let conditions = object["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let ready = conditions
        .iter()
        .any(|one| one["type"] == "Ready" && one["status"] == "True");
    ready && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// One failure of each class, and what kstatus has to say of it: what waits for somebody has failed, the rest goes on.
fn failures() -> Vec<(Failure, &'static str)> {
    [
        Class::Throttled,
        Class::Transient,
        Class::Blocked,
        Class::Invalid,
        Class::Bug,
    ]
    .into_iter()
    .map(|class| {
        let failure = Failure {
            class,
            reason: Reason::Unavailable,
            message: "Why.".to_owned(),
        };
        (
            failure,
            if class.treatment().stalled {
                "Failed"
            } else {
                "InProgress"
            },
        )
    })
    .collect()
}

fn said(one: &EventSubscription, progress: &subscription::status::Progress<'_>) -> EventSubscription {
    let mut one = one.clone();
    one.status = Some(subscription::status::status(&one, progress, now()));
    one
}

/// What the API server puts there before the operator has looked.
fn at_birth<S: serde::de::DeserializeOwned>(file: &str) -> S {
    let all = crds::manifest::all().unwrap();
    let (_, definition) = all.iter().find(|(name, _)| *name == file).unwrap();
    let definition = serde_json::to_value(definition).unwrap();
    let default = "/spec/versions/0/schema/openAPIV3Schema/properties/status/default";
    serde_json::from_value(definition.pointer(default).unwrap().clone()).unwrap()
}

#[test]
fn an_event_subscription_is_done_only_when_it_is_ready() {
    use subscription::status::Progress;
    let one = subscription("tenant-123", "user-events", "");
    let valid = valid(&one).unwrap();
    let plan = World::default().plan(&valid).unwrap();
    let done = Outcome {
        applied: plan.steps.len(),
        failure: None,
    };
    let ready = said(&one, &Progress::Planned(&valid, &plan, &done, &UNKNOWN));
    assert_eq!((kstatus(&ready), waits_for_ready(&ready)), ("Current", true));

    let mut new = one.clone();
    new.status = Some(at_birth("eventsubscriptions.yaml"));
    assert_eq!((kstatus(&new), waits_for_ready(&new)), ("InProgress", false));
    let mut edited = ready.clone();
    edited.metadata.generation = Some(2);
    assert_eq!(
        (kstatus(&edited), waits_for_ready(&edited)),
        ("InProgress", false)
    );
    let mut deleted = ready.clone();
    deleted.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(kstatus(&deleted), "Terminating");

    for (failure, expected) in failures() {
        let stopped = Outcome {
            applied: 1,
            failure: Some(failure.clone()),
        };
        for progress in [
            Progress::Invalid(&failure),
            Progress::Unplanned(&valid, &failure),
            Progress::Planned(&valid, &plan, &stopped, &UNKNOWN),
        ] {
            // From nothing, and after all was well.
            for before in [&one, &ready] {
                let now = said(before, &progress);
                assert_eq!(
                    (kstatus(&now), waits_for_ready(&now)),
                    (expected, false),
                    "{progress:?}"
                );
            }
        }
    }
}

#[test]
fn a_tenant_is_done_only_when_it_is_ready_or_stopped_on_request() {
    let tenant_with = |suspended: bool| {
        let mut tenant = Tenant::new(
            "acme",
            TenantSpec {
                suspended: Some(suspended),
                subscriptions: Some(vec![]),
                ..TenantSpec::default()
            },
        );
        tenant.metadata.generation = Some(1);
        tenant
    };
    let said = |tenant: &Tenant, progress: &Progress<'_>| {
        let mut tenant = tenant.clone();
        tenant.status = Some(tenant::status::status(&tenant, progress, now()));
        tenant
    };
    let worker = |status: Value, replicas: i32| {
        Parts {
        worker: serde_json::from_value(json!({
            "metadata": {"generation": 1}, "spec": {"replicas": replicas, "selector": {}, "template": {}}, "status": status,
        }))
        .unwrap(),
        ..Parts::default()
    }
    };
    let running = worker(
        json!({"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1}),
        1,
    );
    let starting = worker(json!({"observedGeneration": 1}), 1);
    let hopeless = worker(
        json!({"observedGeneration": 1, "conditions": [{"type": "Progressing", "status": "False", "message": "no"}]}),
        1,
    );
    let stopped = worker(json!({"observedGeneration": 1}), 0);
    let stopping = worker(
        json!({"observedGeneration": 1, "replicas": 1, "readyReplicas": 1}),
        0,
    );
    let not_seen = worker(json!({"observedGeneration": 0}), 0);

    for (suspended, parts, expected) in [
        (false, &running, "Current"),
        (false, &starting, "InProgress"),
        (false, &hopeless, "Failed"),
        (false, &Parts::default(), "InProgress"),
        (true, &stopped, "Current"),
        (true, &stopping, "InProgress"),
        (true, &not_seen, "InProgress"),
    ] {
        let tenant = tenant_with(suspended);
        let valid = validate(&tenant, &[], &settings()).unwrap();
        let now = said(&tenant, &Progress::Written(&valid, parts, None));
        let seen = (kstatus(&now), waits_for_ready(&now));
        assert_eq!(seen, (expected, expected == "Current"), "{:#?}", now.status);
        let is_stopped = condition::find(now.conditions(), ConditionType::Suspended)
            .unwrap()
            .status
            == "True";
        assert_eq!(
            is_stopped,
            suspended && expected == "Current",
            "{:#?}",
            now.status
        );
        for (failure, expected) in failures() {
            let now = said(&now, &Progress::Written(&valid, parts, Some(&failure)));
            assert_eq!(
                (kstatus(&now), waits_for_ready(&now)),
                (expected, false),
                "{failure:?}"
            );
        }
    }
    let tenant = tenant_with(false);
    let mut new = tenant.clone();
    new.status = Some(at_birth("tenants.yaml"));
    assert_eq!((kstatus(&new), waits_for_ready(&new)), ("InProgress", false));
    for (failure, expected) in failures() {
        let now = said(&tenant, &Progress::Invalid(&failure));
        assert_eq!(
            (kstatus(&now), waits_for_ready(&now)),
            (expected, false),
            "{failure:?}"
        );
    }
}
