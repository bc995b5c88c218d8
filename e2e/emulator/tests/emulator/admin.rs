//! Administration through the official Rust clients, over REST.

use crate::support::{Bench, subscription, topic};
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_pubsub::model::{
    DeadLetterPolicy, ExpirationPolicy, RetryPolicy, Subscription, subscription::State,
};
use google_cloud_wkt::{Duration, FieldMask};
use pubsub_emulator::DELETED_TOPIC;

fn code<T: std::fmt::Debug>(result: Result<T, google_cloud_pubsub::Error>) -> (Code, String) {
    let error = result.expect_err("refused");
    let status = error.status().unwrap_or_else(|| panic!("no status: {error:?}"));
    (status.code, status.message.clone())
}

fn mask(paths: &[&str]) -> FieldMask {
    FieldMask::default().set_paths(paths.iter().copied())
}

#[tokio::test]
async fn the_service_fills_in_what_a_subscription_leaves_out() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    let made = bench.create("sub", "events", |s| s).await;
    assert_eq!(made.ack_deadline_seconds, 10);
    assert_eq!(
        made.message_retention_duration.map(|d| d.seconds()),
        Some(604_800)
    );
    assert_eq!(
        made.expiration_policy
            .clone()
            .and_then(|p| p.ttl)
            .map(|d| d.seconds()),
        Some(2_678_400)
    );
    assert!(made.push_config.is_some() && made.retry_policy.is_none() && made.dead_letter_policy.is_none());
    assert_eq!(made.state, State::Active);
    let read = bench
        .subscriptions
        .get_subscription()
        .set_subscription(subscription("sub"))
        .send()
        .await
        .unwrap();
    assert_eq!(read, made);
}

#[tokio::test]
async fn every_field_of_a_pull_subscription_is_kept() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench.create_topic("dead").await;
    let made = bench
        .create("sub", "events", |s| {
            s.set_ack_deadline_seconds(600)
                .set_retain_acked_messages(true)
                .set_message_retention_duration(Duration::clamp(3600, 0))
                .set_labels([("team", "a")])
                .set_enable_message_ordering(true)
                .set_expiration_policy(ExpirationPolicy::new())
                .set_filter(r#"attributes.tenant_id = "t""#)
                .set_dead_letter_policy(DeadLetterPolicy::new().set_dead_letter_topic(topic("dead")))
                .set_retry_policy(RetryPolicy::new())
                .set_enable_exactly_once_delivery(true)
        })
        .await;
    assert_eq!(
        made.expiration_policy,
        Some(ExpirationPolicy::new()),
        "present without a ttl: never"
    );
    assert_eq!(
        made.dead_letter_policy.as_ref().map(|p| p.max_delivery_attempts),
        Some(5)
    );
    let retry = made.retry_policy.clone().unwrap();
    assert_eq!(retry.minimum_backoff.map(|d| d.seconds()), Some(10));
    assert_eq!(retry.maximum_backoff.map(|d| d.seconds()), Some(600));
    assert!(made.enable_message_ordering && made.enable_exactly_once_delivery && made.retain_acked_messages);
    assert_eq!(
        (made.ack_deadline_seconds, made.filter.as_str()),
        (600, r#"attributes.tenant_id = "t""#)
    );
    assert_eq!(made.labels.get("team").map(String::as_str), Some("a"));
}

#[tokio::test]
async fn second_creates_and_missing_things_answer_as_google_does() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    let again = bench.topics.create_topic().set_name(topic("events")).send().await;
    let (found, message) = code(again);
    assert_eq!((found, message.contains("events")), (Code::AlreadyExists, true));
    let missing = bench.topics.get_topic().set_topic(topic("nothing")).send().await;
    assert_eq!(
        code(missing),
        (
            Code::NotFound,
            "Resource not found (resource=nothing).".to_owned()
        )
    );
    let orphan = Subscription::new()
        .set_name(subscription("sub"))
        .set_topic(topic("nothing"));
    assert_eq!(
        code(
            bench
                .subscriptions
                .create_subscription()
                .with_request(orphan)
                .send()
                .await
        )
        .0,
        Code::NotFound
    );
    let named = bench
        .topics
        .create_topic()
        .set_name(topic("goog-like"))
        .send()
        .await;
    assert_eq!(code(named).0, Code::InvalidArgument);
}

type Change = fn(Subscription) -> Subscription;

#[tokio::test]
async fn wrong_fields_are_refused() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    let cases: &[(&str, Change)] = &[
        ("filter", |s| s.set_filter("attributes.tenant_id == 1")),
        ("long filter", |s| {
            s.set_filter(format!("attributes.k = \"{}\"", "v".repeat(250)))
        }),
        ("deadline", |s| s.set_ack_deadline_seconds(9)),
        ("deadline", |s| s.set_ack_deadline_seconds(601)),
        ("retention", |s| {
            s.set_message_retention_duration(Duration::clamp(599, 0))
        }),
        ("ttl", |s| {
            s.set_expiration_policy(ExpirationPolicy::new().set_ttl(Duration::clamp(86_399, 0)))
        }),
        ("attempts", |s| {
            s.set_dead_letter_policy(
                DeadLetterPolicy::new()
                    .set_dead_letter_topic(topic("events"))
                    .set_max_delivery_attempts(4),
            )
        }),
        ("backoff", |s| {
            s.set_retry_policy(RetryPolicy::new().set_maximum_backoff(Duration::clamp(601, 0)))
        }),
        ("backoffs", |s| {
            s.set_retry_policy(
                RetryPolicy::new()
                    .set_minimum_backoff(Duration::clamp(20, 0))
                    .set_maximum_backoff(Duration::clamp(10, 0)),
            )
        }),
        ("label", |s| s.set_labels([("Upper", "x")])),
    ];
    for (what, change) in cases {
        let request = change(
            Subscription::new()
                .set_name(subscription("sub"))
                .set_topic(topic("events")),
        );
        let result = bench
            .subscriptions
            .create_subscription()
            .with_request(request)
            .send()
            .await;
        assert_eq!(code(result).0, Code::InvalidArgument, "{what}");
    }
    let dead = DeadLetterPolicy::new().set_dead_letter_topic(topic("missing"));
    let request = Subscription::new()
        .set_name(subscription("sub"))
        .set_topic(topic("events"))
        .set_dead_letter_policy(dead);
    assert_eq!(
        code(
            bench
                .subscriptions
                .create_subscription()
                .with_request(request)
                .send()
                .await
        )
        .0,
        Code::NotFound
    );
    assert!(bench.emulator.subscriptions().is_empty());
}

#[tokio::test]
async fn a_mask_changes_what_it_names_and_nothing_else() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    let made = bench
        .create("sub", "events", |s| s.set_labels([("a", "1")]))
        .await;
    let update = |s: Subscription, paths: &[&str]| {
        bench
            .subscriptions
            .update_subscription()
            .set_subscription(s)
            .set_update_mask(mask(paths))
            .send()
    };
    let wanted = Subscription::new()
        .set_name(subscription("sub"))
        .set_ack_deadline_seconds(60)
        .set_labels([("b", "2")])
        .set_retry_policy(RetryPolicy::new());
    let updated = update(wanted.clone(), &["ack_deadline_seconds", "retry_policy"])
        .await
        .unwrap();
    assert_eq!(
        (updated.ack_deadline_seconds, &updated.labels),
        (60, &made.labels)
    );
    assert_eq!(
        updated
            .retry_policy
            .as_ref()
            .and_then(|r| r.minimum_backoff)
            .map(|d| d.seconds()),
        Some(10)
    );
    let cleared = update(
        Subscription::new().set_name(subscription("sub")),
        &["retryPolicy", "expirationPolicy"],
    )
    .await
    .unwrap();
    assert_eq!(cleared.retry_policy, None);
    assert_eq!(
        cleared.expiration_policy, made.expiration_policy,
        "an absent policy is the default one"
    );

    let (found, message) = code(update(wanted.clone(), &["filter"]).await);
    assert_eq!(found, Code::InvalidArgument);
    assert!(
        message.contains("the 'filter' field in the Subscription is not mutable."),
        "{message}"
    );
    for paths in [
        &["topic"][..],
        &["enable_message_ordering"],
        &["nonsense"],
        &["labels", "name"],
        &[],
    ] {
        assert_eq!(
            code(update(wanted.clone(), paths).await).0,
            Code::InvalidArgument,
            "{paths:?}"
        );
    }
    let after = bench.emulator.subscription(&subscription("sub")).unwrap();
    assert_eq!(
        after.labels.get("a").map(String::as_str),
        Some("1"),
        "a refused update changes nothing"
    );
}

#[tokio::test]
async fn topics_are_updated_listed_and_deleted() {
    let bench = Bench::start().await;
    for i in 0..5 {
        bench.create_topic(&format!("topic-{i}")).await;
    }
    let labelled = google_cloud_pubsub::model::Topic::new()
        .set_name(topic("topic-0"))
        .set_labels([("a", "b")]);
    let update = bench
        .topics
        .update_topic()
        .set_topic(labelled)
        .set_update_mask(mask(&["labels"]));
    assert_eq!(
        update.send().await.unwrap().labels.get("a").map(String::as_str),
        Some("b")
    );

    let page = bench
        .topics
        .list_topics()
        .set_project("projects/living-twin")
        .set_page_size(2)
        .send()
        .await
        .unwrap();
    assert_eq!(page.topics.len(), 2);
    let mut names = Vec::new();
    let mut pages = bench
        .topics
        .list_topics()
        .set_project("projects/living-twin")
        .set_page_size(2)
        .by_item();
    while let Some(item) = pages.next().await {
        names.push(item.unwrap().name);
    }
    assert_eq!(
        names,
        (0..5).map(|i| topic(&format!("topic-{i}"))).collect::<Vec<_>>()
    );
    let stale = bench
        .topics
        .list_topics()
        .set_project("projects/living-twin")
        .set_page_token("*")
        .send()
        .await;
    assert_eq!(code(stale).0, Code::InvalidArgument);

    bench.create("one", "topic-0", |s| s).await;
    bench.create("two", "topic-0", |s| s).await;
    let attached = bench
        .topics
        .list_topic_subscriptions()
        .set_topic(topic("topic-0"))
        .send()
        .await
        .unwrap();
    assert_eq!(attached.subscriptions, [subscription("one"), subscription("two")]);
    bench
        .topics
        .delete_topic()
        .set_topic(topic("topic-0"))
        .send()
        .await
        .unwrap();
    let stranded = bench
        .subscriptions
        .get_subscription()
        .set_subscription(subscription("one"))
        .send()
        .await
        .unwrap();
    assert_eq!(stranded.topic, DELETED_TOPIC);
    bench.create_topic("topic-0").await;
    bench.publish("topic-0", "x", &[]);
    assert_eq!(
        bench.emulator.stats(&subscription("one")).unwrap().backlog,
        0,
        "it does not rejoin"
    );
}

#[tokio::test]
async fn a_deleted_subscription_is_gone_and_its_name_is_free() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench.create("sub", "events", |s| s).await;
    bench
        .subscriptions
        .delete_subscription()
        .set_subscription(subscription("sub"))
        .send()
        .await
        .unwrap();
    let again = bench
        .subscriptions
        .delete_subscription()
        .set_subscription(subscription("sub"))
        .send()
        .await;
    assert_eq!(code(again).0, Code::NotFound);
    bench
        .create("sub", "events", |s| s.set_filter("attributes:k"))
        .await;
    let listed = bench
        .subscriptions
        .list_subscriptions()
        .set_project("projects/living-twin")
        .send()
        .await
        .unwrap();
    assert_eq!(listed.subscriptions.len(), 1);
}

#[tokio::test]
async fn every_call_is_logged_with_its_result() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    let _ = bench.topics.get_topic().set_topic(topic("none")).send().await;
    let calls: Vec<_> = bench
        .emulator
        .calls()
        .into_iter()
        .map(|c| (c.method, c.resource, c.code))
        .collect();
    assert_eq!(
        calls,
        [
            ("Publisher.CreateTopic", topic("events"), None),
            (
                "Publisher.GetTopic",
                topic("none"),
                Some(pubsub_emulator::Code::NotFound)
            ),
        ]
    );
    bench.emulator.clear_calls();
    assert!(bench.emulator.calls().is_empty());
}
