//! Who decides how many workers run, and what becomes of it in Kubernetes.

use crate::{
    support::{now, settings, settings_with},
    tenant_stages::{children, observed, sample, summary},
};
use crds::{ConditionType, Tenant, condition, label};
use event_operator::{
    settings::Settings,
    tenant::{
        desired::{Desired, desired},
        observe::{NamespaceState, Observed},
        plan::{Plan, plan},
        rollout::Turn,
        scaling::Mode,
        status::{Parts, Progress, status},
        validate::{Valid, validate},
    },
};
use serde_json::json;

const SHARED: &str = "{image: event-worker:1, idempotency: {url: 'redis://redis:6379'}}";

fn scaling_settings() -> Settings {
    settings_with(&format!(
        "worker: {SHARED}\nscalerAddress: event-operator.event-operator.svc:8081"
    ))
}

fn tenant(suspended: bool) -> Tenant {
    let mut tenant = sample("tenant-456");
    let mut worker = serde_json::to_value(tenant.spec.worker.take()).unwrap();
    let scaling = json!({"min": 0, "max": 20, "targetBacklog": 50});
    worker["scaling"] = scaling;
    tenant.spec.worker = serde_json::from_value(worker).unwrap();
    tenant.spec.suspended = Some(suspended);
    tenant
}

fn valid(tenant: &Tenant, settings: &Settings) -> Valid {
    validate(tenant, &[], settings).unwrap()
}

/// What there should be, with the subscriptions settled.
fn wanted(valid: &Valid, settings: &Settings, keda: bool) -> Desired {
    let mode = Mode::of(valid, settings, keda);
    let first = desired(valid, &[], settings, &mode).unwrap();
    desired(valid, &children(&first), settings, &mode).unwrap()
}

fn there(desired: &Desired) -> Observed {
    observed(desired, NamespaceState::Made)
}

fn steps(valid: &Valid, wanted: &Desired, there: &Observed) -> Vec<String> {
    let plan: Plan = plan(valid, wanted, there, Turn::Go).unwrap();
    summary(&plan)
}

/// As the API server keeps it: the number of workers is whose it is.
fn owned_by(manager: &str, replicas: i32, desired: &Desired, there: &mut Observed) {
    let live = there.objects.get_mut(&desired.deployment.key).unwrap();
    live["spec"]["replicas"] = json!(replicas);
    let entries = live["metadata"]["managedFields"].as_array_mut().unwrap();
    let ours = entries[0]["fieldsV1"]["f:spec"].as_object_mut().unwrap();
    if manager == label::OPERATOR {
        ours.insert("f:replicas".into(), json!({}));
    } else {
        ours.remove("f:replicas");
        let fields = json!({"f:spec": {"f:replicas": {}}});
        entries.push(json!({"manager": manager, "operation": "Apply", "fieldsV1": fields}));
    }
}

#[test]
fn with_keda_the_number_of_workers_is_not_ours() {
    let settings = scaling_settings();
    let valid = valid(&tenant(false), &settings);
    let wanted = wanted(&valid, &settings, true);
    assert_eq!(wanted.deployment.body.pointer("/spec/replicas"), None);
    let scaled = wanted.scaled_object.as_ref().unwrap();
    insta::assert_yaml_snapshot!("scaled_object", scaled.body);

    let mut there = there(&wanted);
    owned_by("keda-operator", 7, &wanted, &mut there);
    assert_eq!(
        steps(&valid, &wanted, &there),
        [""; 0],
        "seven are as good as any"
    );
}

#[test]
fn when_keda_comes_the_number_stays_as_it_was() {
    let settings = scaling_settings();
    let valid = valid(&tenant(false), &settings);
    let before = wanted(&valid, &settings, false);
    assert_eq!(before.deployment.body["spec"]["replicas"], 1);
    let mut there = there(&before);
    owned_by("event-operator", 1, &before, &mut there);
    let after = wanted(&valid, &settings, true);
    assert_eq!(
        steps(&valid, &after, &there),
        [
            "leave 1 replicas of Deployment tenant-456/event-worker to KEDA",
            "apply Deployment tenant-456/event-worker",
            "apply ScaledObject tenant-456/event-worker",
        ]
    );
}

#[test]
fn when_keda_goes_or_is_not_wanted_the_number_is_ours_again() {
    let settings = scaling_settings();
    let with = valid(&tenant(false), &settings);
    let scaled = wanted(&with, &settings, true);
    let mut there = there(&scaled);
    owned_by("keda-operator", 7, &scaled, &mut there);

    let mut gone = there.clone();
    gone.objects.remove(&scaled.scaled_object.as_ref().unwrap().key);
    assert_eq!(
        steps(&with, &wanted(&with, &settings, false), &gone),
        ["apply Deployment tenant-456/event-worker"]
    );

    let mut silent = tenant(false);
    silent.spec.worker.as_mut().unwrap().scaling = None;
    let without = valid(&silent, &settings);
    assert_eq!(
        steps(&without, &wanted(&without, &settings, true), &there),
        [
            "delete ScaledObject tenant-456/event-worker",
            "apply Deployment tenant-456/event-worker",
        ]
    );
}

#[test]
fn a_stop_is_a_stop_with_keda_or_without() {
    let settings = scaling_settings();
    let running = valid(&tenant(false), &settings);
    let before = wanted(&running, &settings, true);
    let mut there_before = there(&before);
    owned_by("keda-operator", 7, &before, &mut there_before);
    let stopped = valid(&tenant(true), &settings);
    let after = wanted(&stopped, &settings, true);
    let annotations = &after.scaled_object.as_ref().unwrap().body["metadata"]["annotations"];
    assert_eq!(annotations["autoscaling.keda.sh/paused-replicas"], "0");
    assert_eq!(after.deployment.body["spec"]["replicas"], 0);
    assert_eq!(
        steps(&stopped, &after, &there_before),
        [
            "apply ScaledObject tenant-456/event-worker",
            "apply Deployment tenant-456/event-worker",
        ],
        "KEDA is held first"
    );
    let mut there_after = there(&after);
    owned_by("event-operator", 0, &after, &mut there_after);
    assert_eq!(
        steps(&running, &before, &there_after),
        [
            "leave 0 replicas of Deployment tenant-456/event-worker to KEDA",
            "apply Deployment tenant-456/event-worker",
            "apply ScaledObject tenant-456/event-worker",
        ]
    );
}

fn said(settings: &Settings, keda: bool) -> String {
    let tenant = tenant(false);
    let valid = valid(&tenant, settings);
    let deployment = json!({
        "metadata": {"generation": 1}, "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1},
    });
    let parts = Parts {
        subscriptions: children(&wanted(&valid, settings, keda)),
        worker: serde_json::from_value(deployment).unwrap(),
        store: settings.worker.idempotency.clone(),
        mode: Mode::of(&valid, settings, keda),
        ..Parts::default()
    };
    let status = status(&tenant, &Progress::Written(&valid, &parts, None), now());
    let conditions = status.conditions;
    condition::find(&conditions, ConditionType::WorkerReady)
        .unwrap()
        .message
        .clone()
}

#[test]
fn the_status_says_who_scales() {
    let shared = settings_with(&format!("worker: {SHARED}"));
    insta::assert_yaml_snapshot!(
        [
            said(&scaling_settings(), true),
            said(&scaling_settings(), false),
            said(&shared, true),
            said(&settings(), true),
        ],
        @r#"
    - "1 of 1 workers are ready; KEDA runs 0 to 20 of them, one for each 50 messages that wait."
    - 1 of 1 workers are ready; there is no KEDA in this cluster to scale them between 0 and 20.
    - "1 of 1 workers are ready; KEDA does not scale them between 0 and 20, because the operator's scalerAddress is not set."
    - "1 of 1 workers are ready; idempotency keys are in its memory, so there is one; spec.worker.scaling has no effect."
    "#
    );
}
