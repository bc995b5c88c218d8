//! The rights that the chart and the README ask for are those that are used, no more and no less. The operator's binary has
//! just them, and its whole life is looked at in the API server's audit log and in the emulator's call log.

use std::{collections::BTreeSet, fs, time::Duration};

use crds::label;
use e2e::{
    control_plane::{ADMIN, ControlPlane, LIMITED},
    eventually::eventually,
    process::Operator,
    stage::{PROJECT, install_crds, play_kubelet},
    tenants::{apply, delete, ready},
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::{Api, Client, api::PostParams};
use pubsub_emulator::{Code, Emulator, Fault};
use serde_json::{Value, json};

use super::chart::{rendered, root, words};

/// Granted, and used by nothing that this story can make happen here.
const NOT_SEEN: [(&str, &str); 7] = [
    (
        "update events.livingtwin.io/tenants/finalizers",
        "asked for by an admission plugin of OpenShift",
    ),
    (
        "update events.livingtwin.io/eventsubscriptions/finalizers",
        "the same",
    ),
    (
        "list keda.sh/scaledobjects",
        "where KEDA is installed; see scaling.rs",
    ),
    ("watch keda.sh/scaledobjects", "the same"),
    ("create keda.sh/scaledobjects", "the same"),
    ("patch keda.sh/scaledobjects", "the same"),
    ("delete keda.sh/scaledobjects", "the same"),
];

/// `verb group/resource`, as rules grant it.
fn granted(rules: &Value) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for rule in rules.as_array().unwrap() {
        for group in words(rule, "apiGroups") {
            for resource in words(rule, "resources") {
                rights.extend(
                    words(rule, "verbs")
                        .iter()
                        .map(|verb| format!("{verb} {group}/{resource}")),
                );
            }
        }
    }
    rights
}

/// The same as the API server saw it asked for.
fn used(plane: &ControlPlane) -> BTreeSet<String> {
    let entries = plane
        .audit()
        .unwrap()
        .into_iter()
        .filter(|entry| entry.user.username == LIMITED);
    let mut rights = BTreeSet::new();
    for entry in entries {
        let Some(about) = entry.object_ref else { continue };
        let code = entry.response_status.map_or(0, |status| status.code);
        assert_ne!(code, 403, "{} {} is forbidden", entry.verb, entry.request_uri);
        let mut resource = about.resource;
        if !about.subresource.is_empty() {
            resource = format!("{resource}/{}", about.subresource);
        }
        // A server-side apply of what is not there yet is allowed to whoever may create.
        if entry.verb == "patch" && code == 201 {
            rights.insert(format!("create {}/{resource}", about.api_group));
        }
        rights.insert(format!("{} {}/{resource}", entry.verb, about.api_group));
    }
    rights
}

/// The chart's roles, and their rules, bound to the user that has no others.
pub(super) async fn bind(client: &Client, values: &[&str]) -> BTreeSet<String> {
    // Without the roles that people have.
    let objects = rendered(&[values, &["--set=aggregatedRoles.enabled=false"]].concat());
    // Both Roles at once: the release's own lease and that of the cluster are in one namespace here.
    let of = |kind: &str| {
        let all = objects.iter().filter(|one| one["kind"] == kind);
        let rules: Vec<_> = all.flat_map(|one| one["rules"].as_array().unwrap()).collect();
        json!(rules)
    };
    let (rules, own) = (of("ClusterRole"), of("Role"));
    let subject = json!([{"kind": "User", "name": LIMITED, "apiGroup": "rbac.authorization.k8s.io"}]);
    let role: ClusterRole =
        serde_json::from_value(json!({"metadata": {"name": "operator"}, "rules": rules})).unwrap();
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "operator"}, "subjects": subject,
        "roleRef": {"kind": "ClusterRole", "name": "operator", "apiGroup": "rbac.authorization.k8s.io"},
    }))
    .unwrap();
    let lease: Role =
        serde_json::from_value(json!({"metadata": {"name": "operator"}, "rules": own})).unwrap();
    let lease_binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "operator"}, "subjects": subject,
        "roleRef": {"kind": "Role", "name": "operator", "apiGroup": "rbac.authorization.k8s.io"},
    }))
    .unwrap();
    let to = PostParams::default();
    Api::all(client.clone()).create(&to, &role).await.unwrap();
    Api::all(client.clone()).create(&to, &binding).await.unwrap();
    Api::namespaced(client.clone(), "default")
        .create(&to, &lease)
        .await
        .unwrap();
    Api::namespaced(client.clone(), "default")
        .create(&to, &lease_binding)
        .await
        .unwrap();
    granted(&rules).into_iter().chain(granted(&own)).collect()
}

/// What the README has people put into the role in Google Cloud.
fn documented() -> BTreeSet<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let role = readme
        .split("gcloud iam roles create eventOperator")
        .nth(1)
        .unwrap();
    let list = role
        .split("--permissions")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let list = list.replace(['\\', '\n', ' '], "");
    list.split(',').map(str::to_owned).collect()
}

/// The permissions that calls need (<https://cloud.google.com/pubsub/docs/access-control#required_permissions>).
fn needed(emulator: &Emulator) -> BTreeSet<String> {
    let mut permissions = BTreeSet::new();
    for call in emulator.calls() {
        let kind = if call.resource.contains("/topics/") {
            "topics"
        } else {
            "subscriptions"
        };
        let permission = match call.method {
            "Publisher.ListTopics" => "pubsub.topics.list".to_owned(),
            "Publisher.GetTopic" => "pubsub.topics.get".to_owned(),
            "Publisher.CreateTopic" => "pubsub.topics.create".to_owned(),
            "Publisher.UpdateTopic" => "pubsub.topics.update".to_owned(),
            "Subscriber.ListSubscriptions" => "pubsub.subscriptions.list".to_owned(),
            "Subscriber.GetSubscription" => "pubsub.subscriptions.get".to_owned(),
            "Subscriber.CreateSubscription" => {
                permissions.insert("pubsub.topics.attachSubscription".to_owned());
                "pubsub.subscriptions.create".to_owned()
            }
            "Subscriber.UpdateSubscription" => "pubsub.subscriptions.update".to_owned(),
            "Subscriber.DeleteSubscription" => "pubsub.subscriptions.delete".to_owned(),
            "IAMPolicy.GetIamPolicy" => format!("pubsub.{kind}.getIamPolicy"),
            "IAMPolicy.SetIamPolicy" => format!("pubsub.{kind}.setIamPolicy"),
            "Projects.GetProject" => "resourcemanager.projects.get".to_owned(),
            "MetricService.ListTimeSeries" => "monitoring.timeSeries.list".to_owned(),
            other => panic!("what does {other} need?"),
        };
        permissions.insert(permission);
    }
    permissions
}

/// Somebody takes a label off the topic and changes the subscription's deadline by hand.
async fn drift(emulator: &Emulator) {
    let http = reqwest::Client::new();
    let topic = format!("projects/{PROJECT}/topics/living-twin-user-events");
    let mut labels = emulator.topic(&topic).unwrap().labels;
    labels.remove("team").unwrap();
    let subscription = format!("projects/{PROJECT}/subscriptions/living-twin-user-events-all-of-it-worker");
    for (path, body) in [
        (
            &topic,
            json!({"topic": {"name": topic, "labels": labels}, "updateMask": "labels"}),
        ),
        (
            &subscription,
            json!({"subscription": {"name": subscription, "ackDeadlineSeconds": 11}, "updateMask": "ackDeadlineSeconds"}),
        ),
    ] {
        let url = format!("{}/v1/{path}", emulator.endpoint());
        let answer = http.patch(url).json(&body).send().await.unwrap();
        answer.error_for_status().unwrap();
    }
}

#[tokio::test]
async fn the_operator_has_the_rights_it_uses_and_uses_those_it_has() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let kubelet = tokio::spawn(play_kubelet(client.clone()));
    let granted = bind(&client, &[]).await;
    let emulator = Emulator::builder().start().await.unwrap();
    // What was made and not answered has to be looked at.
    emulator.add_fault(Fault::lose_reply("Publisher.CreateTopic", 1));
    emulator.add_fault(Fault::lose_reply("Subscriber.CreateSubscription", 1));
    // A policy that somebody else wrote at the same time has to be read again.
    for resource in ["/topics/", "/subscriptions/"] {
        emulator.add_fault(Fault {
            resource: Some(resource.to_owned()),
            ..Fault::fail("IAMPolicy.SetIamPolicy", Code::Aborted, 1)
        });
    }
    let operator = Operator::start(plane, LIMITED, &emulator, "event-operator").unwrap();

    let two =
        json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "user-events"}, {"topic": "events"}]});
    apply(&client, "all-of-it", two).await;
    ready(&client, "all-of-it").await;
    let one = json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "user-events"}]});
    apply(&client, "all-of-it", one).await;
    ready(&client, "all-of-it").await;
    drift(&emulator).await;
    eventually("drift is repaired", Duration::from_secs(60), async || {
        let updates = emulator
            .calls()
            .iter()
            .filter(|call| call.method.contains(".Update"))
            .count();
        // Two are the drift itself.
        if updates >= 4 {
            Ok(())
        } else {
            Err((updates, operator.log()))
        }
    })
    .await;
    let narrow = json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "user-events", "eventTypes": ["user.login"]}]});
    apply(&client, "all-of-it", narrow).await;
    ready(&client, "all-of-it").await;
    eventually("it is measured", Duration::from_secs(60), async || {
        let asked = emulator
            .calls()
            .iter()
            .any(|call| call.method == "MetricService.ListTimeSeries");
        if asked { Ok(()) } else { Err(operator.log()) }
    })
    .await;
    delete(&client, "all-of-it").await;

    // A namespace that was there stays, and what is in it goes piece by piece.
    let own: Namespace =
        serde_json::from_value(json!({"metadata": {"name": "kept", "labels": {label::TENANT: "kept"}}}))
            .unwrap();
    Api::all(client.clone())
        .create(&PostParams::default(), &own)
        .await
        .unwrap();
    apply(
        &client,
        "kept",
        json!({
            "deletionPolicy": "Delete", "subscriptions": [{"topic": "events"}],
            "worker": {"handler": {"http": {"url": "http://handler/"}}},
        }),
    )
    .await;
    ready(&client, "kept").await;
    // A pod that is somebody's: whose it is, its ReplicaSet would say.
    let somebodys: Pod = serde_json::from_value(json!({
        "metadata": {"name": "somebodys"},
        "spec": {
            "serviceAccountName": "event-worker",
            "automountServiceAccountToken": false,
            "containers": [{"name": "one", "image": "somebodys:1"}],
        },
    }))
    .unwrap();
    Api::namespaced(client.clone(), "kept")
        .create(&PostParams::default(), &somebodys)
        .await
        .unwrap();
    delete(&client, "kept").await;

    let not_seen: BTreeSet<String> = NOT_SEEN.iter().map(|(right, _)| (*right).to_owned()).collect();
    let used = used(plane);
    assert_eq!(
        used.difference(&granted).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "used and not granted"
    );
    let idle: BTreeSet<String> = granted.difference(&used).cloned().collect();
    assert_eq!(idle, not_seen, "granted and not used, and what is known of that");

    let (needed, documented) = (needed(&emulator), documented());
    assert_eq!(needed, documented, "called, and in the README's role");
    drop(operator);
    kubelet.abort();
}
