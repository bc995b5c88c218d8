//! What the operator tells a worker, and what the worker listens to, is the same.

use std::{collections::BTreeSet, process::Command};

use crds::{Tenant, TenantSpec};
use e2e::{process::binary, stage};
use event_operator::{
    settings::Settings,
    tenant::{desired::desired, scaling::Mode, validate::validate},
};
use kube::CustomResourceExt as _;
use serde_json::json;

/// Everything that can be set is.
fn settings() -> Settings {
    let config = stage::configuration([json!({
        "projectId": "demo-project", "endpoint": "emulator:8085",
        "worker": {"image": "event-worker:1", "idempotency": {
            "url": "rediss://redis", "secretName": "store", "ca": true, "clientCertificate": true,
        }},
    })]);
    stage::settings(&config.unwrap()).unwrap()
}

fn variables(settings: &Settings) -> BTreeSet<String> {
    let spec: TenantSpec = serde_yaml::from_str(
        "worker: {handler: {http: {url: 'https://handler', timeout: 10s, auth: {
            token: {secretName: a}, ca: {secretName: b}, clientCertificate: {secretName: c}}}}}",
    )
    .unwrap();
    let valid = validate(&Tenant::new("acme", spec), &[], settings).unwrap();
    let deployment = desired(&valid, &[], settings, &Mode::default())
        .unwrap()
        .deployment;
    let list = deployment.body["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    let list = list.as_array().unwrap();
    list.iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_worker_knows_every_variable_that_the_operator_sets() {
    let help = Command::new(binary("event-worker").unwrap())
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let set = variables(&settings());
    assert!(
        ["IDEMPOTENCY_PASSWORD_FILE", "HANDLER_URL", "HANDLER_TOKEN_FILE"]
            .iter()
            .all(|name| set.contains(*name)),
        "{set:?}"
    );
    for name in set {
        assert!(
            help.contains(&format!("[env: {name}")),
            "the worker does not know {name}:\n{help}"
        );
    }
}

#[test]
fn a_tenant_may_set_no_variable_that_the_operator_sets() {
    let refused = serde_json::to_string(&Tenant::crd()).unwrap();
    // How much is logged may differ between tenants.
    for name in variables(&settings())
        .into_iter()
        .filter(|name| name != "LOG_LEVEL")
    {
        assert!(
            refused.contains(&format!("'{name}'")),
            "worker.env of a Tenant may set {name}; add it to the list in crds/src/reserved.rs"
        );
    }
}
