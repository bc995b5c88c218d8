//! The pure stages of a Tenant: what it comes to in Kubernetes, and in which order it goes.

use std::{collections::BTreeMap, sync::Arc};

use crate::support::{UNKNOWN, World, now, settings, settings_with};
use crds::{DeletionPolicy, EventSubscription, Reason, Tenant, label};
use event_operator::{
    kubernetes::{Key, Kind},
    settings::Settings,
    subscription::{apply::Outcome, status},
    tenant::{
        desired::{self, Desired, worker_key},
        finalize::{NamespaceEnd, Next, Remains, may_go, namespace_end, next},
        observe::{Contest, NamespaceState, Observed},
        plan::{Action, Plan, plan},
        rollout::{Turn, annotation},
        scaling::Mode,
        validate::{Valid, validate},
    },
};
use serde_json::{Value, json};

pub(crate) fn sample(name: &str) -> Tenant {
    let path = format!("{}/../config/samples/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let mut value: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    // As the API server fills it in.
    value
        .as_object_mut()
        .unwrap()
        .entry("spec")
        .or_insert_with(|| json!({}));
    let mut tenant: Tenant = serde_json::from_value(value).unwrap();
    tenant.metadata.uid = Some("tenant-uid".into());
    tenant
}

/// In a cluster without KEDA.
pub(crate) fn desired(
    valid: &Valid,
    children: &[Arc<EventSubscription>],
    settings: &Settings,
) -> serde_json::Result<Desired> {
    desired::desired(valid, children, settings, &Mode::of(valid, settings, false))
}

fn valid(name: &str) -> Valid {
    valid_with(name, &settings())
}

fn valid_with(name: &str, settings: &Settings) -> Valid {
    validate(&sample(name), &[], settings).unwrap()
}

/// The EventSubscriptions a Tenant asked for, as they are once they are ready.
pub(crate) fn children(desired: &Desired) -> Vec<Arc<EventSubscription>> {
    let ready = |manifest: &event_operator::kubernetes::Manifest| {
        let mut one: EventSubscription = serde_json::from_value(manifest.body.clone()).unwrap();
        one.metadata.uid = Some(format!("uid-of-{}", manifest.key.name));
        one.metadata.generation = Some(1);
        let valid = crate::support::valid(&one).unwrap();
        let plan = World::default().plan(&valid).unwrap();
        let done = Outcome {
            applied: plan.steps.len(),
            failure: None,
        };
        one.status = Some(status::status(
            &one,
            &status::Progress::Planned(&valid, &plan, &done, &UNKNOWN),
            now(),
        ));
        Arc::new(one)
    };
    desired.subscriptions.iter().map(ready).collect()
}

fn settled(valid: &Valid) -> Desired {
    let first = desired(valid, &[], &settings()).unwrap();
    desired(valid, &children(&first), &settings()).unwrap()
}

pub(crate) fn observed(desired: &Desired, namespace: NamespaceState) -> Observed {
    let all = desired
        .ground
        .iter()
        .chain(&desired.worker)
        .chain(&desired.subscriptions)
        .chain(&desired.scaled_object)
        .chain([&desired.deployment, &desired.namespace]);
    let objects = all
        .map(|manifest| (manifest.key.clone(), applied(&manifest.body)))
        .collect();
    Observed {
        namespace,
        objects,
        contests: BTreeMap::new(),
    }
}

fn nothing() -> Observed {
    Observed {
        namespace: NamespaceState::Absent,
        objects: BTreeMap::new(),
        contests: BTreeMap::new(),
    }
}

/// A wish as it is once the operator applied it, where every list is one value to the server.
pub(crate) fn applied(wanted: &Value) -> Value {
    fn fields(value: &Value) -> Value {
        let all = value.as_object().into_iter().flatten();
        all.map(|(name, value)| (format!("f:{name}"), fields(value)))
            .collect()
    }
    let mut live = wanted.clone();
    live["metadata"]["managedFields"] =
        json!([{"manager": label::OPERATOR, "operation": "Apply", "fieldsV1": fields(wanted)}]);
    live
}

/// What the operator owns of a live object.
fn ours(live: &mut Value) -> &mut Value {
    &mut live["metadata"]["managedFields"][0]["fieldsV1"]
}

pub(crate) fn summary(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(ToString::to_string).collect()
}

#[test]
fn the_worker_of_a_sample() {
    let desired = settled(&valid("tenant-456"));
    insta::assert_yaml_snapshot!("worker_deployment", desired.deployment.body);
    let map = desired
        .worker
        .iter()
        .find(|one| one.key.kind == Kind::ConfigMap)
        .unwrap();
    insta::assert_snapshot!(
        "worker_subscriptions",
        map.body["data"]["subscriptions.json"].as_str().unwrap()
    );
    let policy = desired
        .ground
        .iter()
        .find(|one| one.key.kind == Kind::NetworkPolicy)
        .unwrap();
    insta::assert_yaml_snapshot!("worker_network_policy", policy.body["spec"]);
}

#[test]
fn a_worker_is_told_how_events_stand_in_messages_only_where_its_tenant_says_so() {
    let told = |envelope: Option<&str>| {
        let mut tenant = sample("tenant-456");
        let mut worker = serde_json::to_value(tenant.spec.worker.as_ref().unwrap()).unwrap();
        if let Some(envelope) = envelope {
            worker["envelope"] = envelope.into();
        }
        tenant.spec.worker = Some(serde_json::from_value(worker).unwrap());
        let valid = validate(&tenant, &[], &settings()).unwrap();
        let deployment = settled(&valid).deployment.body;
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let env = container["env"].as_array().unwrap();
        let found = env.iter().find(|one| one["name"] == "ENVELOPE");
        (
            found.map(|one| one["value"].as_str().unwrap().to_owned()),
            valid.worker_version,
        )
    };
    let (none, version) = told(None);
    assert_eq!(none, None);
    for (envelope, expected) in [
        ("Domain", "domain"),
        ("CloudEvents", "cloudevents"),
        ("Raw", "raw"),
    ] {
        let (found, other) = told(Some(envelope));
        assert_eq!(found.as_deref(), Some(expected));
        assert_ne!(other, version, "{envelope}: the worker is not replaced");
    }
    // That of a Tenant who says nothing is what it was before there was such a field.
    assert_eq!(version, "4c00a14d2c93c8b7");
}

#[test]
fn a_shared_store_is_reached_through_a_secret_of_the_tenants_namespace() {
    let settings = settings_with(
        "worker: {image: event-worker:1, idempotency: {url: 'rediss-sentinel://a:26379,b:26380/main', secretName: store, \
         ca: true, clientCertificate: true, sentinelPassword: true, ttl: 1h}}",
    );
    let valid = validate(&sample("tenant-456"), &[], &settings).unwrap();
    let first = desired(&valid, &[], &settings).unwrap();
    let pod = &first.deployment.body["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let variables: BTreeMap<&str, &str> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["value"].as_str().unwrap()))
        .filter(|(name, _)| name.starts_with("IDEMPOTENCY"))
        .collect();
    insta::assert_yaml_snapshot!(variables, @r#"
    IDEMPOTENCY_CA_FILE: /etc/event-worker-store/ca.crt
    IDEMPOTENCY_CERT_FILE: /etc/event-worker-store/tls.crt
    IDEMPOTENCY_KEY_FILE: /etc/event-worker-store/tls.key
    IDEMPOTENCY_PASSWORD_FILE: /etc/event-worker-store/password
    IDEMPOTENCY_SENTINEL_PASSWORD_FILE: /etc/event-worker-store/sentinel-password
    IDEMPOTENCY_TTL: 3600s
    IDEMPOTENCY_URL: "rediss-sentinel://a:26379,b:26380/main"
    IDEMPOTENCY_USERNAME: tenant-456
    "#);
    let volume = pod["volumes"].as_array().unwrap().last().unwrap();
    assert_eq!(
        volume,
        &json!({"name": "idempotency-store", "secret": {"secretName": "store"}})
    );
    let mount = container["volumeMounts"].as_array().unwrap().last().unwrap();
    assert_eq!(
        mount,
        &json!({"name": "idempotency-store", "mountPath": "/etc/event-worker-store", "readOnly": true})
    );
    assert_eq!(first.deployment.body["spec"]["strategy"]["type"], "RollingUpdate");

    let policy = first
        .ground
        .iter()
        .find(|one| one.key.kind == Kind::NetworkPolicy)
        .unwrap();
    let open: Vec<&Value> = policy.body["spec"]["egress"][1]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["port"])
        .collect();
    assert_eq!(open, [&json!(443), &json!(6379), &json!(26379), &json!(26380)]);
}

#[test]
fn a_fresh_tenant_gets_its_ground_first_and_its_worker_when_its_subscriptions_are_settled() {
    let valid = valid("tenant-456");
    let fresh = desired(&valid, &[], &settings()).unwrap();
    let first = plan(&valid, &fresh, &nothing(), Turn::Go).unwrap();
    assert!(first.worker_waits);
    insta::assert_yaml_snapshot!(summary(&first), @r#"
    - apply Namespace tenant-456
    - apply ServiceAccount tenant-456/event-worker
    - apply NetworkPolicy tenant-456/event-worker
    - apply EventSubscription tenant-456/document-events
    - apply EventSubscription tenant-456/user-events
    "#);
    let settled = settled(&valid);
    let mut there = observed(&settled, NamespaceState::Made);
    there.objects.retain(|key, _| {
        !matches!(
            key.kind,
            Kind::Deployment | Kind::ConfigMap | Kind::PodDisruptionBudget
        )
    });
    let second = plan(&valid, &settled, &there, Turn::Go).unwrap();
    insta::assert_yaml_snapshot!(summary(&second), @r#"
    - apply ConfigMap tenant-456/event-worker
    - apply PodDisruptionBudget tenant-456/event-worker
    - apply Deployment tenant-456/event-worker
    "#);
}

#[test]
fn what_is_as_wanted_is_not_written() {
    let valid = valid("tenant-456");
    let settled = settled(&valid);
    let all = observed(&settled, NamespaceState::Made);
    assert_eq!(
        summary(&plan(&valid, &settled, &all, Turn::Go).unwrap()),
        Vec::<String>::new()
    );
}

#[test]
fn every_object_that_drifted_is_put_right_and_no_other() {
    let valid = valid("tenant-456");
    let settled = settled(&valid);
    let whole = observed(&settled, NamespaceState::Made);
    for key in whole.objects.keys() {
        let mut drifted = whole.clone();
        // Somebody else wrote them: from then on they are theirs.
        let labels = &mut ours(drifted.objects.get_mut(key).unwrap())["f:metadata"]["f:labels"];
        *labels = json!({"f:other": {}});
        let repair = plan(&valid, &settled, &drifted, Turn::Go).unwrap();
        assert_eq!(summary(&repair), [format!("apply {key}")]);
        // Just after it was put right it waits, and its Tenant says why.
        let contest = Contest {
            held: true,
            what: "somebody changes it".into(),
        };
        drifted.contests.insert(key.clone(), contest);
        let waits = plan(&valid, &settled, &drifted, Turn::Go).unwrap();
        assert_eq!(summary(&waits), Vec::<String>::new());
        assert_eq!(waits.contested, ["somebody changes it"]);
    }
}

#[test]
fn what_admission_makes_of_a_wish_is_no_drift() {
    let valid = valid("tenant-456");
    let settled = settled(&valid);
    let mut mutated = observed(&settled, NamespaceState::Made);
    let live = mutated.objects.get_mut(&settled.deployment.key).unwrap();
    let container = &mut live["spec"]["template"]["spec"]["containers"][0];
    container["image"] = json!("mirror/event-worker@sha256:0");
    container["resources"]["requests"] =
        json!({"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "1Gi"});
    let calm = plan(&valid, &settled, &mutated, Turn::Go).unwrap();
    assert_eq!(summary(&calm), Vec::<String>::new());
}

#[test]
fn what_others_put_into_a_generated_subscription_is_taken_away() {
    let valid = valid("tenant-456");
    let settled = settled(&valid);
    let key = settled.subscriptions[0].key.clone();
    let mut edited = observed(&settled, NamespaceState::Made);
    let live = edited.objects.get_mut(&key).unwrap();
    live["spec"]["exactlyOnceDelivery"] = json!(true);
    let fields = json!({"f:spec": {"f:exactlyOnceDelivery": {}}});
    let theirs = json!({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields});
    live["metadata"]["managedFields"]
        .as_array_mut()
        .unwrap()
        .push(theirs);
    let repair = plan(&valid, &settled, &edited, Turn::Go).unwrap();
    let [Action::TakeAway(whose, patch)] = &repair.actions[..] else {
        panic!("{:?}", repair.actions)
    };
    assert_eq!(
        (whose, patch),
        (&key, &json!({"spec": {"exactlyOnceDelivery": null}}))
    );
}

#[test]
fn a_namespace_that_goes_says_what_holds_it() {
    let valid = valid("tenant-456");
    let settled = settled(&valid);
    let mut held = observed(&settled, NamespaceState::Terminating);
    held.objects.get_mut(&settled.namespace.key).unwrap()["status"] = json!({"conditions": [
        {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "All content successfully deleted"},
        {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining: configmaps. has 1 resource instances"},
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "example.com/hold in 1 resource instances"},
    ]});
    let failure = plan(&valid, &settled, &held, Turn::Go).unwrap_err();
    assert_eq!(failure.reason, Reason::Terminating);
    insta::assert_snapshot!(failure.message, @r#"Namespace "tenant-456" is being deleted; it is made again when it is gone. What holds it: Some resources are remaining: configmaps. has 1 resource instances; example.com/hold in 1 resource instances."#);
}

#[test]
fn an_owner_out_of_an_earlier_life_is_taken_away_before_the_new_one_is_applied() {
    let valid = valid("tenant-456");
    let settled = settled(&valid);
    let key = settled.ground[0].key.clone();
    let mut restored = observed(&settled, NamespaceState::Made);
    let live = restored.objects.get_mut(&key).unwrap();
    live["metadata"]["ownerReferences"][0]["uid"] = json!("a-former-uid");
    live["metadata"]["annotations"]["events.livingtwin.io/applied"] = json!("another");
    let repair = plan(&valid, &settled, &restored, Turn::Go).unwrap();
    let [Action::TakeAway(..), Action::Apply(_)] = &repair.actions[..] else {
        panic!("{:?}", repair.actions)
    };
}

#[test]
fn a_change_of_all_workers_waits_for_its_turn_and_nothing_else_does() {
    let valid = valid("tenant-456");
    let mut newer = settings();
    newer.worker.image = "event-worker:2".into();
    let before = settled(&valid);
    let there = observed(&before, NamespaceState::Made);
    let wanted = desired(&valid_with("tenant-456", &newer), &children(&before), &newer).unwrap();
    let with = |turn| summary(&plan(&valid, &wanted, &there, turn).unwrap());
    assert_eq!(with(Turn::Wait(10)), Vec::<String>::new());
    assert_eq!(with(Turn::Halted(vec!["other".into()])), Vec::<String>::new());
    assert_eq!(with(Turn::Go), ["apply Deployment tenant-456/event-worker"]);

    // Its own pods may run any image; what it says itself is what it waits for nobody with.
    let mut edited = sample("tenant-456");
    edited.spec.suspended = Some(true);
    let edited = desired(
        &validate(&edited, &[], &newer).unwrap(),
        &children(&before),
        &newer,
    )
    .unwrap();
    let plan = plan(&valid, &edited, &there, Turn::Wait(10)).unwrap();
    assert_eq!(summary(&plan), ["apply Deployment tenant-456/event-worker"]);
    let Action::Apply(manifest) = &plan.actions[0] else {
        panic!("{:?}", plan.actions)
    };
    assert_eq!(
        manifest.body["metadata"]["annotations"][annotation::WAS_READY],
        "false"
    );
}

#[test]
fn a_namespace_that_was_there_keeps_its_labels() {
    let valid = valid("tenant-456");
    let settled = settled(&valid);
    let mut given = observed(&settled, NamespaceState::Given);
    *ours(given.objects.get_mut(&settled.namespace.key).unwrap()) = json!({});
    assert!(
        plan(&valid, &settled, &given, Turn::Go)
            .unwrap()
            .actions
            .is_empty()
    );
    let foreign = observed(&settled, NamespaceState::Foreign(None));
    let failure = plan(&valid, &settled, &foreign, Turn::Go).unwrap_err();
    assert_eq!(failure.reason, Reason::NamespaceConflict);
    assert!(
        failure.message.contains("events.livingtwin.io/tenant=tenant-456"),
        "{}",
        failure.message
    );
}

#[test]
fn one_applied_by_hand_takes_the_place_of_the_tenants_own() {
    let valid = valid("tenant-456");
    let mut by_hand = children(&desired(&valid, &[], &settings()).unwrap());
    Arc::make_mut(&mut by_hand[0])
        .metadata
        .labels
        .as_mut()
        .unwrap()
        .remove(label::GENERATED);
    let desired = desired(&valid, &by_hand, &settings()).unwrap();
    assert_eq!(desired.subscriptions.len(), 1);
    assert!(desired.unwanted.is_empty());
    assert_eq!(desired.overridden, ["document-events"]);
}

#[test]
fn a_topic_that_is_no_longer_asked_for_loses_its_subscription() {
    let mut valid = valid("tenant-456");
    let before = children(&desired(&valid, &[], &settings()).unwrap());
    valid.subscriptions.remove(0);
    let after = desired(&valid, &before, &settings()).unwrap();
    assert_eq!(
        after.unwanted.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["EventSubscription tenant-456/document-events"]
    );
}

fn remains() -> Remains {
    let key = |name: &str| Key {
        kind: Kind::EventSubscription,
        namespace: Some("acme".into()),
        name: name.into(),
    };
    Remains {
        namespace: ("acme".into(), NamespaceState::Made),
        worker: Some((worker_key(Kind::Deployment, "acme"), Some("w".into()), false)),
        pods: true,
        subscriptions: vec![
            (key("a"), Some("1".into()), false),
            (key("b"), Some("2".into()), true),
        ],
    }
}

#[test]
fn a_tenant_goes_worker_first_then_subscriptions() {
    let mut left = remains();
    let deletes = |next: Next| match next {
        Next::Do(actions, _) => actions.iter().map(ToString::to_string).collect(),
        Next::Wait(_) => vec!["wait".to_owned()],
        Next::Finish => vec![],
    };
    assert_eq!(deletes(next(&left)), ["delete Deployment acme/event-worker"]);
    left.worker = None;
    assert_eq!(deletes(next(&left)), ["wait"], "a worker still runs");
    left.pods = false;
    assert_eq!(
        deletes(next(&left)),
        ["delete EventSubscription acme/a"],
        "the other goes already"
    );
    left.subscriptions.clear();
    assert_eq!(next(&left), Next::Finish);
}

#[test]
fn a_namespace_goes_only_when_asked_allowed_and_empty() {
    use NamespaceState::{Absent, Foreign, Given, Made};

    let end = |state: &NamespaceState, policy, foreign: Option<&[String]>| {
        let namespace = ("acme".to_owned(), state.clone());
        namespace_end(&namespace, policy, foreign)
    };
    let (delete, retain) = (DeletionPolicy::Delete, DeletionPolicy::Retain);
    let theirs = ["Secret theirs".to_owned()];
    assert_eq!(end(&Made, delete, Some(&[])), NamespaceEnd::Goes);
    for (policy, foreign) in [
        (delete, None),
        (delete, Some(&theirs[..])),
        (retain, None),
        (retain, Some(&[])),
    ] {
        let NamespaceEnd::Stays(note) = end(&Made, policy, foreign) else {
            panic!("{policy:?} {foreign:?} does not stay");
        };
        assert!(note.ends_with("kubectl delete namespace acme"), "{note}");
        assert_eq!(
            note.contains("Secret theirs"),
            foreign.is_some_and(|foreign| !foreign.is_empty())
        );
    }
    for state in [Given, Absent, Foreign(None)] {
        assert_eq!(end(&state, delete, Some(&[])), NamespaceEnd::NotOurs, "{state:?}");
    }
    assert!(may_go(&Made, delete) && !may_go(&Made, retain) && !may_go(&Given, delete));
}

#[test]
fn a_deletion_is_conditional_on_the_uid() {
    let Next::Do(actions, _) = next(&remains()) else {
        unreachable!("there is a worker")
    };
    assert!(matches!(&actions[..], [Action::Delete(_, Some(uid))] if uid == "w"));
}

#[test]
fn a_worker_waits_for_its_subscriptions_only_before_its_first_start() {
    let valid = valid("tenant-456");
    let unsettled = desired(&valid, &[], &settings()).unwrap();
    let is_deployment = |key: &Key| key.kind == Kind::Deployment;
    for runs in [false, true] {
        let mut seen = observed(&unsettled, NamespaceState::Made);
        // Everything else is there, or nothing else.
        seen.objects.retain(|key, _| is_deployment(key) == runs);
        let plan = plan(&valid, &unsettled, &seen, Turn::Go).unwrap();
        assert_eq!(plan.worker_waits, !runs);
    }
}
