//! Two consumers of one tenant, versions of a handler, and releases of the worker on one Redis: each handles what is its own,
//! once.

use std::time::Duration;

use crate::{
    redis_store::{claim, claimed, event},
    support::{
        binary::{quiet, terminate},
        cloud::Cloud,
        redis::{LONG, Redis},
        service::{ANY, Service},
        until,
    },
};
use axum::http::StatusCode;
use event_worker::once::{
    Claim, End, IdempotencyStore, Memory, Noted, RedisStore, Token, redis::RedisSettings,
};
use events::TenantId;
use serde_json::json;

fn consumer(redis: &Redis, name: &str) -> RedisStore {
    let settings = RedisSettings::parse(&redis.url()).unwrap();
    let tenant = TenantId::parse("tenant-123").unwrap();
    RedisStore::new(settings, &tenant, name.parse().unwrap(), Memory::default())
}

#[tokio::test]
async fn two_consumers_of_one_tenant_each_handle_every_event() {
    let cloud = Cloud::start().await;
    let [first, second] = [
        cloud.plane("first", json!({})).await,
        cloud.plane("second", json!({})).await,
    ];
    let redis = Redis::start().await;
    let published = crate::support::cloud::event("tenant-123");
    for (plane, name) in [(&first, "index"), (&second, "billing")] {
        let service = Service::start(ANY, |_| (StatusCode::OK, Duration::ZERO)).await;
        plane.publish_one(&published, None).await;
        let mut worker = quiet(&cloud, plane)
            .env("HANDLER", "http")
            .env("HANDLER_URL", &service.url)
            .env("IDEMPOTENCY_URL", redis.url())
            .env("CONSUMER", name)
            .spawn()
            .unwrap();
        let id = published.event_id.as_str();
        until("the consumer to handle it", || async {
            (service.times(id) == 1).then_some(())
        })
        .await;
        terminate(worker.id().unwrap()).await;
        worker.wait().await.unwrap();
    }
}

/// What the release before wrote, and what it reads.
fn old(key: &str) -> String {
    format!("event-worker:tenant-123:key:{key}")
}

#[tokio::test]
async fn an_upgrade_and_its_rollback_double_nothing() {
    let redis = Redis::start().await;
    // A worker of the release before was at work.
    for (key, value) in [
        ("event-worker:tenant-123:alive".to_owned(), "2026-01-02T03:04:05Z"),
        (old("handled"), "done 0011223344556677-1"),
        (old("running"), "claim 0011223344556677-2"),
        (old("failed"), "failed 0011223344556677-3"),
    ] {
        let _: String = redis.ask(&["SET", &key, value, "PX", "60000"]).await;
    }
    let new = consumer(&redis, "worker");
    new.check().await.unwrap();
    assert_eq!(claim(&new, "handled").await, Claim::Done);
    assert_eq!(claim(&new, "running").await, Claim::InFlight);
    // What it gave up is asked about again; what it holds no claim on any more is free.
    let token = claimed(&new, "failed", LONG).await;
    assert_eq!(
        new.extend(&event("failed"), token, LONG).await.unwrap(),
        Noted::Yes
    );
    let finished = new.finish(&event("failed"), token, End::Done).await.unwrap();
    assert_eq!(finished, Noted::Yes);
    let token = claimed(&new, "fresh", LONG).await;
    let seen: String = redis.ask(&["GET", &old("fresh")]).await;
    assert!(seen.starts_with("claim "), "{seen}");
    new.finish(&event("fresh"), token, End::Done).await.unwrap();
    let seen: String = redis.ask(&["GET", &old("fresh")]).await;
    assert!(
        seen.starts_with("done "),
        "the release before would handle it again: {seen}"
    );
    // The old key of another consumer's or type's event says nothing to this release.
    assert_eq!(claim(&consumer(&redis, "billing"), "fresh").await, Claim::Claimed);
    let mut updated = event("fresh");
    updated.event_type = "document.updated";
    let other_type = new.claim(&updated, Token::fresh(), LONG).await.unwrap();
    assert_eq!(other_type, Claim::Claimed);
    // What is given back is free for both.
    let token = claimed(&new, "returned", LONG).await;
    new.release(&event("returned"), token).await.unwrap();
    until("the old key to be free", || async {
        let there: bool = redis.ask(&["EXISTS", &old("returned")]).await;
        (!there).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_store_has_no_keys_of_the_release_before() {
    let redis = Redis::start().await;
    let [one, other] = [consumer(&redis, "worker"), consumer(&redis, "worker")];
    one.check().await.unwrap();
    other.check().await.unwrap();
    for store in [&one, &other] {
        let token = Token::fresh();
        let key = format!("key-{}", token.number());
        assert_eq!(
            store.claim(&event(&key), token, LONG).await.unwrap(),
            Claim::Claimed
        );
        store.finish(&event(&key), token, End::Done).await.unwrap();
    }
    let keys: Vec<String> = redis.ask(&["KEYS", "event-worker:tenant-123:key:*"]).await;
    assert_eq!(keys, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_forgotten_is_handled_again_and_another_payload_is_a_conflict() {
    let redis = Redis::start().await;
    let store = consumer(&redis, "worker");
    let token = claimed(&store, "a", LONG).await;
    store.finish(&event("a"), token, End::Done).await.unwrap();
    let mut other = event("a");
    let fields = serde_json::Map::from_iter([("amount".to_owned(), 9.into())]);
    other.digest = events::Digest::of(&fields.into());
    let conflict = store.claim(&other, Token::fresh(), LONG).await.unwrap();
    assert_eq!(conflict, Claim::Conflict);
    store.forget(&event("a")).await.unwrap();
    until("a free key", || async {
        (claim(&store, "a").await == Claim::Claimed).then_some(())
    })
    .await;
    // A claim is no end: it stays.
    store.forget(&event("a")).await.unwrap();
    assert_eq!(claim(&store, "a").await, Claim::InFlight);
}

/// The mark that tells an emptied store from a new one is kept for as long as a worker sees it.
#[tokio::test]
async fn a_store_that_is_watched_never_looks_emptied() {
    let redis = Redis::start().await;
    let store = consumer(&redis, "worker");
    store.check().await.unwrap();
    let alive = "event-worker:tenant-123:alive";
    let _: bool = redis.ask(&["PEXPIRE", alive, "60000"]).await;
    store.check().await.unwrap();
    let left: i64 = redis.ask(&["PTTL", alive]).await;
    assert!(left > 29 * 24 * 3_600_000, "{left}");
}
