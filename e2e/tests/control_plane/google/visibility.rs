//! Reads lag behind writes: how long until what was made, or deleted, is seen by Get and in lists. The operator believes
//! its own writes for `visibilityLag`, so nothing may take longer.

use std::time::{Duration, Instant};

use e2e::stage::{configuration, settings};
use event_operator::pubsub::{Code, PubSub as _, PubSubError};
use pubsub_emulator::Settings;
use serde_json::json;

use super::{
    made::tell,
    service::{Service, seconds},
};

/// Whether it is there, by a Get.
fn there<T>(answer: Result<T, PubSubError>) -> Option<bool> {
    match answer {
        Ok(_) => Some(true),
        Err(error) if error.code == Code::NotFound => Some(false),
        // Not an answer to this question.
        Err(_) => None,
    }
}

/// How long after `begun` Get and List say this.
async fn seen(
    service: &Service,
    begun: Instant,
    is_there: bool,
    get: impl AsyncFn() -> Option<bool>,
    listed: impl AsyncFn() -> Option<bool>,
) -> [Duration; 2] {
    let by_get = service.until("Get tells", begun, async || get().await == Some(is_there));
    let by_list = service.until("List tells", begun, async || listed().await == Some(is_there));
    let (by_get, by_list) = tokio::join!(by_get, by_list);
    [by_get, by_list]
}

fn figures(what: &str, [get, list]: [Duration; 2]) -> String {
    format!("{what}: Get {}, List {}", seconds(get), seconds(list))
}

#[tokio::test]
async fn what_is_made_or_deleted_is_seen_within_the_lag_that_is_believed() {
    let gap = Settings {
        read_after_write_gap_ms: 300,
        ..Settings::default()
    };
    tell("visibility", gap, async |service| {
        let topic = service.topic("seen");
        let subscription = service.subscription("seen", &topic.name);
        let get_topic = async || there(service.pubsub.topic(&topic.name).await);
        let topic_listed = async || {
            let listed = service.listed_topics().await.ok()?;
            Some(listed.iter().any(|one| one.name == topic.name))
        };
        let get_subscription = async || there(service.pubsub.subscription(&subscription.name).await);
        let subscription_listed = async || {
            let listed = service.listed_subscriptions().await.ok()?;
            Some(listed.iter().any(|one| one.name == subscription.name))
        };

        service.make_topic(&topic).await;
        let topic_made = seen(service, Instant::now(), true, &get_topic, &topic_listed).await;
        service.make_subscription(&subscription).await;
        let now = Instant::now();
        let subscription_made = seen(service, now, true, &get_subscription, &subscription_listed).await;
        service
            .pubsub
            .delete_subscription(&subscription.name)
            .await
            .unwrap();
        let now = Instant::now();
        let subscription_gone = seen(service, now, false, &get_subscription, &subscription_listed).await;
        let delete = service.topics.delete_topic().set_topic(topic.name.to_string());
        delete.send().await.unwrap();
        let topic_gone = seen(service, Instant::now(), false, &get_topic, &topic_listed).await;

        let all = [topic_made, subscription_made, subscription_gone, topic_gone];
        let names = [
            "topic made",
            "subscription made",
            "subscription deleted",
            "topic deleted",
        ];
        let said: Vec<_> = names
            .iter()
            .zip(all)
            .map(|(name, times)| figures(name, times))
            .collect();
        service.measured(said.join("; "));
        let believed = settings(&configuration([json!({"projectId": service.project})]).unwrap())
            .unwrap()
            .visibility_lag;
        let longest = all.iter().flatten().max().copied().unwrap();
        assert!(
            longest < believed,
            "{longest:?} is longer than config's visibilityLag, {believed:?}"
        );
    })
    .await;
}
