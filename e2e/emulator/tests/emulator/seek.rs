//! What counts as acknowledged, put back: seek, snapshots, retention, detach.

use crate::support::{Bench, eventually, subscription, topic};
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::model::{Topic, seek_request::Target};
use google_cloud_wkt::{Duration as Wkt, Timestamp};
use pubsub_emulator::Fault;
use std::time::SystemTime;

impl Bench {
    fn backlog(&self, id: &str) -> usize {
        self.emulator.stats(&subscription(id)).unwrap().backlog
    }

    async fn seek(&self, id: &str, target: Target) -> Result<(), Code> {
        let seek = self
            .subscriptions
            .seek()
            .set_subscription(subscription(id))
            .set_target(Some(target));
        seek.send()
            .await
            .map(drop)
            .map_err(|error| error.status().unwrap().code)
    }

    async fn seek_to_time(&self, id: &str, at: SystemTime) {
        let at = Timestamp::try_from(at).unwrap();
        self.seek(id, Target::Time(Box::new(at))).await.unwrap();
    }

    async fn ack_all(&self, id: &str) {
        let mut stream = self.subscriber().await.subscribe(subscription(id)).build();
        for _ in 0..self.backlog(id) {
            stream.next().await.unwrap().unwrap().1.ack();
        }
        self.backlog_is(id, 0).await;
        // A message published while the server has not noticed yet would be leased to this stream.
        drop(stream);
        let alone = || {
            self.emulator
                .stats(&subscription(id))
                .is_ok_and(|stats| stats.pullers == 0)
        };
        eventually("the end of the stream", alone).await;
    }
}

fn snapshot(id: &str) -> String {
    format!("projects/living-twin/snapshots/{id}")
}

async fn retained_topic(bench: &Bench) {
    let request = Topic::new()
        .set_name(topic("events"))
        .set_message_retention_duration(Wkt::clamp(3600, 0));
    bench
        .topics
        .create_topic()
        .with_request(request)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_seek_to_the_future_drops_the_backlog_and_one_to_the_past_brings_back_what_is_retained() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench
        .create("keeps", "events", |s| s.set_retain_acked_messages(true))
        .await;
    bench.create("drops", "events", |s| s).await;
    let before = SystemTime::now();
    for id in ["1", "2"] {
        bench.publish("events", id, &[]);
    }
    for id in ["keeps", "drops"] {
        bench.ack_all(id).await;
        bench.seek_to_time(id, before).await;
    }
    assert_eq!((bench.backlog("keeps"), bench.backlog("drops")), (2, 0));
    bench
        .seek_to_time("keeps", SystemTime::now() + std::time::Duration::from_secs(60))
        .await;
    assert_eq!(bench.backlog("keeps"), 0);
}

#[tokio::test]
async fn a_retaining_topic_gives_a_new_subscription_its_past_through_the_filter() {
    let bench = Bench::start().await;
    retained_topic(&bench).await;
    let before = SystemTime::now();
    bench.publish("events", "1", &[("tenant_id", "a")]);
    bench.publish("events", "2", &[("tenant_id", "b")]);
    let made = bench
        .create("late", "events", |s| {
            s.set_filter(r#"attributes.tenant_id = "a""#)
        })
        .await;
    assert_eq!(
        made.topic_message_retention_duration.map(|d| d.seconds()),
        Some(3600)
    );
    assert_eq!(bench.backlog("late"), 0, "only what is published from now on");
    bench.seek_to_time("late", before).await;
    assert_eq!(bench.backlog("late"), 1);
}

#[tokio::test]
async fn a_snapshot_keeps_what_was_unacked_and_what_came_after() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench.create_topic("other").await;
    bench.create("sub", "events", |s| s).await;
    bench.create("stranger", "other", |s| s).await;
    bench.publish("events", "acked before", &[]);
    bench.ack_all("sub").await;
    bench.publish("events", "unacked", &[]);
    let create = || {
        bench
            .subscriptions
            .create_snapshot()
            .set_name(snapshot("snap"))
            .set_subscription(subscription("sub"))
    };
    let made = create().send().await.unwrap();
    assert_eq!((made.topic, made.expire_time.is_some()), (topic("events"), true));
    assert_eq!(
        create().send().await.unwrap_err().status().unwrap().code,
        Code::AlreadyExists
    );
    bench.publish("events", "after", &[]);
    bench.ack_all("sub").await;
    bench
        .seek("sub", Target::Snapshot(snapshot("snap")))
        .await
        .unwrap();
    assert_eq!(bench.backlog("sub"), 2);
    assert_eq!(
        bench.seek("stranger", Target::Snapshot(snapshot("snap"))).await,
        Err(Code::FailedPrecondition)
    );

    let listed = bench
        .subscriptions
        .list_snapshots()
        .set_project("projects/living-twin")
        .send()
        .await
        .unwrap();
    assert_eq!(listed.snapshots.len(), 1);
    let of_topic = bench
        .topics
        .list_topic_snapshots()
        .set_topic(topic("events"))
        .send()
        .await
        .unwrap();
    assert_eq!(of_topic.snapshots, [snapshot("snap")]);
    bench
        .subscriptions
        .delete_snapshot()
        .set_snapshot(snapshot("snap"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        bench.seek("sub", Target::Snapshot(snapshot("snap"))).await,
        Err(Code::NotFound)
    );
}

/// What a filter dropped counts as acknowledged: a wider filter does not bring it back by snapshot.
#[tokio::test]
async fn a_snapshot_of_a_filtered_subscription_lacks_what_the_filter_dropped() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench
        .create("narrow", "events", |s| s.set_filter("attributes:a"))
        .await;
    bench.publish("events", "1", &[("a", "")]);
    bench.publish("events", "2", &[("b", "")]);
    let create = bench.subscriptions.create_snapshot().set_name(snapshot("snap"));
    create
        .set_subscription(subscription("narrow"))
        .send()
        .await
        .unwrap();
    bench.publish("events", "3", &[("b", "")]);
    bench.create("wide", "events", |s| s).await;
    bench
        .seek("wide", Target::Snapshot(snapshot("snap")))
        .await
        .unwrap();
    assert_eq!(
        bench.backlog("wide"),
        2,
        "the first, and what came after the snapshot"
    );
}

#[tokio::test]
async fn a_detached_subscription_has_lost_everything_but_its_name() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench.create("sub", "events", |s| s).await;
    bench.publish("events", "1", &[]);
    bench
        .topics
        .detach_subscription()
        .set_subscription(subscription("sub"))
        .send()
        .await
        .unwrap();
    let after = bench
        .subscriptions
        .get_subscription()
        .set_subscription(subscription("sub"))
        .send()
        .await
        .unwrap();
    assert!(after.detached);
    bench.publish("events", "2", &[]);
    assert_eq!(bench.backlog("sub"), 0);
    let error = bench
        .subscriber()
        .await
        .subscribe(subscription("sub"))
        .build()
        .next()
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.status().unwrap().code, Code::FailedPrecondition);
    let attached = bench
        .topics
        .list_topic_subscriptions()
        .set_topic(topic("events"))
        .send()
        .await
        .unwrap();
    assert!(attached.subscriptions.is_empty());
}

#[tokio::test]
async fn a_create_whose_reply_is_lost_has_happened() {
    let bench = Bench::start().await;
    bench
        .emulator
        .add_fault(Fault::lose_reply("Publisher.CreateTopic", 1));
    // The client retries a PUT by itself, and finds what its first attempt made.
    let error = bench
        .topics
        .create_topic()
        .set_name(topic("events"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.status().unwrap().code, Code::AlreadyExists);
    let codes: Vec<_> = bench
        .emulator
        .calls()
        .iter()
        .map(|c| (c.code.map(pubsub_emulator::Code::name), c.fault))
        .collect();
    assert_eq!(
        codes,
        [(Some("UNAVAILABLE"), true), (Some("ALREADY_EXISTS"), false)]
    );
}
