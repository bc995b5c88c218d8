//! Stories of the operator on a real API server and the emulator. Calls and writes are counted in the API server's audit
//! log and in the emulator's call log, never in the operator's own numbers.

use std::collections::BTreeMap;

use crds::{ConditionType, EventSubscription, Tenant, condition};
use e2e::{
    control_plane::OPERATOR,
    eventually::eventually,
    pubsub::resyncs,
    stage::{PROJECT, Stage},
    tenants::{PATIENCE, apply, delete, is_older_than_all_to_come, ready, tenant_is},
};
use google_cloud_pubsub::client::{SubscriptionAdmin, TopicAdmin};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, ServiceAccount},
    events::v1::Event,
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// Calls of the admin API whose resource names this tenant, counted by method.
fn calls_for(stage: &Stage, tenant: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in stage.emulator.calls() {
        if call.resource.contains(tenant) {
            *counts.entry(call.method.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// Writes of the operator to the API server that are about this tenant.
fn writes_for(stage: &Stage, tenant: &str) -> Vec<String> {
    stage
        .plane
        .audit()
        .unwrap()
        .into_iter()
        .filter(|entry| entry.user.username == OPERATOR && entry.is_write())
        .filter(|entry| {
            entry
                .object_ref
                .as_ref()
                .is_some_and(|about| about.namespace == tenant || about.name == tenant)
        })
        .map(|entry| format!("{} {}", entry.verb, entry.request_uri))
        .collect()
}

#[tokio::test]
async fn a_tenant_becomes_an_event_plane_with_the_fewest_calls_and_then_it_is_quiet() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    apply(&client, "fresh", json!({})).await;
    let tenant = ready(&client, "fresh").await;
    let status = tenant.status.unwrap();
    assert_eq!(status.subscriptions.as_deref(), Some("5/5"));
    assert_eq!(status.worker.as_deref(), Some("1/1"));

    // In Pub/Sub: ten creates and five policies, and nothing else was asked about this tenant.
    let counts = calls_for(stage, "fresh");
    let expected = BTreeMap::from([
        ("Subscriber.CreateSubscription".to_owned(), 10),
        ("IAMPolicy.SetIamPolicy".to_owned(), 5),
    ]);
    assert_eq!(counts, expected);

    // What all tenants share was made once, however many asked for it at the same time.
    let mut shared = BTreeMap::new();
    for call in stage.emulator.calls() {
        let about_topic = call.resource.contains("/topics/living-twin");
        if about_topic && matches!(call.method, "Publisher.CreateTopic" | "IAMPolicy.SetIamPolicy") {
            let made: &mut Vec<_> = shared.entry((call.method, call.resource)).or_default();
            made.push((call.code, call.at));
        }
    }
    assert_eq!(
        shared.len(),
        15,
        "five topics, their dead-letter topics, and a grant on each of these"
    );
    assert!(shared.values().all(|made| made.len() == 1), "{shared:#?}");

    // In Kubernetes: all of it, and none of it more than asked for.
    let namespace = Api::<Namespace>::all(client.clone()).get("fresh").await.unwrap();
    assert_eq!(
        namespace.labels()["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
    assert!(namespace.owner_references().is_empty());
    let account = Api::<ServiceAccount>::namespaced(client.clone(), "fresh")
        .get("event-worker")
        .await
        .unwrap();
    assert_eq!(account.automount_service_account_token, Some(false));
    Api::<NetworkPolicy>::namespaced(client.clone(), "fresh")
        .get("event-worker")
        .await
        .unwrap();
    let map = Api::<ConfigMap>::namespaced(client.clone(), "fresh")
        .get("event-worker")
        .await
        .unwrap();
    let list: Value = serde_json::from_str(&map.data.unwrap()["subscriptions.json"]).unwrap();
    assert_eq!(list["subscriptions"].as_array().unwrap().len(), 5);

    // The worker may pull, and the service agent may dead-letter.
    let subscription = format!("projects/{PROJECT}/subscriptions/living-twin-user-events-fresh-worker");
    let policy = format!("{:?}", stage.emulator.policy(&subscription).unwrap());
    assert!(policy.contains(&account.uid().unwrap()), "{policy}");
    assert!(
        policy.contains("gcp-sa-pubsub.iam.gserviceaccount.com"),
        "{policy}"
    );

    // Three resyncs later nothing has been written anywhere. The event that says what was done comes after the status.
    resyncs(&stage.emulator, 1).await;
    let (calls, writes) = (calls_for(stage, "fresh"), writes_for(stage, "fresh"));
    resyncs(&stage.emulator, 3).await;
    assert_eq!(calls_for(stage, "fresh"), calls);
    assert_eq!(writes_for(stage, "fresh"), writes);
}

const ALL_IS_WELL: [&str; 10] = [
    "Ready=True",
    "Reconciling=False",
    "Stalled=False",
    "TopicReady=True",
    "SubscriptionReady=True",
    "DeadLetterReady=True",
    "AccessReady=True",
    "Draining=False",
    "DeadLettersPresent=False",
    "Paused=False",
];

#[tokio::test]
async fn an_event_subscription_says_what_is_true() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    apply(
        &client,
        "one-topic",
        json!({"subscriptions": [{"topic": "user-events", "eventTypes": ["user.*"]}]}),
    )
    .await;
    ready(&client, "one-topic").await;
    let api = Api::<EventSubscription>::namespaced(client.clone(), "one-topic");
    let subscription = api.get("user-events").await.unwrap();
    let status = subscription.status.unwrap();
    let states: Vec<_> = status
        .conditions
        .iter()
        .map(|one| format!("{}={}", one.type_, one.status))
        .collect();
    assert_eq!(states, ALL_IS_WELL);
    assert!(
        status
            .conditions
            .iter()
            .all(|one| one.observed_generation == subscription.metadata.generation)
    );
    assert_eq!(
        status.filter.as_deref(),
        Some(r#"attributes.tenant_id = "one-topic" AND hasPrefix(attributes.event_type, "user.")"#)
    );

    // And what it says is what is in Pub/Sub.
    let config = stage
        .emulator
        .subscription(&status.subscription.unwrap())
        .unwrap();
    assert_eq!(Some(config.filter), status.filter);
    assert_eq!(
        config.expiration_policy.map(|policy| policy.ttl),
        Some(None),
        "it never expires"
    );
    assert_eq!(
        config.dead_letter_policy.map(|policy| policy.dead_letter_topic),
        status.dead_letter_topic
    );

    // An edit of a setting is carried out in place; one of the filter is another subscription (see filter_change).
    apply(
        &client,
        "one-topic",
        json!({"subscriptions": [{"topic": "user-events", "eventTypes": ["user.*"], "ackDeadline": "30s"}]}),
    )
    .await;
    ready(&client, "one-topic").await;
    let name = api
        .get("user-events")
        .await
        .unwrap()
        .status
        .unwrap()
        .subscription
        .unwrap();
    eventually("the edit is in Pub/Sub", PATIENCE, async || {
        let seconds = stage.emulator.subscription(&name).unwrap().ack_deadline_seconds;
        if seconds == 30 { Ok(()) } else { Err(seconds) }
    })
    .await;
    apply(
        &client,
        "one-topic",
        json!({"subscriptions": [{"topic": "user-events"}]}),
    )
    .await;
    ready(&client, "one-topic").await;
    let wider = api.get("user-events").await.unwrap().status.unwrap();
    assert_ne!(wider.subscription.as_deref(), Some(name.as_str()));
    assert_eq!(
        wider.filter.as_deref(),
        Some(r#"attributes.tenant_id = "one-topic""#)
    );
}

#[tokio::test]
async fn retain_keeps_the_backlog_and_a_returning_tenant_adopts_it() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let spec = json!({"subscriptions": [{"topic": "query-events"}]});
    apply(&client, "returning", spec.clone()).await;
    ready(&client, "returning").await;
    let name = format!("projects/{PROJECT}/subscriptions/living-twin-query-events-returning-worker");
    let uid = Api::<ServiceAccount>::namespaced(client.clone(), "returning")
        .get("event-worker")
        .await
        .unwrap()
        .uid()
        .unwrap();
    delete(&client, "returning").await;

    let kept = stage.emulator.subscription(&name).unwrap();
    assert!(kept.labels.contains_key("event-operator-released-at"));
    let policy = format!("{:?}", stage.emulator.policy(&name).unwrap());
    assert!(!policy.contains(&uid), "the worker's right is gone: {policy}");
    assert!(
        policy.contains("gcp-sa-pubsub"),
        "dead-lettering goes on: {policy}"
    );
    assert!(
        Api::<Namespace>::all(client.clone())
            .get_opt("returning")
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        Api::<Deployment>::namespaced(client.clone(), "returning")
            .get_opt("event-worker")
            .await
            .unwrap()
            .is_none()
    );

    publish(stage, "returning").await;
    apply(&client, "returning", spec).await;
    ready(&client, "returning").await;
    let adopted = stage.emulator.subscription(&name).unwrap();
    assert!(!adopted.labels.contains_key("event-operator-released-at"));
    assert_eq!(
        stage.emulator.stats(&name).unwrap().backlog,
        1,
        "the message waited"
    );
    let creates = calls_for(stage, "returning")["Subscriber.CreateSubscription"];
    assert_eq!(creates, 2, "nothing was made anew");
}

async fn publish(stage: &Stage, tenant: &str) {
    let connection = events::Connection::emulator(&stage.emulator.endpoint());
    let project = events::ProjectId::parse(PROJECT).unwrap();
    let topic = events::TopicName::new(&project, "living-twin-query-events").unwrap();
    let publisher = events::EventPublisher::new(&connection, topic).await.unwrap();
    let event = events::EventFactory::new("test").create(
        &events::TenantId::parse(tenant).unwrap(),
        events::EventType::parse("query.executed").unwrap(),
        serde_json::Map::new(),
    );
    publisher
        .publish(&event, &events::publisher::PublishOptions::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn delete_takes_every_subscription_and_no_topic() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    apply(
        &client,
        "leaving",
        json!({"deletionPolicy": "Delete", "subscriptions": [{"topic": "events"}]}),
    )
    .await;
    ready(&client, "leaving").await;
    delete(&client, "leaving").await;
    assert!(
        stage
            .emulator
            .subscriptions()
            .iter()
            .all(|name| !name.contains("leaving"))
    );
    assert!(
        stage
            .emulator
            .topics()
            .iter()
            .any(|name| name.ends_with("living-twin-events"))
    );
}

#[tokio::test]
async fn somebodys_namespace_is_not_taken_until_it_is_given() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let namespaces = Api::<Namespace>::all(client.clone());
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some("theirs".into());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    apply(
        &client,
        "theirs",
        json!({"topics": "Listed", "subscriptions": []}),
    )
    .await;
    tenant_is(
        &client,
        "theirs",
        ConditionType::Stalled,
        Some("NamespaceConflict"),
    )
    .await;
    assert!(
        Api::<ServiceAccount>::namespaced(client.clone(), "theirs")
            .get_opt("event-worker")
            .await
            .unwrap()
            .is_none()
    );

    let label = json!({"metadata": {"labels": {"events.livingtwin.io/tenant": "theirs"}}});
    namespaces
        .patch("theirs", &PatchParams::default(), &Patch::Merge(label))
        .await
        .unwrap();
    ready(&client, "theirs").await;
    let given = namespaces.get("theirs").await.unwrap();
    assert!(
        !given.labels().contains_key("pod-security.kubernetes.io/enforce"),
        "its labels are its owner's business"
    );
}

/// What the API server cannot see ends stalled with a reason that names the field, and breaks nobody else.
#[tokio::test]
async fn a_bad_one_is_stalled_alone() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    apply(
        &client,
        "bad-topic",
        json!({"subscriptions": [{"topic": "no-such-topic"}]}),
    )
    .await;
    let stalled = tenant_is(&client, "bad-topic", ConditionType::Stalled, Some("UnknownTopic")).await;
    let message = condition::find(&stalled.status.unwrap().conditions, ConditionType::Ready)
        .unwrap()
        .message
        .clone();
    assert!(message.starts_with("spec.subscriptions: "), "{message}");

    let long: Vec<_> = (0..6)
        .map(|i| format!("document.something_quite_long_{i}"))
        .collect();
    apply(
        &client,
        "bad-filter",
        json!({"subscriptions": [{"topic": "document-events", "eventTypes": long}, {"topic": "events"}]}),
    )
    .await;
    tenant_is(
        &client,
        "bad-filter",
        ConditionType::Stalled,
        Some("SubscriptionsNotReady"),
    )
    .await;
    let tenants = Api::<Tenant>::all(client.clone());
    let status = eventually("the good one of the two is ready", PATIENCE, async || {
        let status = tenants.get("bad-filter").await.unwrap().status.unwrap();
        let as_wanted = status.subscriptions.as_deref() == Some("1/2");
        if as_wanted { Ok(status) } else { Err(status) }
    })
    .await;
    let message = condition::find(&status.conditions, ConditionType::Ready)
        .unwrap()
        .message
        .clone();
    assert!(
        message.contains("FilterTooLong") && message.contains("256"),
        "{message}"
    );

    // The id is taken by an older Tenant.
    apply(
        &client,
        "first",
        json!({"id": "shared-id", "topics": "Listed", "subscriptions": []}),
    )
    .await;
    is_older_than_all_to_come(&ready(&client, "first").await).await;
    apply(
        &client,
        "second",
        json!({"id": "shared-id", "topics": "Listed", "subscriptions": []}),
    )
    .await;
    tenant_is(
        &client,
        "second",
        ConditionType::Stalled,
        Some("DuplicateTenantId"),
    )
    .await;

    // A correction heals by itself, and others were never touched.
    apply(
        &client,
        "bad-topic",
        json!({"subscriptions": [{"topic": "events"}]}),
    )
    .await;
    ready(&client, "bad-topic").await;
    ready(&client, "first").await;
}

#[tokio::test]
async fn a_subscription_of_somebody_else_is_reported_and_left_alone() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let name = format!("projects/{PROJECT}/subscriptions/living-twin-system-events-squatted-worker");
    foreign_subscription(stage, &name).await;
    apply(
        &client,
        "squatted",
        json!({"subscriptions": [{"topic": "system-events"}]}),
    )
    .await;
    let stalled = tenant_is(&client, "squatted", ConditionType::Stalled, None).await;
    let message = condition::find(&stalled.status.unwrap().conditions, ConditionType::Ready)
        .unwrap()
        .message
        .clone();
    assert!(
        message.contains("ResourceConflict") && message.contains("events.livingtwin.io/adopt"),
        "{message}"
    );
    assert!(stage.emulator.subscription(&name).unwrap().labels.is_empty());
    delete(&client, "squatted").await;
    assert!(stage.emulator.subscription(&name).is_some());
}

#[tokio::test]
async fn what_was_deleted_behind_our_back_is_made_again_and_the_loss_is_said() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    apply(&client, "robbed", json!({"subscriptions": [{"topic": "events"}]})).await;
    ready(&client, "robbed").await;
    let name = format!("projects/{PROJECT}/subscriptions/living-twin-events-robbed-worker");
    let connection = events::Connection::emulator(&stage.emulator.endpoint());
    let subscriptions = events::connect!(SubscriptionAdmin::builder(), &connection)
        .build()
        .await
        .unwrap();
    subscriptions
        .delete_subscription()
        .set_subscription(&name)
        .send()
        .await
        .unwrap();
    eventually("it is made again, with its rights", PATIENCE, async || {
        let policy = format!("{:?}", stage.emulator.policy(&name));
        if policy.contains("workloadIdentityPools") {
            Ok(())
        } else {
            Err(policy)
        }
    })
    .await;
    let events = Api::<Event>::namespaced(client.clone(), "robbed");
    eventually("an event says what is lost", PATIENCE, async || {
        let notes: Vec<_> = events
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .into_iter()
            .collect();
        let said = notes
            .iter()
            .any(|one| one.reason.as_deref() == Some("BacklogLost"));
        if said { Ok(()) } else { Err(notes) }
    })
    .await;
}

async fn foreign_subscription(stage: &Stage, name: &str) {
    let connection = events::Connection::emulator(&stage.emulator.endpoint());
    let topics = events::connect!(TopicAdmin::builder(), &connection)
        .build()
        .await
        .unwrap();
    let topic = format!("projects/{PROJECT}/topics/elsewhere");
    topics.create_topic().set_name(&topic).send().await.unwrap();
    let subscriptions = events::connect!(SubscriptionAdmin::builder(), &connection)
        .build()
        .await
        .unwrap();
    subscriptions
        .create_subscription()
        .set_name(name)
        .set_topic(topic)
        .send()
        .await
        .unwrap();
}
