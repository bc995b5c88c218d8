//! What is refused, and in which words.

use crds::{TenantSpec, WorkerSettings};

use super::*;
use crate::tenant::scaling::Mode;

fn settings() -> Settings {
    Settings::of_the_default_file()
}

fn tenant(name: &str, uid: &str, spec: &str) -> Arc<Tenant> {
    let spec: TenantSpec = serde_yaml::from_str(spec).unwrap();
    let mut tenant = Tenant::new(name, spec);
    tenant.metadata.uid = Some(uid.into());
    Arc::new(tenant)
}

#[test]
fn silence_means_every_topic_and_the_defaults() {
    let valid = validate(&tenant("acme", "a", "{}"), &[], &settings()).unwrap();
    assert_eq!((valid.id.as_str(), valid.namespace.as_str()), ("acme", "acme"));
    assert_eq!(valid.subscriptions.len(), 5);
    assert_eq!(valid.worker.limits["memory"], "2Gi");
    assert_eq!(valid.worker.scaling, None);
    assert_eq!(Mode::of(&valid, &settings(), true).replicas(), Some(1));
    let none = validate(&tenant("acme", "a", "subscriptions: []"), &[], &settings()).unwrap();
    assert!(none.subscriptions.is_empty());
}

#[test]
fn the_older_of_two_with_one_id_wins() {
    let older = tenant("older", "a", "id: acme");
    let younger = tenant("younger", "b", "id: acme");
    let all = [Arc::clone(&older), Arc::clone(&younger)];
    assert!(validate(&older, &all, &settings()).is_ok());
    let failure = validate(&younger, &all, &settings()).unwrap_err();
    assert_eq!(failure.reason, Reason::DuplicateTenantId);
    assert!(failure.message.contains("\"older\""));
}

#[test]
fn of_two_of_one_second_the_one_that_works_already_wins() {
    let newcomer = tenant("newcomer", "a", "id: acme");
    let mut works = Tenant::clone(&tenant("works", "b", "id: acme"));
    assert!(validate(&works, &[Arc::clone(&newcomer)], &settings()).is_err());
    works.status = serde_json::from_value(json!({"conditions": [{
        "type": "NamespaceReady", "status": "True", "reason": "Succeeded", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]}))
    .unwrap();
    assert!(validate(&works, &[Arc::clone(&newcomer)], &settings()).is_ok());
    assert!(validate(&newcomer, &[Arc::new(works)], &settings()).is_err());
}

#[test]
fn two_tenants_do_not_share_a_namespace() {
    let older = tenant("older", "a", "namespace: shared");
    let younger = tenant("younger", "b", "namespace: shared");
    let failure = validate(&younger, &[older], &settings()).unwrap_err();
    assert_eq!(failure.reason, Reason::NamespaceConflict);
}

#[test]
fn who_decides_how_many_run() {
    let worker: WorkerSettings = serde_yaml::from_str("scaling: {min: 3}").unwrap();
    let mut settings = settings();
    let spec = TenantSpec {
        worker: Some(worker),
        ..TenantSpec::default()
    };
    let tenant = Tenant::new("acme", spec);
    let mode = |settings: &Settings, keda| {
        let valid = validate(&tenant, &[], settings).unwrap();
        Mode::of(&valid, settings, keda)
    };
    settings.scaler_address = Some("event-operator:8081".into());
    let in_memory = mode(&settings, true);
    assert_eq!((in_memory.replicas(), in_memory), (Some(1), Mode::InMemory));
    settings.worker.idempotency.url = "redis://redis:6379".into();
    assert_eq!(mode(&settings, false).replicas(), Some(3));
    assert_eq!(mode(&settings, true).replicas(), None, "KEDA does");
    settings.scaler_address = None;
    assert!(matches!(mode(&settings, true), Mode::NoAddress(_)));
    assert_eq!(mode(&settings, true).replicas(), Some(3));
}

/// A version is a hash of what a spec says, and no more: a field that a later release adds is absent in every spec there is, and
/// a release in which it shows would roll the whole fleet at once, outside of its waves. Whoever changes a value here does
/// that to every worker whose Tenant says as much.
#[test]
fn a_new_optional_field_changes_no_worker() {
    let specs = [
        "{}",
        "worker: {}",
        "{id: customer-1, projectId: acme-events, suspended: true}",
        "worker: {image: 'worker:1', maxConcurrentMessages: 9, timeout: 10m, envelope: Raw}",
        "worker: {handler: {http: {url: 'http://handler:8080/'}}, scaling: {min: 1}, resources: {limits: {cpu: 1}}, env: [{name: A}]}",
        "worker: {handler: {log: {}}, scaling: {}}",
    ];
    let versions = specs.map(|spec| {
        let given: serde_json::Value = serde_yaml::from_str(spec).unwrap();
        let tenant = tenant("acme", "a", spec);
        assert_eq!(
            serde_json::to_value(&tenant.spec).unwrap(),
            given,
            "nothing absent shows"
        );
        validate(&tenant, &[], &settings()).unwrap().worker_version
    });
    let expected = [
        "6cd8cec706fa1111",
        "959f4576b2c37d31",
        "5b913a24bb246c1d",
        "331a3dcb3fd88923",
        "19b7f9708d402bf3",
        "29a5ea26b7813c33",
    ];
    assert_eq!(versions, expected);
}

/// What the operator says of all workers, under its default configuration: a release that changes it rolls the whole fleet, in
/// waves. That is not to happen by accident.
#[test]
fn a_release_rolls_the_fleet_only_where_it_means_to() {
    let version = crate::tenant::desired::fleet_version(&settings()).unwrap();
    assert_eq!(version, "f204b6df6411eeeb");
}
