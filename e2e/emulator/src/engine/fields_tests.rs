//! Every field of topics and subscriptions: its limits, and what a mask does to it.

use super::{defaults, subscription_fields as subscriptions, topic_fields as topics};
use crate::{clock::seconds, pb, queue::RetryRule, status::Code};
use std::time::Duration;

fn subscription() -> pb::Subscription {
    let mut s = pb::Subscription {
        name: "projects/p/subscriptions/sub".to_owned(),
        topic: "projects/p/topics/events".to_owned(),
        ..pb::Subscription::default()
    };
    defaults::fill(&mut s);
    s
}

/// Another value than the default in every field that a mask can name.
fn full() -> pb::Subscription {
    pb::Subscription {
        push_config: Some(pb::PushConfig {
            push_endpoint: "https://example.com".to_owned(),
            ..pb::PushConfig::default()
        }),
        bigquery_config: Some(pb::BigQueryConfig::default()),
        cloud_storage_config: Some(pb::CloudStorageConfig::default()),
        bigtable_config: Some(pb::BigtableConfig::default()),
        ack_deadline_seconds: 77,
        retain_acked_messages: true,
        message_retention_duration: Some(seconds(777)),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        expiration_policy: Some(pb::ExpirationPolicy {
            ttl: Some(seconds(777_777)),
        }),
        dead_letter_policy: Some(pb::DeadLetterPolicy {
            dead_letter_topic: "projects/p/topics/dead".to_owned(),
            max_delivery_attempts: 7,
        }),
        retry_policy: Some(pb::RetryPolicy {
            minimum_backoff: Some(seconds(1)),
            maximum_backoff: Some(seconds(2)),
        }),
        enable_exactly_once_delivery: true,
        message_transforms: vec![pb::MessageTransform::default()],
        ..pb::Subscription::default()
    }
}

#[test]
fn a_mask_copies_the_field_it_names_and_no_other() {
    type Set = fn(&mut pb::Subscription, pb::Subscription);
    let cases: [(&str, Set); 18] = [
        ("push_config", |to, from| to.push_config = from.push_config),
        ("bigquery_config", |to, from| {
            to.bigquery_config = from.bigquery_config;
        }),
        ("cloud_storage_config", |to, from| {
            to.cloud_storage_config = from.cloud_storage_config;
        }),
        ("bigtable_config", |to, from| {
            to.bigtable_config = from.bigtable_config;
        }),
        ("ack_deadline_seconds", |to, from| {
            to.ack_deadline_seconds = from.ack_deadline_seconds;
        }),
        ("retain_acked_messages", |to, from| {
            to.retain_acked_messages = from.retain_acked_messages;
        }),
        ("message_retention_duration", |to, from| {
            to.message_retention_duration = from.message_retention_duration;
        }),
        ("labels", |to, from| to.labels = from.labels),
        ("expiration_policy", |to, from| {
            to.expiration_policy = from.expiration_policy;
        }),
        ("expiration_policy.ttl", |to, from| {
            to.expiration_policy = from.expiration_policy;
        }),
        ("dead_letter_policy", |to, from| {
            to.dead_letter_policy = from.dead_letter_policy;
        }),
        ("dead_letter_policy.dead_letter_topic", |to, from| {
            to.dead_letter_policy = from.dead_letter_policy.map(|policy| pb::DeadLetterPolicy {
                max_delivery_attempts: 0,
                ..policy
            });
        }),
        ("dead_letter_policy.max_delivery_attempts", |to, from| {
            to.dead_letter_policy = from.dead_letter_policy.map(|policy| pb::DeadLetterPolicy {
                dead_letter_topic: String::new(),
                ..policy
            });
        }),
        ("retry_policy", |to, from| to.retry_policy = from.retry_policy),
        ("retry_policy.minimum_backoff", |to, from| {
            to.retry_policy = from.retry_policy.map(|policy| pb::RetryPolicy {
                maximum_backoff: None,
                ..policy
            });
        }),
        ("retry_policy.maximum_backoff", |to, from| {
            to.retry_policy = from.retry_policy.map(|policy| pb::RetryPolicy {
                minimum_backoff: None,
                ..policy
            });
        }),
        ("enable_exactly_once_delivery", |to, from| {
            to.enable_exactly_once_delivery = from.enable_exactly_once_delivery;
        }),
        ("message_transforms", |to, from| {
            to.message_transforms = from.message_transforms;
        }),
    ];
    for (path, set) in cases {
        let (mut changed, mut expected) = (pb::Subscription::default(), pb::Subscription::default());
        subscriptions::apply(path, &full(), &mut changed).unwrap();
        set(&mut expected, full());
        assert_eq!(changed, expected, "{path}");
        assert_ne!(changed, pb::Subscription::default(), "{path} was set");
        // What the update leaves out is cleared.
        let mut cleared = full();
        subscriptions::apply(path, &pb::Subscription::default(), &mut cleared).unwrap();
        assert_ne!(cleared, full(), "{path} was cleared");
    }
}

#[test]
fn immutable_and_unknown_fields_are_told_apart() {
    for path in [
        "name",
        "topic",
        "filter",
        "enable_message_ordering",
        "detached",
        "state",
        "tags",
        "topic_message_retention_duration",
        "analytics_hub_subscription_info",
    ] {
        let refusal = subscriptions::apply(path, &full(), &mut subscription()).unwrap_err();
        assert!(
            refusal.message.contains("is not mutable"),
            "{path}: {}",
            refusal.message
        );
    }
    for path in ["pushConfig", "retry_policy.x", "", "*"] {
        let refusal = subscriptions::apply(path, &full(), &mut subscription()).unwrap_err();
        assert!(
            refusal.message.contains("is not a known"),
            "{path}: {}",
            refusal.message
        );
    }
    for path in ["name", "state", "satisfies_pzs", "tags"] {
        let refusal = topics::apply(path, &pb::Topic::default(), &mut pb::Topic::default()).unwrap_err();
        assert!(
            refusal.message.contains("is not mutable"),
            "{path}: {}",
            refusal.message
        );
    }
    let refusal = topics::apply("filter", &pb::Topic::default(), &mut pb::Topic::default()).unwrap_err();
    assert!(refusal.message.contains("is not a known Topic field"));
}

/// What a path of a topic's mask is expected to do.
type SetTopic = fn(&mut pb::Topic, pb::Topic);

#[test]
fn a_topics_mask_copies_the_field_it_names_and_no_other() {
    let full = || pb::Topic {
        labels: [("a".to_owned(), "b".to_owned())].into(),
        message_storage_policy: Some(pb::MessageStoragePolicy {
            allowed_persistence_regions: vec!["europe-west1".to_owned()],
            enforce_in_transit: true,
        }),
        kms_key_name: "key".to_owned(),
        schema_settings: Some(pb::SchemaSettings::default()),
        message_retention_duration: Some(seconds(777)),
        ingestion_data_source_settings: Some(pb::IngestionDataSourceSettings::default()),
        message_transforms: vec![pb::MessageTransform::default()],
        ..pb::Topic::default()
    };
    let cases: [(&str, SetTopic); 8] = [
        ("labels", |to, from| to.labels = from.labels),
        ("message_storage_policy", |to, from| {
            to.message_storage_policy = from.message_storage_policy;
        }),
        (
            "message_storage_policy.allowed_persistence_regions",
            |to, from| {
                to.message_storage_policy =
                    from.message_storage_policy
                        .map(|policy| pb::MessageStoragePolicy {
                            enforce_in_transit: false,
                            ..policy
                        });
            },
        ),
        ("kms_key_name", |to, from| to.kms_key_name = from.kms_key_name),
        ("schema_settings", |to, from| {
            to.schema_settings = from.schema_settings;
        }),
        ("message_retention_duration", |to, from| {
            to.message_retention_duration = from.message_retention_duration;
        }),
        ("ingestion_data_source_settings", |to, from| {
            to.ingestion_data_source_settings = from.ingestion_data_source_settings;
        }),
        ("message_transforms", |to, from| {
            to.message_transforms = from.message_transforms;
        }),
    ];
    for (path, set) in cases {
        let (mut changed, mut expected) = (pb::Topic::default(), pb::Topic::default());
        topics::apply(path, &full(), &mut changed).unwrap();
        set(&mut expected, full());
        assert_eq!(changed, expected, "{path}");
        assert_ne!(changed, pb::Topic::default(), "{path} was set");
    }
}

fn dead_letter(attempts: i32) -> pb::DeadLetterPolicy {
    pb::DeadLetterPolicy {
        dead_letter_topic: "projects/p/topics/dead".to_owned(),
        max_delivery_attempts: attempts,
    }
}

fn retry(minimum: i64, maximum: i64) -> pb::RetryPolicy {
    pb::RetryPolicy {
        minimum_backoff: Some(seconds(minimum)),
        maximum_backoff: Some(seconds(maximum)),
    }
}

fn expires(ttl: i64) -> pb::ExpirationPolicy {
    pb::ExpirationPolicy {
        ttl: Some(seconds(ttl)),
    }
}

#[test]
fn the_limits_of_a_subscription_are_inclusive() {
    type Change = fn(&mut pb::Subscription);
    let good: [Change; 14] = [
        |_| {},
        |s| s.ack_deadline_seconds = 10,
        |s| s.ack_deadline_seconds = 600,
        |s| s.message_retention_duration = Some(seconds(600)),
        |s| s.message_retention_duration = Some(seconds(2_678_400)),
        |s| s.expiration_policy = Some(expires(86_400)),
        |s| s.expiration_policy = Some(pb::ExpirationPolicy { ttl: None }),
        |s| s.dead_letter_policy = Some(dead_letter(5)),
        |s| s.dead_letter_policy = Some(dead_letter(100)),
        |s| s.retry_policy = Some(retry(0, 600)),
        |s| s.retry_policy = Some(retry(600, 600)),
        |s| s.bigquery_config = Some(pb::BigQueryConfig::default()),
        |s| s.enable_exactly_once_delivery = true,
        |s| s.push_config = full().push_config,
    ];
    for (number, change) in good.into_iter().enumerate() {
        let mut s = subscription();
        change(&mut s);
        assert_eq!(subscriptions::validate(&s), Ok(()), "good {number}");
    }
    let bad: [(Change, &str); 18] = [
        (|s| s.ack_deadline_seconds = 9, "ack deadline"),
        (|s| s.ack_deadline_seconds = 601, "ack deadline"),
        (|s| s.message_retention_duration = Some(seconds(599)), "retention"),
        (
            |s| s.message_retention_duration = Some(seconds(2_678_401)),
            "retention",
        ),
        (
            |s| s.message_retention_duration = Some(seconds(-600)),
            "retention",
        ),
        (|s| s.expiration_policy = Some(expires(86_399)), "ttl"),
        (|s| s.expiration_policy = Some(expires(-1)), "ttl"),
        (
            |s| s.dead_letter_policy = Some(dead_letter(4)),
            "max_delivery_attempts",
        ),
        (
            |s| s.dead_letter_policy = Some(dead_letter(101)),
            "max_delivery_attempts",
        ),
        (
            |s| s.dead_letter_policy = Some(pb::DeadLetterPolicy::default()),
            "resource name",
        ),
        (|s| s.retry_policy = Some(retry(-1, 600)), "backoffs"),
        (|s| s.retry_policy = Some(retry(0, 601)), "backoffs"),
        (|s| s.retry_policy = Some(retry(11, 10)), "minimum_backoff"),
        (|s| s.retry_policy = Some(pb::RetryPolicy::default()), "backoffs"),
        (|s| s.labels = [("A".to_owned(), String::new())].into(), "label"),
        (
            |s| {
                s.push_config = full().push_config;
                s.enable_exactly_once_delivery = true;
            },
            "Exactly-once",
        ),
        (
            |s| {
                s.push_config = full().push_config;
                s.bigquery_config = full().bigquery_config;
            },
            "At most one",
        ),
        (
            |s| {
                s.cloud_storage_config = full().cloud_storage_config;
                s.bigtable_config = full().bigtable_config;
            },
            "At most one",
        ),
    ];
    for (change, says) in bad {
        let mut s = subscription();
        change(&mut s);
        let refusal = subscriptions::validate(&s).unwrap_err();
        assert_eq!(refusal.code, Code::InvalidArgument);
        assert!(refusal.message.contains(says), "{says}: {}", refusal.message);
    }
}

#[test]
fn the_rules_of_delivery_are_those_of_the_configuration() {
    let plain = subscriptions::rules(&subscription());
    assert_eq!(plain.ack_deadline, Duration::from_secs(10));
    assert_eq!(plain.retention, Duration::from_secs(604_800));
    assert!(!plain.retain_acked && !plain.ordering && !plain.exactly_once);
    assert!(plain.retry.is_none() && plain.dead_letter.is_none());
    let mut s = full();
    s.enable_message_ordering = true;
    let rules = subscriptions::rules(&s);
    assert_eq!(rules.ack_deadline, Duration::from_secs(77));
    assert_eq!(rules.retention, Duration::from_secs(777));
    assert!(rules.retain_acked && rules.ordering && rules.exactly_once);
    let retry = RetryRule {
        minimum: Duration::from_secs(1),
        maximum: Duration::from_secs(2),
    };
    assert_eq!(rules.retry, Some(retry));
    let dead_letter = rules.dead_letter.unwrap();
    assert_eq!(
        (dead_letter.topic.as_str(), dead_letter.max_attempts),
        ("projects/p/topics/dead", 7)
    );
}

#[test]
fn a_topic_is_completed_and_its_limits_hold() {
    let regions = ["europe-west1".to_owned()];
    let completed =
        |mut topic: pb::Topic, regions: &[String]| topics::complete(&mut topic, regions).map(|()| topic);
    let plain = completed(pb::Topic::default(), &[]).unwrap();
    assert_eq!(
        (plain.state(), plain.message_storage_policy),
        (pb::topic::State::Unspecified, None)
    );
    let ingesting = pb::Topic {
        ingestion_data_source_settings: Some(pb::IngestionDataSourceSettings::default()),
        ..pb::Topic::default()
    };
    assert_eq!(
        completed(ingesting, &[]).unwrap().state(),
        pb::topic::State::Active
    );
    let policy = |regions: &[&str]| {
        Some(pb::MessageStoragePolicy {
            allowed_persistence_regions: regions.iter().map(|r| (*r).to_owned()).collect(),
            ..pb::MessageStoragePolicy::default()
        })
    };
    let of = |regions: &[&str]| pb::Topic {
        message_storage_policy: policy(regions),
        ..pb::Topic::default()
    };
    assert_eq!(
        completed(pb::Topic::default(), &regions)
            .unwrap()
            .message_storage_policy,
        policy(&["europe-west1"])
    );
    assert_eq!(
        completed(of(&["us"]), &regions).unwrap().message_storage_policy,
        policy(&["us"])
    );
    assert!(completed(of(&["us", ""]), &[]).is_err());
    let retains = |s| pb::Topic {
        message_retention_duration: Some(seconds(s)),
        ..pb::Topic::default()
    };
    assert!(completed(retains(600), &[]).is_ok() && completed(retains(2_678_400), &[]).is_ok());
    assert!(completed(retains(599), &[]).is_err() && completed(retains(2_678_401), &[]).is_err());
    let labelled = pb::Topic {
        labels: [("A".to_owned(), String::new())].into(),
        ..pb::Topic::default()
    };
    assert!(completed(labelled, &[]).is_err());
}

#[test]
fn defaults_fill_what_is_left_out_and_nothing_else() {
    let filled = subscription();
    assert_eq!(filled.ack_deadline_seconds, 10);
    assert_eq!(filled.message_retention_duration, Some(seconds(604_800)));
    assert_eq!(filled.expiration_policy.unwrap().ttl, Some(seconds(2_678_400)));
    assert!(filled.retry_policy.is_none() && filled.dead_letter_policy.is_none());
    assert_eq!(filled.push_config, Some(pb::PushConfig::default()));
    assert_eq!(filled.state(), pb::subscription::State::Active);
    let mut s = full();
    defaults::fill(&mut s);
    let mut expected = full();
    expected.set_state(pb::subscription::State::Active);
    let version = ("x-goog-version".to_owned(), "v1".to_owned());
    expected.push_config.as_mut().unwrap().attributes = [version].into();
    assert_eq!(s, expected);
    let mut policies = pb::Subscription {
        retry_policy: Some(pb::RetryPolicy::default()),
        dead_letter_policy: Some(pb::DeadLetterPolicy::default()),
        ..pb::Subscription::default()
    };
    defaults::fill(&mut policies);
    let retry = policies.retry_policy.unwrap();
    assert_eq!(
        (retry.minimum_backoff, retry.maximum_backoff),
        (Some(seconds(10)), Some(seconds(600)))
    );
    assert_eq!(policies.dead_letter_policy.unwrap().max_delivery_attempts, 5);
}

#[test]
fn a_push_endpoint_is_a_url_with_a_host() {
    for (endpoint, is_taken) in [
        ("https://example.com/push", true),
        ("http://127.0.0.1:8080", true),
        ("https://", false),
        ("https:///push", false),
        ("example.com", false),
        ("ftp://example.com", false),
    ] {
        let mut s = subscription();
        s.push_config = Some(pb::PushConfig {
            push_endpoint: endpoint.to_owned(),
            ..pb::PushConfig::default()
        });
        assert_eq!(subscriptions::validate(&s).is_ok(), is_taken, "{endpoint}");
    }
}
