//! Somebody has all rights in one tenant's namespace, over the namespace itself too, and none elsewhere. Whatever they try, they
//! get nothing of another tenant: no right, no filter, no message, and no harm done; and the conditions say why.

use std::collections::BTreeSet;

use crds::{ConditionType, EventSubscription, Tenant, condition, label};
use e2e::{
    control_plane::LIMITED,
    eventually::eventually,
    portrait::{Portrait, at_rest, differences, own},
    pubsub::{self, resyncs, workers, writes},
    stage::{PROJECT, Stage},
    tenants::{PATIENCE, apply, delete, ready, tenant_is},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use pubsub_emulator::pb;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Two tenants, and somebody who has all rights in the namespace of one of them.
struct Story {
    stage: &'static Stage,
    /// May do everything.
    admin: Client,
    /// May do everything in one namespace.
    owner: Client,
    victim: &'static str,
    /// The victim, and how often it was written to, before anything was tried.
    before: (Portrait, usize),
}

impl Story {
    async fn begin(victim: &'static str, victims: Value, hostile: &str, hostiles: Value) -> Self {
        let stage = Stage::shared();
        let admin = stage.client().await.unwrap();
        apply(&admin, victim, victims).await;
        apply(&admin, hostile, hostiles).await;
        ready(&admin, victim).await;
        ready(&admin, hostile).await;
        give(&admin, hostile).await;
        let owner = stage.plane.client(LIMITED).await.unwrap();
        resyncs(&stage.emulator, 1).await;
        let before = look(stage, &admin, victim).await;
        Self {
            stage,
            admin,
            owner,
            victim,
            before,
        }
    }

    fn subscriptions(&self, namespace: &str) -> Api<EventSubscription> {
        Api::namespaced(self.owner.clone(), namespace)
    }

    /// The victim has what it had, and nothing of it was even written to.
    async fn the_victim_is_as_it_was(&self) {
        resyncs(&self.stage.emulator, 2).await;
        let (portrait, writes) = look(self.stage, &self.admin, self.victim).await;
        assert_eq!(differences(&self.before.0, &portrait), Vec::<String>::new());
        assert_eq!(writes, self.before.1, "writes to what {} has", self.victim);
        ready(&self.admin, self.victim).await;
    }

    /// What a tenant has is for its own messages, and its own worker alone may pull it.
    async fn has_nothing_but_its_own(&self, tenant: &str) {
        let accounts = Api::<ServiceAccount>::namespaced(self.admin.clone(), tenant);
        let uid = accounts.get("event-worker").await.unwrap().uid().unwrap();
        let its_filter = format!("attributes.tenant_id = \"{tenant}\"");
        eventually(&format!("{tenant} has its own"), PATIENCE, async || {
            let found = of_tenant(self.stage, tenant).into_iter().map(|name| {
                let filter = self.stage.emulator.subscription(&name).map(|one| one.filter);
                let workers = workers(&self.stage.emulator, &name);
                (name, filter.unwrap_or_default(), workers)
            });
            let wrong: Vec<_> = found
                .filter(|(_, filter, workers)| {
                    !filter.starts_with(&its_filter) || !workers.iter().all(|one| one.ends_with(&uid))
                })
                .collect();
            if wrong.is_empty() { Ok(()) } else { Err(wrong) }
        })
        .await;
    }
}

async fn look(stage: &Stage, admin: &Client, tenant: &str) -> (Portrait, usize) {
    let portrait = at_rest(admin, &stage.emulator, tenant, "living-twin").await;
    let named = format!("-{tenant}-");
    let writes = writes(&stage.emulator);
    let count = writes.iter().filter(|one| one.contains(&named)).count();
    (own(portrait), count)
}

/// All rights in this namespace. The API server takes a namespace for something inside itself, so that a role as wide as this
/// one lets its holder label it.
async fn give(admin: &Client, namespace: &str) {
    let role = json!({
        "metadata": {"name": "owner"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    });
    let binding = json!({
        "metadata": {"name": "owner"},
        "subjects": [{"kind": "User", "name": LIMITED, "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "Role", "name": "owner", "apiGroup": "rbac.authorization.k8s.io"},
    });
    create::<Role>(&Api::namespaced(admin.clone(), namespace), role).await;
    create::<RoleBinding>(&Api::namespaced(admin.clone(), namespace), binding).await;
}

async fn create<K>(api: &Api<K>, object: Value) -> K
where
    K: Resource + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap()
}

async fn merge<K>(api: &Api<K>, name: &str, patch: Value)
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// One that asks to take over whatever is in its way, and to delete it in the end.
fn asking(name: &str, tenant: &str, topic: &str) -> Value {
    json!({
        "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "EventSubscription",
        "metadata": {"name": name, "annotations": {label::ADOPT: "true"}},
        "spec": {"tenantRef": {"name": tenant}, "topic": topic, "deletionPolicy": "Delete"},
    })
}

/// Waits until it is said for this reason that it is not ready, and gives the message.
async fn refused(api: &Api<EventSubscription>, name: &str, reason: &str) -> String {
    eventually(&format!("{name} is refused: {reason}"), PATIENCE, async || {
        let status = api.get(name).await.unwrap().status.unwrap_or_default();
        match condition::find(&status.conditions, ConditionType::Ready) {
            Some(ready) if ready.status == "False" && ready.reason == reason => Ok(ready.message.clone()),
            _ => Err(status),
        }
    })
    .await
}

/// Deletes it, and waits until it is gone.
async fn remove(api: &Api<EventSubscription>, name: &str) {
    let uid = api.get(name).await.unwrap().uid();
    api.delete(name, &DeleteParams::default()).await.unwrap();
    eventually(&format!("{name} is gone"), PATIENCE, async || {
        match api.get_opt(name).await.unwrap() {
            Some(left) if left.uid() == uid => Err(left.status),
            _ => Ok(()),
        }
    })
    .await;
}

/// Waits until the Tenant has made it, and it is ready.
async fn is_made_again(api: &Api<EventSubscription>, name: &str) {
    eventually(&format!("{name} is made again"), PATIENCE, async || {
        let Some(one) = api.get_opt(name).await.unwrap() else {
            return Err(None);
        };
        let conditions = one.status.unwrap_or_default().conditions;
        match condition::holds(&conditions, ConditionType::Ready, one.metadata.generation) {
            true => Ok(()),
            false => Err(Some(conditions)),
        }
    })
    .await;
}

/// The subscriptions that a tenant has.
fn of_tenant(stage: &Stage, tenant: &str) -> Vec<String> {
    let mut all = stage.emulator.subscriptions();
    all.retain(|name| name.contains(&format!("-{tenant}-")));
    assert!(!all.is_empty(), "{tenant} has none");
    all
}

fn is_refused_by_the_api_server<T: std::fmt::Debug>(answer: kube::Result<T>, code: u16) {
    match answer {
        Err(kube::Error::Api(status)) if status.code == code => {}
        other => panic!("{code} was expected: {other:?}"),
    }
}

fn user_events() -> Value {
    json!({"subscriptions": [{"topic": "user-events"}]})
}

#[tokio::test]
async fn who_asks_for_another_tenants_events_gets_none_and_is_told_why() {
    let story = Story::begin("asked-for", user_events(), "asks", user_events()).await;
    let own = story.subscriptions("asks");

    // What the API server itself refuses.
    let to = PostParams::default();
    let foreign: EventSubscription =
        serde_json::from_value(asking("mine", "asked-for", "user-events")).unwrap();
    is_refused_by_the_api_server(story.subscriptions("asked-for").create(&to, &foreign).await, 403);
    let tenants = Api::<Tenant>::all(story.owner.clone());
    is_refused_by_the_api_server(tenants.get("asks").await, 403);
    let turn = json!({"spec": {"tenantRef": {"name": "asked-for"}}});
    let turned = own
        .patch("user-events", &PatchParams::default(), &Patch::Merge(turn))
        .await;
    is_refused_by_the_api_server(turned, 422);

    // What the operator refuses. The names are what they would have to be for a topic to come to the other's names.
    for (name, tenant, topic, reason, said) in [
        (
            "its-tenant",
            "asked-for",
            "user-events",
            "TenantMismatch",
            "lives in namespace \"asked-for\"",
        ),
        (
            "its-subscription",
            "asks",
            "user-events-asked-for-worker",
            "UnknownTopic",
            "has no topic",
        ),
        (
            "its-dead-letters",
            "asks",
            "user-events-dlq",
            "UnknownTopic",
            "has no topic",
        ),
    ] {
        create(&own, asking(name, tenant, topic)).await;
        let message = refused(&own, name, reason).await;
        assert!(message.contains(said), "{message}");
        let status = own.get(name).await.unwrap().status.unwrap();
        assert_eq!((status.subscription, status.filter), (None, None), "{name}");
        remove(&own, name).await;
    }

    // Something that is somebody's stands where theirs would be; no word of theirs takes it over.
    let stage = story.stage;
    let somebodys = format!("projects/{PROJECT}/subscriptions/living-twin-system-events-asks-worker");
    somebody_makes(stage, &somebodys);
    let adopt = json!({"metadata": {"annotations": {label::ADOPT: "true"}}});
    let accounts = Api::<ServiceAccount>::namespaced(story.owner.clone(), "asks");
    merge(&accounts, "event-worker", adopt.clone()).await;
    merge(&Api::<Namespace>::all(story.owner.clone()), "asks", adopt).await;
    create(&own, asking("takes-over", "asks", "system-events")).await;
    let message = refused(&own, "takes-over", "ResourceConflict").await;
    assert!(message.contains("annotate the Tenant"), "{message}");
    remove(&own, "takes-over").await;
    assert!(stage.emulator.subscription(&somebodys).unwrap().labels.is_empty());
    assert_eq!(workers(&stage.emulator, &somebodys), BTreeSet::new());

    story.the_victim_is_as_it_was().await;
}

/// Not by an operator.
fn somebody_makes(stage: &Stage, subscription: &str) {
    let topic = format!("projects/{PROJECT}/topics/of-somebody");
    let made = pb::Topic {
        name: topic.clone(),
        ..pb::Topic::default()
    };
    stage.emulator.create_topic(made).unwrap();
    let made = pb::Subscription {
        name: subscription.to_owned(),
        topic,
        ..pb::Subscription::default()
    };
    stage.emulator.create_subscription(made).unwrap();
}

#[tokio::test]
async fn what_an_owner_does_to_its_own_changes_its_own_alone() {
    let two = json!({"subscriptions": [{"topic": "user-events"}, {"topic": "events"}]});
    let story = Story::begin("looked-at", user_events(), "tinkers", two).await;
    let (stage, own) = (story.stage, story.subscriptions("tinkers"));

    // What the operator made is edited, which its Tenant puts right; and then taken for their own, which they may: the filter is
    // the tenant's all the same.
    merge(&own, "events", json!({"spec": {"eventTypes": ["user.logout"]}})).await;
    eventually("the edit is put right", PATIENCE, async || {
        let types = own.get("events").await.unwrap().spec.settings.event_types;
        if types.is_empty() { Ok(()) } else { Err(types) }
    })
    .await;
    let label = json!({"metadata": {"labels": {label::GENERATED: null}}});
    merge(&own, "events", label).await;
    merge(&own, "events", json!({"spec": {"eventTypes": ["user.login"]}})).await;
    let filter = eventually("the edit is in Pub/Sub", PATIENCE, async || {
        let status = own.get("events").await.unwrap().status.unwrap();
        match status.filter {
            Some(filter) if filter.contains("user.login") => Ok(filter),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(
        filter,
        r#"attributes.tenant_id = "tinkers" AND attributes.event_type = "user.login""#
    );

    // … and deleted: its Tenant says that messages are kept, and so they are.
    let kept = format!("projects/{PROJECT}/subscriptions/living-twin-user-events-tinkers-worker");
    publish(stage, "tinkers");
    for change in [
        json!({"spec": {"deletionPolicy": "Delete"}}),
        json!({"metadata": {"annotations": {label::ABANDON: "true"}}}),
    ] {
        merge(&own, "user-events", change).await;
        remove(&own, "user-events").await;
        is_made_again(&own, "user-events").await;
        assert_eq!(stage.emulator.stats(&kept).unwrap().backlog, 1);
    }

    // Whoever the worker is, only it may pull, and the one before may not.
    let accounts = Api::<ServiceAccount>::namespaced(story.owner.clone(), "tinkers");
    let before = accounts.get("event-worker").await.unwrap().uid().unwrap();
    accounts
        .delete("event-worker", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the new worker has the old one's place", PATIENCE, async || {
        let account = accounts.get_opt("event-worker").await.unwrap();
        let uid = account.and_then(|account| account.uid()).unwrap_or_default();
        let workers = workers(&stage.emulator, &kept);
        let is_new = workers.len() == 1 && workers.iter().all(|one| one.ends_with(&format!("/{uid}")));
        if is_new && uid != before {
            Ok(())
        } else {
            Err((uid, workers))
        }
    })
    .await;

    // Labels say whose something is; the operator says what the labels are.
    let claim = json!({"metadata": {"labels": {label::TENANT: "looked-at"}}});
    let deployments = Api::<Deployment>::namespaced(story.owner.clone(), "tinkers");
    merge(&accounts, "event-worker", claim.clone()).await;
    merge(&deployments, "event-worker", claim.clone()).await;
    merge(&own, "user-events", claim).await;
    eventually("the labels are as they were", PATIENCE, async || {
        let labels = [
            accounts.get("event-worker").await.unwrap().labels().clone(),
            deployments.get("event-worker").await.unwrap().labels().clone(),
            own.get("user-events").await.unwrap().labels().clone(),
        ];
        let as_before =
            |labels: &std::collections::BTreeMap<String, String>| labels[label::TENANT] == "tinkers";
        if labels.iter().all(as_before) {
            Ok(())
        } else {
            Err(labels)
        }
    })
    .await;

    story.has_nothing_but_its_own("tinkers").await;
    story.the_victim_is_as_it_was().await;
}

fn publish(stage: &Stage, tenant: &str) {
    let attributes = [("tenant_id", tenant), ("event_type", "user.login")];
    pubsub::publish(&stage.emulator, "living-twin-user-events", &attributes);
}

#[tokio::test]
async fn a_deletion_takes_nothing_that_status_or_a_label_only_claims() {
    // What is deleted of these is gone.
    let all = json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "user-events"}]});
    let story = Story::begin("claimed", all.clone(), "claims", all).await;
    let own = story.subscriptions("claims");

    let elsewhere = "somebody-elses";
    for project in [PROJECT, elsewhere] {
        create(&own, asking("by-status", "claims", "events")).await;
        eventually("it is made", PATIENCE, async || {
            let status = own.get("by-status").await.unwrap().status.unwrap_or_default();
            if status.subscription.is_some() {
                Ok(())
            } else {
                Err(status)
            }
        })
        .await;
        let named =
            |what: &str| format!("projects/{project}/subscriptions/living-twin-user-events-claimed-{what}");
        let status = json!({"status": {
            "subscription": named("worker"), "deadLetterSubscription": named("dlq"),
            "draining": [{"subscription": named("worker")}],
        }});
        let claim = async || {
            own.patch_status("by-status", &PatchParams::default(), &Patch::Merge(&status))
                .await
                .unwrap();
        };
        // It stands there for as long as nobody looks, and what is measured by names in status is measured meanwhile.
        claim().await;
        resyncs(&story.stage.emulator, 2).await;
        claim().await;
        remove(&own, "by-status").await;
        story.the_victim_is_as_it_was().await;
    }
    let calls = story.stage.emulator.calls();
    let asked: Vec<_> = calls
        .iter()
        .filter(|call| call.resource.contains(elsewhere))
        .collect();
    assert!(
        asked.is_empty(),
        "nobody else's project is even listed: {asked:?}"
    );

    // The namespace says that it is the other's. The other lives elsewhere all the same.
    let namespaces = Api::<Namespace>::all(story.owner.clone());
    merge(
        &namespaces,
        "claims",
        json!({"metadata": {"labels": {label::TENANT: "claimed"}}}),
    )
    .await;
    tenant_is(
        &story.admin,
        "claims",
        ConditionType::Stalled,
        Some("NamespaceConflict"),
    )
    .await;
    create(&own, asking("by-label", "claimed", "user-events")).await;
    let message = refused(&own, "by-label", "TenantMismatch").await;
    assert!(message.contains("lives in namespace \"claimed\""), "{message}");
    remove(&own, "by-label").await;
    story.the_victim_is_as_it_was().await;
    story.has_nothing_but_its_own("claims").await;
}

#[tokio::test]
async fn who_comes_after_a_tenant_gets_nothing_that_was_kept() {
    let stage = Stage::shared();
    let admin = stage.client().await.unwrap();
    for name in ["stays", "moved-out"] {
        apply(&admin, name, user_events()).await;
        ready(&admin, name).await;
    }
    publish(stage, "moved-out");
    delete(&admin, "moved-out").await;
    let kept = of_tenant(stage, "moved-out");
    let nobody_reads = || {
        for name in &kept {
            assert_eq!(workers(&stage.emulator, name), BTreeSet::new(), "{name}");
            let labels = stage.emulator.subscription(name).unwrap().labels;
            assert!(
                labels.contains_key("event-operator-released-at"),
                "{name}: {labels:?}"
            );
        }
    };
    nobody_reads();

    // The namespace is made again, and what is in it looks like what was there.
    let namespaces = Api::<Namespace>::all(admin.clone());
    namespaces
        .delete("moved-out", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the namespace is gone", PATIENCE, async || {
        match namespaces.get_opt("moved-out").await.unwrap() {
            None => Ok(()),
            Some(namespace) => Err(namespace.status),
        }
    })
    .await;
    let labels = json!({label::TENANT: "moved-out"});
    create(
        &namespaces,
        json!({"metadata": {"name": "moved-out", "labels": labels}}),
    )
    .await;
    give(&admin, "moved-out").await;
    let owner = stage.plane.client(LIMITED).await.unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(owner.clone(), "moved-out");
    create(
        &accounts,
        json!({"metadata": {"name": "event-worker", "labels": labels}}),
    )
    .await;
    let own = Api::<EventSubscription>::namespaced(owner, "moved-out");
    create(&own, asking("mine", "moved-out", "user-events")).await;
    let message = refused(&own, "mine", "TenantNotFound").await;
    assert!(message.contains("There is no Tenant \"moved-out\""), "{message}");
    nobody_reads();

    // Another Tenant of that id, while the one before might still return.
    apply(
        &admin,
        "moves-in",
        json!({"id": "moved-out", "subscriptions": [{"topic": "user-events"}]}),
    )
    .await;
    let theirs = Api::<EventSubscription>::namespaced(admin.clone(), "moves-in");
    tenant_is(
        &admin,
        "moves-in",
        ConditionType::Stalled,
        Some("SubscriptionsNotReady"),
    )
    .await;
    let message = refused(&theirs, "user-events", "ResourceConflict").await;
    assert!(
        message.contains("kept for an earlier Tenant \"moved-out\""),
        "{message}"
    );
    nobody_reads();
    delete(&admin, "moves-in").await;

    // A Tenant of that very name, when the one before has been away for too long.
    for name in &kept {
        was_let_go_long_ago(stage, name).await;
    }
    resyncs(&stage.emulator, 2).await;
    apply(&admin, "moved-out", user_events()).await;
    tenant_is(
        &admin,
        "moved-out",
        ConditionType::Stalled,
        Some("SubscriptionsNotReady"),
    )
    .await;
    let message = refused(&own, "mine", "ResourceConflict").await;
    assert!(message.contains("this may be a new customer"), "{message}");
    nobody_reads();
    let worker = kept.iter().find(|name| name.ends_with("-worker")).unwrap();
    assert_eq!(
        stage.emulator.stats(worker).unwrap().backlog,
        1,
        "the message is still there"
    );
}

/// Time goes by for what was kept.
async fn was_let_go_long_ago(stage: &Stage, name: &str) {
    let mut labels = stage.emulator.subscription(name).unwrap().labels;
    labels.insert("event-operator-released-at".to_owned(), "1".to_owned());
    let body = json!({"subscription": {"name": name, "labels": labels}, "updateMask": "labels"});
    let url = format!("{}/v1/{name}", stage.emulator.endpoint());
    let answer = reqwest::Client::new()
        .patch(url)
        .json(&body)
        .send()
        .await
        .unwrap();
    answer.error_for_status().unwrap();
}
