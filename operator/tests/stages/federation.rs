//! On a cluster that is not GKE a worker proves its identity with a token of its own.

use crate::{
    support::{World, now, settings, settings_with, subscription, valid, wanted_with},
    tenant_stages::{applied, desired, sample},
};
use crds::DeletionPolicy;
use event_operator::{
    kubernetes::{Kind, Manifest},
    pubsub::{Resource, policy::SUBSCRIBER},
    settings::Settings,
    subscription::finalize::release,
    tenant::{
        desired::{Desired, fleet_version},
        rollout::{Change, change},
        validate::validate,
    },
};
use serde_json::Value;

fn federated(more: &str) -> Settings {
    settings_with(&format!(
        "identity: {{mode: federation, pool: tenants, provider: prod-eu, poolProjectNumber: 42{more}}}"
    ))
}

fn tenant_in(settings: &Settings) -> Desired {
    let valid = validate(&sample("tenant-456"), &[], settings).unwrap();
    desired(&valid, &[], settings).unwrap()
}

fn the(kind: Kind, desired: &Desired) -> &Manifest {
    let all = desired.ground.iter().chain(&desired.worker);
    all.chain([&desired.deployment])
        .find(|one| one.key.kind == kind)
        .unwrap()
}

#[test]
fn the_pod_has_a_token_for_google_alone_and_the_file_that_says_how_to_exchange_it() {
    let desired = tenant_in(&federated(""));
    let pod = &desired.deployment.body["spec"]["template"];
    let container = &pod["spec"]["containers"][0];
    let env = container["env"].as_array().unwrap();
    let credentials: Vec<_> = env
        .iter()
        .filter(|one| one["name"] == "GOOGLE_APPLICATION_CREDENTIALS")
        .collect();
    let identity = serde_json::json!({
        "annotations": pod["metadata"]["annotations"],
        "automountServiceAccountToken": pod["spec"]["automountServiceAccountToken"],
        "env": credentials,
        "volumeMounts": container["volumeMounts"],
        "volumes": pod["spec"]["volumes"],
    });
    insta::assert_yaml_snapshot!("federated_pod", identity);
    let file = the(Kind::ConfigMap, &desired).body["data"]["credentials.json"].clone();
    let file: Value = serde_json::from_str(file.as_str().unwrap()).unwrap();
    insta::assert_json_snapshot!("federated_credentials", file);
}

#[test]
fn on_gke_there_is_nothing_of_it() {
    let desired = tenant_in(&settings());
    let map = &the(Kind::ConfigMap, &desired).body["data"];
    assert!(map["credentials.json"].is_null());
    let text = desired.deployment.body.to_string();
    assert!(!text.contains("GOOGLE_APPLICATION_CREDENTIALS") && !text.contains("projected"));
}

#[test]
fn a_change_of_the_federation_goes_through_the_fleet_like_any_other() {
    let before = federated("");
    let live = applied(&tenant_in(&before).deployment.body);
    assert_eq!(change(&tenant_in(&before).deployment, Some(&live)), Change::None);
    for more in [
        ", audience: us",
        ", tokenUrl: 'https://sts.example.com:8443/token'",
    ] {
        let after = federated(more);
        assert_ne!(fleet_version(&before).unwrap(), fleet_version(&after).unwrap());
        let wanted = tenant_in(&after).deployment;
        assert_ne!(
            wanted.body["spec"]["template"], live["spec"]["template"],
            "{more}"
        );
        assert_eq!(change(&wanted, Some(&live)), Change::Fleet, "{more}");
    }
}

#[test]
fn the_token_is_exchanged_where_it_says_and_no_metadata_server_is_asked() {
    let egress = |settings: &Settings| {
        let desired = tenant_in(settings);
        the(Kind::NetworkPolicy, &desired).body["spec"]["egress"].clone()
    };
    let ports = |settings: &Settings| -> Vec<Value> {
        let egress = egress(settings);
        let ports = egress[1]["ports"].as_array().unwrap().clone();
        ports.into_iter().map(|one| one["port"].clone()).collect()
    };
    assert_eq!(ports(&federated("")), [443]);
    let elsewhere = federated(", tokenUrl: 'https://sts.example.com:8443/token'");
    assert_eq!(ports(&elsewhere), [443, 8443]);
    assert!(
        !egress(&elsewhere).to_string().contains("169.254.169.254"),
        "it may hand out what the node itself may do"
    );
    assert!(egress(&settings()).to_string().contains("169.254.169.254"));
}

fn workers(world: &World) -> Vec<String> {
    let policies = world
        .policies
        .iter()
        .filter(|(resource, _)| matches!(resource, Resource::Subscription(_)));
    policies
        .flat_map(|(_, policy)| &policy.bindings)
        .filter(|binding| binding.role == SUBSCRIBER)
        .flat_map(|binding| binding.members.clone())
        .filter(|member| !member.starts_with("serviceAccount:"))
        .collect()
}

const POOL: &str = "//iam.googleapis.com/projects/1234/locations/global/workloadIdentityPools/tenants";

#[test]
fn a_worker_known_by_uid_leaves_no_right_behind_under_its_name() {
    let valid = valid(&subscription("tenant-123", "user-events", "")).unwrap();
    let mut world = World::default();
    let converge = |world: &mut World, settings: &Settings| {
        let desired = wanted_with(&valid, settings);
        let plan = world.plan_for(&valid, &desired, None, now()).unwrap();
        world.apply(&plan, plan.steps.len());
        assert!(world.plan_for(&valid, &desired, None, now()).unwrap().is_empty());
    };
    converge(&mut world, &federated(""));
    let by_name = format!("principal:{POOL}/subject/system:serviceaccount:tenant-123:event-worker");
    assert_eq!(workers(&world), [by_name]);

    let by_uid = federated(", subjectAttribute: uid");
    converge(&mut world, &by_uid);
    assert_eq!(
        workers(&world),
        [format!("principalSet:{POOL}/attribute.uid/uid-of-worker")]
    );

    let plan = release(
        &world.kept(),
        DeletionPolicy::Retain,
        &by_uid.identity,
        &valid.stamp,
        &valid.rules,
        now(),
    );
    world.apply(&plan, plan.steps.len());
    assert_eq!(workers(&world), [""; 0]);
}
