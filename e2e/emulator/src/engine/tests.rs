//! Time's work on whole subscriptions, on a paused clock.

use super::Engine;
use crate::{iam, pb, settings::Settings};
use std::{sync::Arc, time::Duration};

const TOPIC: &str = "projects/p/topics/events";
const DEAD: &str = "projects/p/topics/dead";
const SUBSCRIPTION: &str = "projects/p/subscriptions/sub";
const DAY: Duration = Duration::from_secs(86_400);

fn engine() -> Arc<Engine> {
    let engine = Engine::new(0, Settings::default(), None);
    for name in [TOPIC, DEAD] {
        engine
            .create_topic(pb::Topic {
                name: name.to_owned(),
                ..pb::Topic::default()
            })
            .unwrap();
    }
    engine
}

fn subscription(name: &str, topic: &str) -> pb::Subscription {
    pb::Subscription {
        name: name.to_owned(),
        topic: topic.to_owned(),
        ..pb::Subscription::default()
    }
}

fn publish(engine: &Engine) {
    let message = pb::PubsubMessage {
        data: b"x".to_vec().into(),
        ..pb::PubsubMessage::default()
    };
    engine
        .publish(pb::PublishRequest {
            topic: TOPIC.to_owned(),
            messages: vec![message],
        })
        .unwrap();
}

/// Lets the keepers run; a paused clock moves only when all tasks wait.
async fn wait(duration: Duration) {
    tokio::time::sleep(duration).await;
}

fn grant(engine: &Engine, resource: &str, role: &str) {
    let binding = iam::pb::Binding {
        role: role.to_owned(),
        members: vec![iam::service_agent(engine.project_number("p"))],
        condition: None,
    };
    let policy = iam::pb::Policy {
        bindings: vec![binding],
        ..iam::pb::Policy::default()
    };
    let request = iam::pb::SetIamPolicyRequest {
        resource: resource.to_owned(),
        policy: Some(policy),
        update_mask: None,
    };
    engine.set_policy(request).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unused_subscription_expires_and_a_used_one_does_not() {
    let engine = engine();
    let never = Some(pb::ExpirationPolicy { ttl: None });
    engine
        .create_subscription(pb::Subscription {
            expiration_policy: never,
            ..subscription("projects/p/subscriptions/never", TOPIC)
        })
        .unwrap();
    engine
        .create_subscription(subscription(SUBSCRIPTION, TOPIC))
        .unwrap();
    engine
        .create_subscription(subscription("projects/p/subscriptions/used", TOPIC))
        .unwrap();
    wait(30 * DAY).await;
    drop(engine.attach("projects/p/subscriptions/used", 1, 0, "").unwrap());
    let held = engine.attach(SUBSCRIPTION, 1, 0, "").unwrap();
    wait(30 * DAY).await;
    assert_eq!(engine.subscription_names().len(), 3);
    wait(2 * DAY).await;
    assert_eq!(
        engine.subscription_names(),
        ["projects/p/subscriptions/never", SUBSCRIPTION]
    );
    drop(held);
    wait(32 * DAY).await;
    assert_eq!(engine.subscription_names(), ["projects/p/subscriptions/never"]);
}

#[tokio::test(start_paused = true)]
async fn leases_that_run_out_lead_to_the_dead_letter_topic_once_the_grants_are_in_force() {
    let engine = engine();
    engine.settings.write().iam_propagation_ms = 60_000;
    let policy = pb::DeadLetterPolicy {
        dead_letter_topic: DEAD.to_owned(),
        max_delivery_attempts: 5,
    };
    engine
        .create_subscription(pb::Subscription {
            dead_letter_policy: Some(policy),
            ..subscription(SUBSCRIPTION, TOPIC)
        })
        .unwrap();
    engine
        .create_subscription(subscription("projects/p/subscriptions/dead", DEAD))
        .unwrap();
    publish(&engine);
    let puller = engine.attach(SUBSCRIPTION, 1, 0, "").unwrap();
    grant(&engine, DEAD, "roles/pubsub.publisher");
    grant(&engine, SUBSCRIPTION, "roles/pubsub.subscriber");
    let mut attempts = Vec::new();
    while engine.stats("projects/p/subscriptions/dead").unwrap().backlog == 0 {
        attempts.extend(puller.take().iter().map(|delivery| delivery.attempt));
        assert!(attempts.len() < 20, "never dead-lettered");
        wait(Duration::from_secs(11)).await;
    }
    // Five attempts are over after 51 seconds, when the grants are not in force yet.
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6]);
    assert_eq!(engine.stats(SUBSCRIPTION).unwrap().backlog, 0);
    assert_eq!(engine.stats(SUBSCRIPTION).unwrap().totals.dead_lettered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pull_waits_for_a_message_and_gives_up_in_the_end() {
    let engine = engine();
    engine
        .create_subscription(subscription(SUBSCRIPTION, TOPIC))
        .unwrap();
    let request = pb::PullRequest {
        subscription: SUBSCRIPTION.to_owned(),
        max_messages: 10,
        ..pb::PullRequest::default()
    };
    assert!(engine.pull(&request).await.unwrap().received.is_empty());
    let later = async {
        wait(Duration::from_secs(5)).await;
        publish(&engine);
    };
    let (pulled, ()) = tokio::join!(engine.pull(&request), later);
    assert_eq!(pulled.unwrap().received.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_expires_after_seven_days() {
    let engine = engine();
    engine.work_each_minute();
    engine
        .create_subscription(subscription(SUBSCRIPTION, TOPIC))
        .unwrap();
    let name = "projects/p/snapshots/snap".to_owned();
    let request = pb::CreateSnapshotRequest {
        name,
        subscription: SUBSCRIPTION.to_owned(),
        ..pb::CreateSnapshotRequest::default()
    };
    engine.create_snapshot(request.clone()).unwrap();
    let list = pb::ListTopicSnapshotsRequest {
        topic: TOPIC.to_owned(),
        ..pb::ListTopicSnapshotsRequest::default()
    };
    wait(6 * DAY + Duration::from_secs(86_280)).await;
    assert_eq!(engine.list_topic_snapshots(&list).unwrap().snapshots.len(), 1);
    wait(Duration::from_secs(240)).await;
    assert!(engine.list_topic_snapshots(&list).unwrap().snapshots.is_empty());
    // With a backlog almost seven days old there is nothing worth a snapshot.
    publish(&engine);
    wait(6 * DAY + Duration::from_secs(84_600)).await;
    assert!(engine.create_snapshot(request).is_err());
}

#[tokio::test(start_paused = true)]
async fn deleting_a_topic_strands_what_hangs_on_it() {
    let engine = engine();
    engine
        .create_subscription(subscription(SUBSCRIPTION, TOPIC))
        .unwrap();
    publish(&engine);
    engine
        .delete_topic(&pb::DeleteTopicRequest {
            topic: TOPIC.to_owned(),
        })
        .unwrap();
    assert_eq!(
        engine.subscription_config(SUBSCRIPTION).unwrap().topic,
        "_deleted-topic_"
    );
    assert_eq!(
        engine.stats(SUBSCRIPTION).unwrap().backlog,
        1,
        "what was there can still be pulled"
    );
    let request = pb::DeleteSubscriptionRequest {
        subscription: SUBSCRIPTION.to_owned(),
    };
    engine.delete_subscription(&request).unwrap();
}

/// What two runs with the same calls have in common, if they have the seed in common.
fn ids(seed: u64) -> (Vec<String>, Vec<String>) {
    let engine = Engine::new(seed, Settings::default(), None);
    let topic = pb::Topic {
        name: TOPIC.to_owned(),
        ..pb::Topic::default()
    };
    engine.create_topic(topic).unwrap();
    engine
        .create_subscription(subscription(SUBSCRIPTION, TOPIC))
        .unwrap();
    let message = pb::PubsubMessage {
        data: b"x".to_vec().into(),
        ..pb::PubsubMessage::default()
    };
    let request = pb::PublishRequest {
        topic: TOPIC.to_owned(),
        messages: vec![message; 3],
    };
    let messages = engine.publish(request).unwrap().message_ids;
    let puller = engine.attach(SUBSCRIPTION, 10, 0, "").unwrap();
    let taken = puller.take();
    let acks = taken.iter().map(|delivery| delivery.ack_id.to_string());
    (messages, acks.collect())
}

#[tokio::test(start_paused = true)]
async fn a_seed_decides_the_ids() {
    assert_eq!(ids(7), ids(7));
    assert_ne!(ids(7).0, ids(8).0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_keeps_its_attributes_and_says_where_it_was() {
    let engine = engine();
    let policy = pb::DeadLetterPolicy {
        dead_letter_topic: DEAD.to_owned(),
        max_delivery_attempts: 5,
    };
    engine
        .create_subscription(pb::Subscription {
            dead_letter_policy: Some(policy),
            ..subscription(SUBSCRIPTION, TOPIC)
        })
        .unwrap();
    engine
        .create_subscription(subscription("projects/p/subscriptions/dead", DEAD))
        .unwrap();
    assert!(!engine.stats(SUBSCRIPTION).unwrap().forwards_dead_letters);
    grant(&engine, DEAD, "roles/pubsub.publisher");
    assert!(
        !engine.stats(SUBSCRIPTION).unwrap().forwards_dead_letters,
        "one grant of two"
    );
    grant(&engine, SUBSCRIPTION, "roles/pubsub.subscriber");
    assert!(engine.stats(SUBSCRIPTION).unwrap().forwards_dead_letters);
    let message = pb::PubsubMessage {
        data: b"poison".to_vec().into(),
        attributes: [("tenant_id".to_owned(), "a".to_owned())].into(),
        ..pb::PubsubMessage::default()
    };
    let request = pb::PublishRequest {
        topic: TOPIC.to_owned(),
        messages: vec![message],
    };
    let original = engine.publish(request).unwrap().message_ids.remove(0);
    let puller = engine.attach(SUBSCRIPTION, 10, 0, "").unwrap();
    let mut published = None;
    for attempt in 1..=5 {
        let delivery = loop {
            match puller.take().pop() {
                Some(delivery) => break delivery,
                None => puller.ready().await,
            }
        };
        assert_eq!(delivery.attempt, attempt);
        published = delivery.message.decode().publish_time;
        let nack = vec![(delivery.ack_id.to_string(), Duration::ZERO)];
        let subscription = engine.subscription(SUBSCRIPTION).unwrap();
        assert_eq!(engine.extend(&subscription, nack).unwrap().done.len(), 1);
        assert!(puller.take().is_empty(), "in the same moment");
    }
    assert!(puller.take().is_empty());
    let dead = engine.attach("projects/p/subscriptions/dead", 10, 0, "").unwrap();
    let dead = dead.take().remove(0).message.decode();
    assert_eq!(&dead.data[..], b"poison");
    assert_ne!(dead.message_id, original);
    let expected = [
        ("tenant_id", "a".to_owned()),
        ("CloudPubSubDeadLetterSourceSubscription", "sub".to_owned()),
        ("CloudPubSubDeadLetterSourceSubscriptionProject", "p".to_owned()),
        ("CloudPubSubDeadLetterSourceDeliveryCount", "5".to_owned()),
        (
            "CloudPubSubDeadLetterSourceTopicPublishTime",
            crate::clock::rfc3339(&published.unwrap()),
        ),
    ];
    assert_eq!(dead.attributes, expected.map(|(k, v)| (k.to_owned(), v)).into());
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_or_its_topic_nothing_is_forwarded() {
    let engine = engine();
    engine
        .create_subscription(subscription(SUBSCRIPTION, TOPIC))
        .unwrap();
    grant(&engine, DEAD, "roles/pubsub.publisher");
    grant(&engine, SUBSCRIPTION, "roles/pubsub.subscriber");
    assert!(
        !engine.stats(SUBSCRIPTION).unwrap().forwards_dead_letters,
        "no policy"
    );
    let update = pb::UpdateSubscriptionRequest {
        subscription: Some(pb::Subscription {
            name: SUBSCRIPTION.to_owned(),
            dead_letter_policy: Some(pb::DeadLetterPolicy {
                dead_letter_topic: DEAD.to_owned(),
                max_delivery_attempts: 5,
            }),
            ..pb::Subscription::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["dead_letter_policy".to_owned()],
        }),
    };
    engine.update_subscription(update).unwrap();
    assert!(engine.stats(SUBSCRIPTION).unwrap().forwards_dead_letters);
    let topic = DEAD.to_owned();
    engine.delete_topic(&pb::DeleteTopicRequest { topic }).unwrap();
    assert!(
        !engine.stats(SUBSCRIPTION).unwrap().forwards_dead_letters,
        "no topic"
    );
}

#[tokio::test(start_paused = true)]
async fn a_permission_comes_from_the_resource_or_its_project() {
    let engine = engine();
    let set = |resource: &str, role: &str| {
        let policy = iam::pb::Policy {
            bindings: vec![iam::pb::Binding {
                role: role.to_owned(),
                members: vec!["user:a".to_owned()],
                condition: None,
            }],
            ..iam::pb::Policy::default()
        };
        engine.set_policy(iam::pb::SetIamPolicyRequest {
            resource: resource.to_owned(),
            policy: Some(policy),
            update_mask: None,
        })
    };
    let may = |member: &str, permission: &str, resource: &str| engine.allows(member, permission, resource);
    assert!(!may("user:a", "pubsub.topics.publish", TOPIC));
    set(TOPIC, "roles/pubsub.publisher").unwrap();
    assert!(may("user:a", "pubsub.topics.publish", TOPIC));
    assert!(!may("user:b", "pubsub.topics.publish", TOPIC) && !may("user:a", "pubsub.topics.publish", DEAD));
    set("projects/p", "roles/pubsub.viewer").unwrap();
    assert!(
        may("user:a", "pubsub.topics.get", DEAD)
            && !may("user:a", "pubsub.topics.get", "projects/q/topics/one")
    );
    assert!(may("user:a", "pubsub.topics.list", "projects/p"));

    let asked = [
        "pubsub.topics.publish",
        "pubsub.topics.get",
        "pubsub.topics.delete",
    ];
    let request = iam::pb::TestIamPermissionsRequest {
        resource: TOPIC.to_owned(),
        permissions: asked.map(str::to_owned).to_vec(),
    };
    let has = |members: Option<&[String]>| engine.test_permissions(&request, members).unwrap().permissions;
    assert_eq!(has(Some(&["user:a".to_owned()])), asked[..2]);
    assert!(has(Some(&[])).is_empty());
    assert_eq!(has(None), asked);

    for (role, fits) in [
        ("roles/x", true),
        ("projects/p/roles/x", true),
        ("x", false),
        ("", false),
    ] {
        assert_eq!(set(TOPIC, role).is_ok(), fits, "{role}");
    }
    assert!(set("projects/p/topics/none", "roles/x").is_err());
    let nothing = iam::pb::SetIamPolicyRequest {
        resource: TOPIC.to_owned(),
        ..iam::pb::SetIamPolicyRequest::default()
    };
    assert!(engine.set_policy(nothing).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_service_agent_is_bound_once_its_project_is_known() {
    let engine = engine();
    let bind = |member: String| {
        engine.set_policy(iam::pb::SetIamPolicyRequest {
            resource: TOPIC.to_owned(),
            policy: Some(iam::pb::Policy {
                bindings: vec![iam::pb::Binding {
                    role: "roles/pubsub.publisher".to_owned(),
                    members: vec![member],
                    condition: None,
                }],
                ..iam::pb::Policy::default()
            }),
            update_mask: None,
        })
    };
    let stranger = iam::service_agent(4711);
    let refusal = bind(stranger.clone()).unwrap_err();
    assert!(
        refusal.message.starts_with("Service account service-4711@"),
        "{}",
        refusal.message
    );
    assert!(bind(iam::service_agent(engine.project_number("p"))).is_ok());
    engine.settings.write().check_service_agents = false;
    assert!(bind(stranger).is_ok());
    assert!(bind("nobody".to_owned()).is_err());
}
