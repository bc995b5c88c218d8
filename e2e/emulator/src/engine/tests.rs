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
    drop(engine.attach("projects/p/subscriptions/used", 1, 0).unwrap());
    let held = engine.attach(SUBSCRIPTION, 1, 0).unwrap();
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
    let puller = engine.attach(SUBSCRIPTION, 1, 0).unwrap();
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
    assert!(engine.pull(&request).await.unwrap().is_empty());
    let later = async {
        wait(Duration::from_secs(5)).await;
        publish(&engine);
    };
    let (pulled, ()) = tokio::join!(engine.pull(&request), later);
    assert_eq!(pulled.unwrap().len(), 1);
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
