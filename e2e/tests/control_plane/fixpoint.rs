//! Others have a say in what the operator made: admission changes what it asks for, controllers and people add to it, and some
//! take what is its own. What is theirs stays, what is the operator's is put right, and once nothing drifts nothing is written.

use std::time::Duration;

use crds::{ConditionType, EventSubscription, Span, Tenant, TenantStatus, condition, label};
use e2e::{
    control_plane::{ADMIN, ControlPlane, OPERATOR},
    eventually::eventually,
    pubsub::{resyncs, writes},
    quiet::is_quiet,
    stage::{PROJECT, Stage, install_crds, operate, play_kubelet},
    tenants::{PATIENCE, apply, condition_of, ready},
};
use event_operator::kubernetes::{Kind, Manifest, generated, write};
use k8s_openapi::{
    api::{
        admissionregistration::v1::MutatingWebhookConfiguration,
        apps::v1::Deployment,
        core::v1::{ConfigMap, ServiceAccount},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
    core::NamespaceResourceScope,
};
use pubsub_emulator::Emulator;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::admission_webhook::Webhook;

/// An API server, a Pub/Sub and an operator that no other test sees: every write counts.
struct Alone {
    plane: ControlPlane,
    emulator: Emulator,
    client: Client,
    operator: tokio::task::JoinHandle<()>,
}

impl Alone {
    async fn new() -> Self {
        let plane = ControlPlane::alone();
        let client = plane.client(ADMIN).await.unwrap();
        install_crds(&client).await.unwrap();
        let emulator = Emulator::builder().start().await.unwrap();
        tokio::spawn(play_kubelet(client.clone()));
        let operator = operate(&plane, &emulator, json!({}), |_| ()).await.unwrap();
        Self {
            plane,
            emulator,
            client,
            operator,
        }
    }

    async fn restart(&mut self) {
        self.operator.abort();
        self.operator = operate(&self.plane, &self.emulator, json!({}), |_| ())
            .await
            .unwrap();
    }

    /// What the operator asked the API server to change so far.
    fn writes(&self) -> Vec<String> {
        self.plane.writes(OPERATOR).unwrap()
    }

    /// Everything is compared again, and nothing is written and nobody unready for a moment.
    async fn stays_ready_and_quiet(&self, tenant: &str, times: usize) {
        is_quiet(&self.plane, &self.emulator).await;
        let before = (ready_since(&self.client, tenant).await, self.writes());
        resyncs(&self.emulator, times).await;
        assert_eq!((ready_since(&self.client, tenant).await, self.writes()), before);
    }
}

async fn patch<K>(client: &Client, namespace: &str, name: &str, manager: &str, patch: Value) -> K
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let api = Api::<K>::namespaced(client.clone(), namespace);
    // Items of lists are merged by their names.
    let built_in = K::group(&()) != crds::GROUP;
    let patch = if built_in {
        Patch::Strategic(patch)
    } else {
        Patch::Merge(patch)
    };
    api.patch(name, &params, &patch).await.unwrap()
}

async fn worker(client: &Client, namespace: &str) -> Deployment {
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    api.get("event-worker").await.unwrap()
}

fn container(deployment: &Deployment) -> Value {
    let spec = deployment.spec.clone().unwrap().template.spec.unwrap();
    serde_json::to_value(spec.containers.iter().find(|one| one.name == "worker").unwrap()).unwrap()
}

fn variable(deployment: &Deployment, name: &str) -> Option<String> {
    let container = container(deployment);
    let all = container["env"].as_array().unwrap();
    let found = all.iter().find(|one| one["name"] == name)?;
    found["value"].as_str().map(str::to_owned)
}

/// As GKE Autopilot raises requests, policies pin images, and meshes inject: what it makes of an object once, it leaves alone.
fn raise_pin_and_inject(object: &Value) -> Vec<Value> {
    let pod = "/spec/template/spec";
    let mut patch = Vec::new();
    let containers = object
        .pointer(&format!("{pod}/containers"))
        .unwrap()
        .as_array()
        .unwrap();
    for (number, one) in containers.iter().enumerate() {
        let image = one["image"].as_str().unwrap();
        if !image.starts_with("mirror.example.com/") {
            patch.push(json!({"op": "replace", "path": format!("{pod}/containers/{number}/image"), "value": format!("mirror.example.com/{image}")}));
        }
        let requests = json!({"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "1Gi"});
        let resources = json!({"limits": one["resources"]["limits"], "requests": requests});
        patch.push(
            json!({"op": "add", "path": format!("{pod}/containers/{number}/resources"), "value": resources}),
        );
    }
    if containers.iter().all(|one| one["name"] != "proxy") {
        let security = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        let proxy =
            json!({"name": "proxy", "image": "mirror.example.com/proxy:1", "securityContext": security});
        patch.push(json!({"op": "add", "path": format!("{pod}/containers/-"), "value": proxy}));
    }
    patch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_admission_and_others_make_of_it_stays_and_what_is_the_operators_is_put_right() {
    let mut alone = Alone::new().await;
    let (client, name) = (alone.client.clone(), "mutated");
    let rule = json!({"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE", "UPDATE"]});
    let namespaces = json!({label::TENANT: name});
    let _webhook = Webhook::install(&client, name, rule, namespaces, raise_pin_and_inject).await;
    apply(
        &client,
        name,
        json!({"subscriptions": [{"topic": "user-events"}]}),
    )
    .await;
    ready(&client, name).await;
    let made = container(&worker(&client, name).await);
    assert_eq!(made["resources"]["requests"]["cpu"], "250m");
    assert!(
        made["image"].as_str().unwrap().starts_with("mirror.example.com/"),
        "{made}"
    );
    alone.stays_ready_and_quiet(name, 3).await;

    // Others add what is theirs, each in a name of its own.
    let env = json!([{"name": "worker", "env": [{"name": "RUST_BACKTRACE", "value": "1"}]}]);
    let with_env = json!({"spec": {"template": {"spec": {"containers": env}}}});
    patch::<Deployment>(&client, name, "event-worker", "kubectl-set", with_env).await;
    let volume = json!({"spec": {"template": {"spec": {"volumes": [{"name": "extra", "emptyDir": {}}]}}}});
    patch::<Deployment>(&client, name, "event-worker", "kyverno", volume).await;
    let restart = json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"});
    let restarted = json!({"spec": {"template": {"metadata": {"annotations": restart}}}});
    patch::<Deployment>(&client, name, "event-worker", "kubectl-rollout", restarted).await;
    let secrets = json!({"imagePullSecrets": [{"name": "pull"}], "secrets": [{"name": "pull"}]});
    patch::<ServiceAccount>(&client, name, "event-worker", "openshift-controller", secrets).await;
    let noted =
        json!({"metadata": {"annotations": {"example.com/cost-centre": "42"}, "labels": {"team": "a"}}});
    patch::<ConfigMap>(&client, name, "event-worker", "somebody", noted).await;
    alone.stays_ready_and_quiet(name, 3).await;
    theirs_stays(&client, name).await;

    // What is the operator's own is put right, whatever kind of object it is on.
    let number = json!([{"name": "worker", "env": [{"name": "MAX_CONCURRENT_MESSAGES", "value": "99"}]}]);
    let changed = json!({"spec": {"template": {"spec": {"containers": number}}}});
    patch::<Deployment>(&client, name, "event-worker", "kubectl-set", changed).await;
    let token = json!({"automountServiceAccountToken": true});
    patch::<ServiceAccount>(&client, name, "event-worker", "kubectl-edit", token).await;
    let list = json!({"data": {"subscriptions.json": "[]"}});
    patch::<ConfigMap>(&client, name, "event-worker", "kubectl-edit", list).await;
    eventually("drift is put right", PATIENCE, async || {
        let messages = variable(&worker(&client, name).await, "MAX_CONCURRENT_MESSAGES");
        let account = Api::<ServiceAccount>::namespaced(client.clone(), name);
        let token = account
            .get("event-worker")
            .await
            .unwrap()
            .automount_service_account_token;
        let map = Api::<ConfigMap>::namespaced(client.clone(), name);
        let list = map.get("event-worker").await.unwrap().data.unwrap()["subscriptions.json"].clone();
        match messages.as_deref() == Some("5") && token == Some(false) && list.len() > 2 {
            true => Ok(()),
            false => Err((messages, token, list)),
        }
    })
    .await;
    theirs_stays(&client, name).await;
    alone.stays_ready_and_quiet(name, 2).await;

    // An operator that knows nothing finds everything as it is wanted.
    let before = alone.writes();
    let calls = writes(&alone.emulator);
    alone.restart().await;
    resyncs(&alone.emulator, 3).await;
    assert_eq!(alone.writes(), before);
    assert_eq!(writes(&alone.emulator), calls);
    alone.stays_ready_and_quiet(name, 1).await;
}

async fn theirs_stays(client: &Client, name: &str) {
    let deployment = worker(client, name).await;
    let image = container(&deployment)["image"].clone();
    assert!(
        image.as_str().unwrap().starts_with("mirror.example.com/"),
        "{image}"
    );
    assert_eq!(variable(&deployment, "RUST_BACKTRACE").as_deref(), Some("1"));
    let template = deployment.spec.unwrap().template;
    let volumes = template.spec.clone().unwrap().volumes.unwrap();
    assert!(volumes.iter().any(|one| one.name == "extra"), "{volumes:?}");
    assert!(
        template
            .spec
            .unwrap()
            .containers
            .iter()
            .any(|one| one.name == "proxy")
    );
    let annotations = template.metadata.unwrap().annotations.unwrap();
    assert!(
        annotations.contains_key("kubectl.kubernetes.io/restartedAt"),
        "{annotations:?}"
    );
    let account = Api::<ServiceAccount>::namespaced(client.clone(), name);
    let account = account.get("event-worker").await.unwrap();
    assert_eq!(account.image_pull_secrets.unwrap()[0].name, "pull");
    let map = Api::<ConfigMap>::namespaced(client.clone(), name);
    let map = map.get("event-worker").await.unwrap();
    assert_eq!(map.labels()["team"], "a");
    assert_eq!(map.annotations()["example.com/cost-centre"], "42");
}

/// Waits until it says so, and gives the condition.
async fn says(client: &Client, tenant: &str, what: ConditionType, status: &str) -> Condition {
    condition_of(client, tenant, what, &format!("is {status}"), |one| {
        one.status == status
    })
    .await
}

fn strip_the_note(object: &Value) -> Vec<Value> {
    let path = "/metadata/annotations/events.livingtwin.io~1applied";
    let there = object.pointer(path).is_some();
    there
        .then(|| json!({"op": "remove", "path": path}))
        .into_iter()
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_what_is_the_operators_again_and_again_is_named_and_answered_once_per_resync() {
    let alone = Alone::new().await;
    let (client, name) = (alone.client.clone(), "contested");
    apply(
        &client,
        name,
        json!({"subscriptions": [{"topic": "user-events"}]}),
    )
    .await;
    ready(&client, name).await;
    alone.stays_ready_and_quiet(name, 1).await;
    let asked = || {
        let writes = alone.writes();
        let about =
            |one: &&String| one.contains("/serviceaccounts/") || one.contains("/poddisruptionbudgets/");
        writes.iter().filter(about).count()
    };

    // A controller that answers each repair, and a webhook that takes away what the operator notes.
    let rule = json!({"apiGroups": ["policy"], "apiVersions": ["v1"], "resources": ["poddisruptionbudgets"], "operations": ["CREATE", "UPDATE"]});
    let stripping = Webhook::install(&client, name, rule, json!({label::TENANT: name}), strip_the_note).await;
    let story = async {
        let touched = json!({"metadata": {"annotations": {"example.com/touched": "yes"}}});
        patch::<PodDisruptionBudget>(&client, name, "event-worker", "somebody", touched).await;
        let said = says(&client, name, ConditionType::Contested, "True").await;
        assert_eq!(said.reason, "FieldsContested");
        eventually("both are named", PATIENCE, async || {
            let said = says(&client, name, ConditionType::Contested, "True")
                .await
                .message;
            let fought = said.contains(
                "\"fighter\" changes automountServiceAccountToken of ServiceAccount contested/event-worker",
            );
            let stripped = said.contains("PodDisruptionBudget contested/event-worker");
            if fought && stripped { Ok(()) } else { Err(said) }
        })
        .await;
        // It is ready all the while, and each is asked for once in a resync at most.
        let before = (ready_since(&client, name).await, asked());
        resyncs(&alone.emulator, 4).await;
        let after = (ready_since(&client, name).await, asked());
        assert_eq!(before.0, after.0);
        assert!(
            after.1 - before.1 <= 2 * 6,
            "{} writes in four resyncs",
            after.1 - before.1
        );
    };
    tokio::select! {
        () = fights(&client, name) => unreachable!("it fights for ever"),
        () = story => {}
    }
    // Peace.
    let configurations = Api::<MutatingWebhookConfiguration>::all(client.clone());
    configurations
        .delete(name, &DeleteParams::default())
        .await
        .unwrap();
    drop(stripping);
    says(&client, name, ConditionType::Contested, "False").await;
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), name);
    let account = accounts.get("event-worker").await.unwrap();
    assert_eq!(account.automount_service_account_token, Some(false));
    alone.stays_ready_and_quiet(name, 1).await;
}

/// Answers each repair at once, for ever.
async fn fights(client: &Client, namespace: &str) {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    loop {
        let found = accounts.get("event-worker").await.unwrap();
        if found.automount_service_account_token != Some(true) {
            let takes = json!({"automountServiceAccountToken": true});
            patch::<ServiceAccount>(client, namespace, "event-worker", "fighter", takes).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Since when it is Ready.
async fn ready_since(client: &Client, tenant: &str) -> Time {
    let conditions = ready(client, tenant).await.status.unwrap().conditions;
    let ready = condition::find(&conditions, ConditionType::Ready).unwrap();
    ready.last_transition_time.clone()
}

#[tokio::test]
async fn owners_that_were_stripped_or_are_of_an_earlier_life_are_put_right() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let name = "restored";
    apply(
        &client,
        name,
        json!({"subscriptions": [{"topic": "user-events"}]}),
    )
    .await;
    let tenant = ready(&client, name).await.uid().unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), name);
    let made = accounts.get("event-worker").await.unwrap();
    let with = async |owners: Value| {
        let params = PatchParams {
            field_manager: Some("velero".to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"metadata": {"ownerReferences": owners}}));
        accounts.patch("event-worker", &params, &patch).await.unwrap();
    };
    let map = Api::<ConfigMap>::namespaced(client.clone(), name);
    let map = map.get("event-worker").await.unwrap().uid().unwrap();
    let solid = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "event-worker", "uid": map});
    let former = json!({
        "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant", "name": name, "controller": true,
        "uid": "11111111-2222-3333-4444-555555555555",
    });
    for owners in [json!([solid]), json!([former, solid])] {
        with(owners).await;
        eventually("it is its Tenant's", PATIENCE, async || {
            let found = accounts.get("event-worker").await.unwrap();
            assert_eq!(found.uid(), made.uid(), "it was never deleted");
            let mut uids: Vec<_> = found
                .owner_references()
                .iter()
                .map(|one| one.uid.clone())
                .collect();
            uids.sort();
            let mut expected = vec![tenant.clone(), map.clone()];
            expected.sort();
            if uids == expected {
                Ok(())
            } else {
                Err(found.metadata.owner_references)
            }
        })
        .await;
    }
    ready(&client, name).await;
}

#[tokio::test]
async fn a_generated_subscription_is_its_tenants_until_its_label_is_taken_away() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let (name, topic) = ("generates", "user-events");
    let spec = |deadline: &str| json!({"subscriptions": [{"topic": topic, "ackDeadline": deadline}]});
    apply(&client, name, spec("60s")).await;
    ready(&client, name).await;
    let subscriptions = Api::<EventSubscription>::namespaced(client.clone(), name);
    let in_pubsub = || {
        let full = format!("projects/{PROJECT}/subscriptions/living-twin-{topic}-{name}-worker");
        let found = stage.emulator.subscription(&full).unwrap();
        (
            found.ack_deadline_seconds,
            found.message_retention_duration.unwrap().seconds,
        )
    };
    let week = 7 * 24 * 3600;
    assert_eq!(in_pubsub(), (60, week));

    // A hand edit is put right before it comes to Pub/Sub, where a shorter retention would lose messages.
    let edit =
        json!({"spec": {"retention": "10m", "ackDeadline": "30s", "deadLetter": {"maxDeliveryAttempts": 9}}});
    patch::<EventSubscription>(&client, name, topic, "kubectl-edit", edit.clone()).await;
    eventually("the edit is put right", PATIENCE, async || {
        let settings = subscriptions.get(topic).await.unwrap().spec.settings;
        let edited = (settings.retention, settings.dead_letter.clone());
        let deadline = settings.ack_deadline.map(Span::as_secs);
        match edited == (None, None) && deadline == Some(60) {
            true => Ok(()),
            false => Err(settings),
        }
    })
    .await;
    let tenant = ready(&client, name).await;
    assert_eq!(in_pubsub(), (60, week));
    let written = writes(&stage.emulator);
    let updates = written
        .iter()
        .filter(|one| one.contains("UpdateSubscription") && one.contains(name));
    assert_eq!(updates.count(), 0);
    let conditions = tenant.status.unwrap().conditions;
    assert_eq!(
        condition::find(&conditions, ConditionType::Overridden)
            .unwrap()
            .status,
        "False"
    );

    // A later edit of the Tenant goes through.
    apply(&client, name, spec("45s")).await;
    eventually("the Tenant's edit is in Pub/Sub", PATIENCE, async || {
        let found = in_pubsub();
        if found == (45, week) { Ok(()) } else { Err(found) }
    })
    .await;

    // Without its label it is somebody's own, edits and all.
    let own = json!({"metadata": {"labels": {label::GENERATED: null}}});
    patch::<EventSubscription>(&client, name, topic, "kubectl-label", own).await;
    let said = says(&client, name, ConditionType::Overridden, "True").await;
    assert_eq!(said.reason, "AppliedByHand");
    assert!(said.message.contains(topic), "{}", said.message);
    let edit = json!({"spec": {"ackDeadline": "30s"}});
    patch::<EventSubscription>(&client, name, topic, "kubectl-edit", edit).await;
    eventually("the edit is in Pub/Sub", PATIENCE, async || {
        let found = in_pubsub();
        if found == (30, week) { Ok(()) } else { Err(found) }
    })
    .await;
    apply(&client, name, spec("50s")).await;
    ready(&client, name).await;
    resyncs(&stage.emulator, 2).await;
    let found = subscriptions.get(topic).await.unwrap();
    assert!(
        !found.labels().contains_key(label::GENERATED),
        "{:?}",
        found.labels()
    );
    assert_eq!(in_pubsub(), (30, week));

    // Once it is deleted, the Tenant has its own again.
    subscriptions
        .delete(topic, &DeleteParams::default())
        .await
        .unwrap();
    says(&client, name, ConditionType::Overridden, "False").await;
    eventually("the Tenant's settings count again", PATIENCE, async || {
        let found = in_pubsub();
        if found == (50, week) { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn a_status_is_never_written_to_another_object_of_the_same_name() {
    let plane = ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let api = Api::<Tenant>::all(client.clone());
    apply(&client, "returns", json!({})).await;
    let before = api.get("returns").await.unwrap();
    let ready = |generation| TenantStatus {
        observed_generation: Some(generation),
        ..TenantStatus::default()
    };
    assert!(
        write::set_status(&api, &before, before.status.as_ref(), &ready(1))
            .await
            .unwrap()
    );
    api.delete("returns", &DeleteParams::default()).await.unwrap();
    apply(&client, "returns", json!({})).await;
    let said = write::set_status(&api, &before, before.status.as_ref(), &ready(7)).await;
    assert!(!said.unwrap(), "it was written");
    let status = api.get("returns").await.unwrap().status.unwrap();
    assert_eq!(status.observed_generation, None, "nothing is known of it");
}

#[tokio::test]
async fn a_write_that_comes_after_the_label_was_removed_leaves_the_object_to_its_new_owner() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let name = "taken-over-meanwhile";
    apply(&client, name, json!({"subscriptions": [{"topic": "events"}]})).await;
    ready(&client, name).await;
    let api = Api::<EventSubscription>::namespaced(client.clone(), name);
    let known = api.get("events").await.unwrap();
    let take_over = json!({"metadata": {"labels": {label::GENERATED: null}}, "spec": {"retention": "10m"}});
    api.patch("events", &PatchParams::default(), &Patch::Merge(take_over))
        .await
        .unwrap();

    // What a reconcile writes that knows the object as it was before.
    let wish = json!({
        "metadata": {"name": "events", "labels": {label::GENERATED: "true"}},
        "spec": {"tenantRef": {"name": name}, "topic": "events", "retention": "168h"},
    });
    let manifest = Manifest::new(Kind::EventSubscription, Some(name), "events", &wish).unwrap();
    let version = known.resource_version();
    let applied = generated::apply(&client, &manifest, version.as_deref()).await;
    let deleted = generated::delete(&client, &manifest.key, known.uid().as_deref()).await;
    for refused in [applied.map(|_| ()), deleted] {
        let refusal = refused.unwrap_err().to_string();
        assert!(refusal.contains("took it over"), "{refusal}");
    }
    let theirs = api.get("events").await.unwrap();
    assert_eq!(theirs.spec.settings.retention, Some(Span::from_secs(600)));
    assert!(!theirs.labels().contains_key(label::GENERATED));
    assert!(theirs.metadata.deletion_timestamp.is_none());
    condition_of(&client, name, ConditionType::Overridden, "is true", |one| {
        one.status == "True"
    })
    .await;

    // One that only changed is written, at the version that it has now.
    apply(
        &client,
        "changed-meanwhile",
        json!({"subscriptions": [{"topic": "events"}]}),
    )
    .await;
    ready(&client, "changed-meanwhile").await;
    let api = Api::<EventSubscription>::namespaced(client.clone(), "changed-meanwhile");
    let known = api.get("events").await.unwrap();
    let note = json!({"metadata": {"annotations": {"team": "a"}}});
    api.patch("events", &PatchParams::default(), &Patch::Merge(note))
        .await
        .unwrap();
    let wish = serde_json::to_value(&known.spec).unwrap();
    let wish = json!({
        "metadata": {"name": "events", "labels": {label::GENERATED: "true"}, "annotations": {"written": "yes"}},
        "spec": wish,
    });
    let manifest = Manifest::new(
        Kind::EventSubscription,
        Some("changed-meanwhile"),
        "events",
        &wish,
    )
    .unwrap();
    let version = known.resource_version();
    generated::apply(&client, &manifest, version.as_deref())
        .await
        .unwrap();
}
