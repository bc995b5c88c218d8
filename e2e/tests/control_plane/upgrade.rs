//! The operator is upgraded: it takes over a plane that the version before made. `upgrade/*.json` is such a plane, written down
//! by that version: its objects in Kubernetes with their managed fields, and what it had in Pub/Sub.

use std::collections::{BTreeMap, BTreeSet};

use crds::{EventSubscription, Tenant, label};
use e2e::{
    control_plane::{ADMIN, ControlPlane, OPERATOR},
    eventually::eventually,
    pubsub::{self, resyncs, take, workers},
    stage::{PROJECT, install_crds, operate, play_kubelet},
    tenants::{PATIENCE, apply, ready},
};
use event_operator::subscription::ownership::key;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use pubsub_emulator::Emulator;
use serde_json::{Value, json};

/// The plane of the version before, and what it stands in for of the process that restores it.
struct Plane {
    kubernetes: Vec<Value>,
    topics: Vec<Value>,
    subscriptions: Vec<Value>,
    /// What stands in the fixture, and here.
    renamed: Vec<(String, String)>,
}

impl Plane {
    fn of(text: &str, emulator: &Emulator) -> Self {
        let fixture: Value = serde_json::from_str(text).unwrap();
        let list = |pointer: &str| fixture.pointer(pointer).unwrap().as_array().unwrap().clone();
        let port = fixture["port"].to_string();
        assert_eq!(
            fixture["projectNumber"],
            json!(emulator.project_number(PROJECT)),
            "the rights in the fixture are of this project"
        );
        Self {
            kubernetes: list("/kubernetes"),
            topics: list("/pubsub/topics"),
            subscriptions: list("/pubsub/subscriptions"),
            renamed: vec![(port, emulator.address().port().to_string())],
        }
    }

    /// As it is here.
    fn here(&self, object: &Value) -> Value {
        let mut text = object.to_string();
        for (there, here) in &self.renamed {
            text = text.replace(there, here);
        }
        serde_json::from_str(&text).unwrap()
    }

    async fn restore(&mut self, client: &Client, emulator: &Emulator) {
        let now = Timestamp::now();
        // Others refer to these by their uids.
        let mut objects = self.kubernetes.clone();
        objects.sort_by_key(|one| {
            let kinds = ["Tenant", "Namespace", "ServiceAccount"];
            kinds.iter().position(|kind| one["kind"] == *kind).unwrap_or(3)
        });
        for object in objects {
            let was = object["metadata"]["uid"].as_str().unwrap().to_owned();
            let mut object = self.here(&object);
            renew(&mut object, now);
            let is = restore_object(client, object).await;
            self.renamed.push((was, is));
        }
        let http = reqwest::Client::new();
        let url = |path: &str| format!("{}/v1/{path}", emulator.endpoint());
        for one in self.topics.iter().chain(&self.subscriptions) {
            let mut one = self.here(one);
            renew(&mut one, now);
            let name = one["config"]["name"].as_str().unwrap().to_owned();
            let answer = http.put(url(&name)).json(&one["config"]).send().await.unwrap();
            answer.error_for_status().unwrap();
            let policy = json!({"policy": {"bindings": one["policy"]["bindings"]}});
            let set = http.post(url(&format!("{name}:setIamPolicy"))).json(&policy);
            set.send().await.unwrap().error_for_status().unwrap();
        }
    }
}

/// Times that would have passed since the fixture was written: what drains was switched just now, and what was let go was let go
/// an hour ago.
fn renew(value: &mut Value, now: Timestamp) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match name.as_str() {
                    // Later than every message that the test publishes: all of them are from before the switch.
                    key::SWITCHED_AT => *value = json!(switch(now).as_second().to_string()),
                    "switchedAt" => *value = json!(switch(now)),
                    key::RELEASED_AT => *value = json!((now.as_second() - 3600).to_string()),
                    _ => renew(value, now),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| renew(item, now)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn switch(now: Timestamp) -> Timestamp {
    let whole = Timestamp::from_second(now.as_second()).unwrap();
    whole + SignedDuration::from_secs(3600)
}

/// Makes an object as it was, with who owns which field; gives its uid.
async fn restore_object(client: &Client, object: Value) -> String {
    let (group, version) = match object["apiVersion"].as_str().unwrap().split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), object["apiVersion"].as_str().unwrap().to_owned()),
    };
    let kind = GroupVersionKind::gvk(&group, &version, object["kind"].as_str().unwrap());
    let resource = ApiResource::from_gvk(&kind);
    let metadata = object["metadata"].clone();
    let api: Api<DynamicObject> = match metadata["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let name = metadata["name"].as_str().unwrap();
    let mut wanted = object.clone();
    let status = wanted.as_object_mut().unwrap().remove("status");
    for given in ["uid", "managedFields", "generation"] {
        wanted["metadata"].as_object_mut().unwrap().remove(given);
    }
    let made = api
        .create(&PostParams::default(), &serde_json::from_value(wanted).unwrap())
        .await
        .unwrap();
    if let Some(mut status) = status.filter(|_| resource.group == crds::GROUP) {
        // A new object is of its first generation.
        status["observedGeneration"] = json!(1);
        for condition in status["conditions"].as_array_mut().unwrap() {
            condition["observedGeneration"] = json!(1);
        }
        let patch = Patch::Merge(json!({ "status": status }));
        api.patch_status(name, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }
    // The API server takes the list of owners that it is given, for all fields at once.
    let owners: Vec<_> = metadata["managedFields"].as_array().unwrap().iter().collect();
    let steps = json!([{"op": "replace", "path": "/metadata/managedFields", "value": owners}]);
    let patch = Patch::<()>::Json(serde_json::from_value(steps).unwrap());
    api.patch(name, &PatchParams::default(), &patch).await.unwrap();
    made.uid().unwrap()
}

/// Of what is in the fixture and not so any more, the paths.
fn gone(before: &Value, after: Option<&Value>, path: &str, out: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(fields), Some(Value::Object(now))) => {
            for (name, value) in fields {
                gone(value, now.get(name), &format!("{path}/{name}"), out);
            }
        }
        (before, Some(after)) if before == after => {}
        _ => {
            out.insert(path.to_owned());
        }
    }
}

/// Nothing is made, deleted or succeeded, and nothing is another but for labels that are new.
async fn only_labels_are_new_in_pubsub(before: &Plane, emulator: &Emulator, subscriptions: &[String]) {
    assert_eq!(emulator.subscriptions(), subscriptions);
    let written: BTreeSet<_> = emulator
        .calls()
        .into_iter()
        .filter(|call| {
            ["Create", "Update", "Delete", "Set", "Detach", "Seek", "Modify"]
                .iter()
                .any(|verb| call.method.contains(&format!(".{verb}")))
        })
        .map(|call| call.method)
        .collect();
    assert!(
        written
            .iter()
            .all(|method| ["Publisher.UpdateTopic", "Subscriber.UpdateSubscription"].contains(method)),
        "{written:?}"
    );
    let http = reqwest::Client::new();
    let mut changed = BTreeSet::new();
    for one in before.topics.iter().chain(&before.subscriptions) {
        let mut was = before.here(one)["config"].clone();
        let name = was["name"].as_str().unwrap().to_owned();
        let url = format!("{}/v1/{name}", emulator.endpoint());
        let is: Value = http.get(url).send().await.unwrap().json().await.unwrap();
        // The test set these times anew.
        for moved in [key::SWITCHED_AT, key::RELEASED_AT] {
            if let Some(label) = was.pointer_mut(&format!("/labels/{moved}")) {
                label.clone_from(&is["labels"][moved]);
            }
        }
        gone(&was, Some(&is), &name, &mut changed);
        let new: BTreeSet<_> = is["labels"]
            .as_object()
            .unwrap()
            .keys()
            .filter(|label| was["labels"].get(label.as_str()).is_none())
            .collect();
        assert!(
            new.iter()
                .all(|label| [key::TENANT_ID, key::CLUSTER, key::MANAGED_BY].contains(&label.as_str())),
            "{name}: {new:?}"
        );
    }
    assert_eq!(changed, BTreeSet::new());
}

/// Every object is the one that it was, and the version before finds all that it wrote.
async fn every_object_is_the_one_it_was(before: &Plane, plane: &ControlPlane, client: &Client) {
    let deletions: Vec<_> = plane
        .writes(OPERATOR)
        .unwrap()
        .into_iter()
        .filter(|write| !write.starts_with("patch "))
        .collect();
    assert_eq!(deletions, [""; 0]);
    let mut changed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in &before.kubernetes {
        let was = before.here(one);
        let is = live(client, &was).await;
        let kind = was["kind"].as_str().unwrap().to_owned();
        assert_eq!(is["metadata"]["uid"], was["metadata"]["uid"], "{kind}");
        let of_kind = changed.entry(kind).or_default();
        for part in [
            "/spec",
            "/data",
            "/metadata/labels",
            "/metadata/annotations",
            "/metadata/ownerReferences",
            "/metadata/finalizers",
        ] {
            if let Some(part_was) = was.pointer(part) {
                gone(part_was, is.pointer(part), part, of_kind);
            }
        }
    }
    for paths in changed.values_mut() {
        // Its controller counts the Deployment's revisions.
        paths.remove("/metadata/annotations/deployment.kubernetes.io/revision");
    }
    changed.retain(|_, paths| !paths.is_empty());
    // The version before writes these again: hashes of what was applied, and the worker's list and container, which roll in waves;
    // and the metrics are closed to other tenants' pods, which rolls nobody.
    let applied = "/metadata/annotations/events.livingtwin.io/applied";
    assert_eq!(
        json!(changed),
        json!({
            "ConfigMap": ["/data/subscriptions.json", applied],
            "Deployment": [
                applied,
                "/metadata/annotations/events.livingtwin.io/fleet-version",
                "/metadata/annotations/events.livingtwin.io/was-ready",
                "/spec/template/spec/containers",
            ],
            "EventSubscription": [applied],
            "NetworkPolicy": [applied, "/spec/ingress"],
            "PodDisruptionBudget": [applied],
            "ServiceAccount": [applied],
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plane_of_the_version_before_is_taken_over_as_it_is() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let emulator = Emulator::builder().start().await.unwrap();
    let mut before = Plane::of(include_str!("upgrade/0.1.0.json"), &emulator);
    before.restore(&client, &emulator).await;
    tokio::spawn(play_kubelet(client.clone()));
    let subscriptions = emulator.subscriptions();
    for (topic, tenant) in [
        ("document-events", "all-defaults"),
        ("document-events", "drains"),
        ("events", "left"),
    ] {
        let attributes = [("tenant_id", tenant), ("event_type", "document.ingested")];
        pubsub::publish(&emulator, &format!("living-twin-{topic}"), &attributes);
    }
    emulator.clear_calls();

    let operator = operate(plane, &emulator, json!({}), |_| ()).await.unwrap();
    let names = ["all-defaults", "with-settings", "drains"];
    let tenants = Api::<Tenant>::all(client.clone());
    for name in names {
        eventually(&format!("Tenant {name} is bound"), PATIENCE, async || {
            let tenant = tenants.get(name).await.unwrap();
            match tenant.annotations().contains_key(label::BINDING) {
                true => Ok(()),
                false => Err(tenant.status),
            }
        })
        .await;
        ready(&client, name).await;
    }
    resyncs(&emulator, 2).await;

    only_labels_are_new_in_pubsub(&before, &emulator, &subscriptions).await;
    every_object_is_the_one_it_was(&before, plane, &client).await;

    // Nothing is lost: what waited is handled by the worker of the same tenant, and by no other.
    let id = |topic: &str, tenant: &str| {
        format!("projects/{PROJECT}/subscriptions/living-twin-{topic}-{tenant}-worker")
    };
    let drains = Api::<EventSubscription>::namespaced(client.clone(), "drains")
        .get("document-events")
        .await
        .unwrap();
    let draining = drains.status.unwrap().draining;
    assert_eq!(draining.len(), 1, "{draining:?}");
    for name in [&id("document-events", "all-defaults"), &draining[0].subscription] {
        assert_eq!(workers(&emulator, name).len(), 1, "{name}");
        assert_eq!(take(&emulator, name).await.len(), 1, "{name}");
    }

    // A Tenant that the version before let go comes back to what it left.
    let left = id("events", "left");
    assert_eq!(workers(&emulator, &left), BTreeSet::new());
    apply(&client, "left", json!({"subscriptions": [{"topic": "events"}]})).await;
    ready(&client, "left").await;
    assert_eq!(emulator.subscriptions(), subscriptions);
    assert_eq!(workers(&emulator, &left).len(), 1);
    assert_eq!(take(&emulator, &left).await.len(), 1);
    operator.abort();
}

/// The object as it is now.
async fn live(client: &Client, object: &Value) -> Value {
    let version = object["apiVersion"].as_str().unwrap();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        group,
        version,
        object["kind"].as_str().unwrap(),
    ));
    let api: Api<DynamicObject> = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let live = api.get(object["metadata"]["name"].as_str().unwrap()).await;
    serde_json::to_value(live.unwrap()).unwrap()
}
