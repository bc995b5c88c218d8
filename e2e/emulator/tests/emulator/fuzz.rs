//! Whatever comes in is answered: no panic, and no more memory than a request is worth.

#[allow(dead_code, reason = "the differential suite uses the rest")]
use crate::support::process::Process;
use crate::support::wire::Connection;
use proptest::prelude::*;
use prost::Message as _;
use pubsub_emulator::{Emulator, iam_pb, pb};
use serde_json::{Value, json};
use std::sync::{
    LazyLock,
    atomic::{AtomicUsize, Ordering},
};

/// Panics anywhere in this process. Those of a server's task would only end a connection.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// One emulator for all cases: what a case leaves behind is there for the next.
struct Bench {
    runtime: tokio::runtime::Runtime,
    endpoint: String,
    client: reqwest::Client,
    connection: Connection,
    _emulator: Emulator,
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    std::panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{info}\n").as_bytes());
    }));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (emulator, connection) = runtime.block_on(async {
        let emulator = Emulator::builder().start().await.unwrap();
        emulator.change_settings(|settings| settings.admin_quota_per_minute = None);
        let connection = Connection::open(&emulator.address().to_string()).await;
        (emulator, connection)
    });
    Bench {
        runtime,
        endpoint: emulator.endpoint(),
        client: reqwest::Client::new(),
        connection,
        _emulator: emulator,
    }
});

const METHODS: [&str; 35] = [
    "Publisher/CreateTopic",
    "Publisher/UpdateTopic",
    "Publisher/Publish",
    "Publisher/GetTopic",
    "Publisher/ListTopics",
    "Publisher/ListTopicSubscriptions",
    "Publisher/ListTopicSnapshots",
    "Publisher/DeleteTopic",
    "Publisher/DetachSubscription",
    "Subscriber/CreateSubscription",
    "Subscriber/GetSubscription",
    "Subscriber/UpdateSubscription",
    "Subscriber/ListSubscriptions",
    "Subscriber/DeleteSubscription",
    "Subscriber/ModifyAckDeadline",
    "Subscriber/Acknowledge",
    "Subscriber/ModifyPushConfig",
    "Subscriber/GetSnapshot",
    "Subscriber/ListSnapshots",
    "Subscriber/CreateSnapshot",
    "Subscriber/UpdateSnapshot",
    "Subscriber/DeleteSnapshot",
    "Subscriber/Seek",
    "SchemaService/CreateSchema",
    "SchemaService/GetSchema",
    "SchemaService/ListSchemas",
    "SchemaService/ListSchemaRevisions",
    "SchemaService/CommitSchema",
    "SchemaService/RollbackSchema",
    "SchemaService/DeleteSchemaRevision",
    "SchemaService/DeleteSchema",
    "SchemaService/ValidateSchema",
    "IAMPolicy/SetIamPolicy",
    "IAMPolicy/GetIamPolicy",
    "IAMPolicy/TestIamPermissions",
];

fn path(method: &str) -> String {
    let package = if method.starts_with("IAM") {
        "google.iam.v1"
    } else {
        "google.pubsub.v1"
    };
    format!("/{package}.{method}")
}

/// Few names, so that cases meet: what one makes another deletes.
fn name(kind: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[ab]{3}".prop_map(move |id| format!("projects/p/{kind}/{id}")),
        1 => "\\PC{0,20}",
        1 => Just("_deleted-topic_".to_owned()),
    ]
}

fn duration() -> impl Strategy<Value = Option<prost_types::Duration>> {
    let seconds = prop_oneof![any::<i64>(), 0..3_000_000_i64];
    let nanos = prop_oneof![any::<i32>(), Just(0)];
    proptest::option::of(
        (seconds, nanos).prop_map(|(seconds, nanos)| prost_types::Duration { seconds, nanos }),
    )
}

fn map() -> impl Strategy<Value = std::collections::HashMap<String, String>> {
    prop::collection::hash_map("[a-z]{0,3}|\\PC{0,4}", "\\PC{0,4}", 0..4)
}

fn subscription() -> impl Strategy<Value = pb::Subscription> {
    let filter = prop_oneof![
        Just(String::new()),
        Just("attributes:k".to_owned()),
        "\\PC{0,40}",
        "[(-]{0,300}"
    ];
    let policies = (
        proptest::option::of((name("topics"), any::<i32>())),
        proptest::option::of((duration(), duration())),
        proptest::option::of(duration()),
    );
    let fields = (
        name("subscriptions"),
        name("topics"),
        filter,
        any::<i32>(),
        duration(),
        map(),
    );
    (fields, policies, any::<[bool; 3]>()).prop_map(|(fields, policies, flags)| {
        let (name, topic, filter, ack_deadline_seconds, retention, labels) = fields;
        let (dead, retry, expiration) = policies;
        pb::Subscription {
            name,
            topic,
            filter,
            ack_deadline_seconds: if ack_deadline_seconds % 2 == 0 {
                10
            } else {
                ack_deadline_seconds
            },
            message_retention_duration: retention,
            labels,
            dead_letter_policy: dead.map(
                |(dead_letter_topic, max_delivery_attempts)| pb::DeadLetterPolicy {
                    dead_letter_topic,
                    max_delivery_attempts,
                },
            ),
            retry_policy: retry.map(|(minimum_backoff, maximum_backoff)| pb::RetryPolicy {
                minimum_backoff,
                maximum_backoff,
            }),
            expiration_policy: expiration.map(|ttl| pb::ExpirationPolicy { ttl }),
            enable_message_ordering: flags[0],
            enable_exactly_once_delivery: flags[1],
            retain_acked_messages: flags[2],
            ..pb::Subscription::default()
        }
    })
}

fn message() -> impl Strategy<Value = pb::PubsubMessage> {
    (prop::collection::vec(any::<u8>(), 0..20), map(), "[ab]{0,1}").prop_map(
        |(data, attributes, ordering_key)| pb::PubsubMessage {
            data: data.into(),
            attributes,
            ordering_key,
            ..pb::PubsubMessage::default()
        },
    )
}

fn mask() -> impl Strategy<Value = Option<prost_types::FieldMask>> {
    let path = prop_oneof![
        Just("labels".to_owned()),
        Just("retry_policy.minimum_backoff".to_owned()),
        Just("dead_letter_policy".to_owned()),
        Just("expiration_policy.ttl".to_owned()),
        Just("message_retention_duration".to_owned()),
        "[a-z_.]{0,12}"
    ];
    proptest::option::of(prop::collection::vec(path, 0..3).prop_map(|paths| prost_types::FieldMask { paths }))
}

fn topic() -> impl Strategy<Value = pb::Topic> {
    (name("topics"), map(), duration()).prop_map(|(name, labels, retention)| pb::Topic {
        name,
        labels,
        message_retention_duration: retention,
        ..pb::Topic::default()
    })
}

/// A method and a request that may well be right.
fn request() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let seek = prop_oneof![
        (any::<i64>(), any::<i32>()).prop_map(|(seconds, nanos)| {
            pb::seek_request::Target::Time(prost_types::Timestamp { seconds, nanos })
        }),
        name("snapshots").prop_map(pb::seek_request::Target::Snapshot),
    ];
    prop_oneof![
        4 => topic().prop_map(|t| ("Publisher/CreateTopic", t.encode_to_vec())),
        1 => (topic(), mask()).prop_map(|(topic, update_mask)| {
            ("Publisher/UpdateTopic", pb::UpdateTopicRequest { topic: Some(topic), update_mask }.encode_to_vec())
        }),
        4 => subscription().prop_map(|s| ("Subscriber/CreateSubscription", s.encode_to_vec())),
        2 => (subscription(), mask()).prop_map(|(s, update_mask)| {
            let request = pb::UpdateSubscriptionRequest { subscription: Some(s), update_mask };
            ("Subscriber/UpdateSubscription", request.encode_to_vec())
        }),
        4 => (name("topics"), prop::collection::vec(message(), 0..5)).prop_map(|(topic, messages)| {
            ("Publisher/Publish", pb::PublishRequest { topic, messages }.encode_to_vec())
        }),
        2 => (name("subscriptions"), proptest::option::of(seek)).prop_map(|(subscription, target)| {
            ("Subscriber/Seek", pb::SeekRequest { subscription, target }.encode_to_vec())
        }),
        1 => (name("snapshots"), name("subscriptions"), map()).prop_map(|(name, subscription, labels)| {
            let request = pb::CreateSnapshotRequest { name, subscription, labels, ..Default::default() };
            ("Subscriber/CreateSnapshot", request.encode_to_vec())
        }),
        1 => (name("subscriptions"), prop::collection::vec("E[0-9a-f]{24}|\\PC{0,30}", 0..4), any::<i32>()).prop_map(
            |(subscription, ack_ids, ack_deadline_seconds)| {
                let request = pb::ModifyAckDeadlineRequest { subscription, ack_ids, ack_deadline_seconds };
                ("Subscriber/ModifyAckDeadline", request.encode_to_vec())
            }
        ),
        1 => (any::<i32>(), "\\PC{0,8}").prop_map(|(page_size, page_token)| {
            let request = pb::ListTopicsRequest { project: "projects/p".to_owned(), page_size, page_token };
            ("Publisher/ListTopics", request.encode_to_vec())
        }),
        1 => (name("topics"), "roles/[a-z.]{0,8}|\\PC{0,8}", "user:[a-z]{0,3}|\\PC{0,8}").prop_map(|(resource, role, member)| {
            let binding = iam_pb::Binding { role, members: vec![member], condition: None };
            let policy = iam_pb::Policy { bindings: vec![binding], ..Default::default() };
            let request = iam_pb::SetIamPolicyRequest { resource, policy: Some(policy), update_mask: None };
            ("IAMPolicy/SetIamPolicy", request.encode_to_vec())
        }),
    ]
}

/// What a request becomes on its way through a careless hand.
fn broken() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (
        request(),
        proptest::option::of(prop::sample::select(METHODS.to_vec())),
        flips,
        any::<prop::sample::Index>(),
        any::<bool>(),
    )
        .prop_map(|((method, mut bytes), other, flips, cut, short)| {
            if !bytes.is_empty() {
                for (at, byte) in flips {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
                if short {
                    bytes.truncate(cut.index(bytes.len()));
                }
            }
            (other.unwrap_or(method), bytes)
        })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9a-zé=.,_:/-]{0,12}s?".prop_map(Value::from),
        name("topics").prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "name",
        "topic",
        "labels",
        "messages",
        "data",
        "attributes",
        "filter",
        "pushConfig",
        "updateMask",
        "subscription",
        "policy",
        "bindings",
        "role",
        "members",
        "ackIds",
        "maxMessages",
        "time",
        "snapshot",
        "ttl",
        "expirationPolicy",
        "schema",
        "definition",
        "x",
    ]);
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..5)
                .prop_map(|entries| entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

fn url() -> impl Strategy<Value = String> {
    let resource = prop_oneof![
        name("topics"),
        name("subscriptions"),
        name("snapshots"),
        name("schemas")
    ];
    let action = prop::sample::select(vec![
        "",
        ":publish",
        ":seek",
        ":acknowledge",
        ":modifyAckDeadline",
        ":modifyPushConfig",
        ":detach",
        ":setIamPolicy",
        ":getIamPolicy",
        ":testIamPermissions",
        "/subscriptions",
        "/snapshots",
        ":commit",
        ":x",
    ]);
    let query = "(\\?[a-zA-Z]{0,9}=[a-zA-Z0-9%=]{0,9})?(&pageSize=-?[0-9]{0,20})?";
    prop_oneof![
        6 => (resource, action, query).prop_map(|(resource, action, query)| format!("/v1/{resource}{action}{query}")),
        1 => "/v1/projects/p/(topics|subscriptions|snapshots|schemas)(\\?pageToken=[a-zA-Z0-9%=]{0,9})?",
        1 => "/v3/projects/p/timeSeries\\?filter=[a-zA-Z0-9%=\".() ]{0,40}&interval.endTime=[0-9TZ:-]{0,20}",
        1 => "/emulator/v1/(calls|faults|settings|streams:break|policies/projects/p)",
        1 => "/[a-z0-9/:%?=&]{0,30}",
        1 => Just("/v1/token".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_request_or_refused((method, bytes) in broken()) {
        let bench = &*BENCH;
        let answer = bench.runtime.block_on(bench.connection.unary(&path(method), bytes, None));
        if let Err(status) = answer {
            let lost = matches!(status.code(), tonic::Code::Unknown | tonic::Code::Cancelled | tonic::Code::DeadlineExceeded);
            prop_assert!(!lost, "{method}: {status}");
        }
        prop_assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn any_sequence_of_requests_is_answered(requests in prop::collection::vec(request(), 1..12)) {
        let bench = &*BENCH;
        for (method, bytes) in requests {
            let answer = bench.runtime.block_on(bench.connection.unary(&path(method), bytes, None));
            if let Err(status) = answer {
                prop_assert!(status.code() != tonic::Code::Internal && status.code() != tonic::Code::Unknown, "{method}: {status}");
            }
        }
        prop_assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn any_json_is_a_request_or_refused(
        url in url(),
        verb in prop::sample::select(vec!["GET", "PUT", "POST", "PATCH", "DELETE"]),
        body in prop_oneof![json_value().prop_map(|v| v.to_string()), "\\PC{0,40}"],
    ) {
        let bench = &*BENCH;
        let Ok(url) = reqwest::Url::parse(&format!("{}{url}", bench.endpoint)) else {
            return Ok(());
        };
        let request = bench
            .client
            .request(verb.parse().unwrap(), url)
            .header("content-type", "application/json")
            .body(body);
        let answer = bench.runtime.block_on(async { request.send().await?.bytes().await });
        prop_assert!(answer.is_ok(), "{answer:?}");
        prop_assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    }
}

/// Peak resident memory of a process, in bytes.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() * 1024
}

/// A message of `count` empty entries in one of its fields.
fn empties(tag: u8, count: usize) -> Vec<u8> {
    [tag << 3 | 2, 0].repeat(count)
}

fn in_field(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2];
    prost::encoding::encode_varint(inner.len() as u64, &mut out);
    out.extend_from_slice(inner);
    out
}

/// Requests made to be large in memory: each is refused, and costs what its bytes cost.
#[tokio::test]
async fn hostile_requests_cost_no_more_than_their_bytes() {
    const MB: usize = 1_000_000;
    /// Some copies of the largest request in its buffers, and the process itself.
    const BOUND: u64 = 160 * MB as u64;
    let process = Process::start(&[]);
    let connection = Connection::open(&process.address).await;
    let attributes: Vec<u8> = (0..1_000_000_u32)
        .flat_map(|n| {
            let mut entry = in_field(1, &n.to_be_bytes().map(|b| b'a' + b % 26));
            entry = in_field(2, &entry);
            entry
        })
        .take(9 * MB)
        .collect();
    let hostile = [
        ("Publisher/Publish", empties(2, 5 * MB)),
        ("Publisher/Publish", in_field(2, &empties(2, 5 * MB - 10))),
        ("Publisher/Publish", in_field(2, &attributes)),
        ("Publisher/Publish", vec![0x12; 30 * MB]),
        ("Subscriber/Acknowledge", empties(2, 5 * MB)),
        ("Subscriber/Acknowledge", empties(2, 260_000)),
        ("IAMPolicy/SetIamPolicy", in_field(2, &empties(4, 5 * MB))),
        ("IAMPolicy/SetIamPolicy", in_field(2, &empties(4, MB / 2))),
        ("Publisher/UpdateTopic", in_field(1, &empties(13, MB / 2))),
        (
            "Subscriber/CreateSubscription",
            pb::Subscription {
                name: "projects/p/subscriptions/sub".to_owned(),
                topic: "projects/p/topics/events".to_owned(),
                filter: "(".repeat(MB / 2),
                ..pb::Subscription::default()
            }
            .encode_to_vec(),
        ),
    ];
    for (method, bytes) in hostile {
        let answer = connection.unary(&path(method), bytes, None).await;
        assert!(answer.is_err(), "{method} was taken");
    }
    let client = reqwest::Client::new();
    let texts = [
        "[".repeat(13 * MB),
        format!("{{\"messages\": [{}]}}", "0,".repeat(6 * MB)),
        format!("{{\"messages\": [{}{{}}]}}", "{},".repeat(4 * MB)),
        "{\"a\":".repeat(2 * MB),
        format!("{{\"messages\": [{{\"data\": \"{}\"}}]}}", "A".repeat(20 * MB)),
        json!({"messages": [{"attributes": (0..190_000).map(|n| (n.to_string(), json!(""))).collect::<serde_json::Map<_, _>>()}]}).to_string(),
    ];
    for text in texts {
        let url = format!("{}/v1/projects/p/topics/events:publish", process.endpoint());
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .body(text);
        // A body that is too large may be refused before it was sent.
        if let Ok(response) = request.send().await {
            assert!(!response.status().is_success());
        }
    }
    let used = peak(&process);
    assert!(used < BOUND, "{} MB at the most", used / MB as u64);
    let health = reqwest::get(format!("{}/healthz", process.endpoint()))
        .await
        .unwrap();
    assert!(health.status().is_success(), "it still serves");
}
