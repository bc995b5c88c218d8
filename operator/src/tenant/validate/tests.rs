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
