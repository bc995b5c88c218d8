//! The store in Redis, against real servers: with and without passwords, a user limited to its tenant's keys, TLS,
//! and servers that go away. Sentinels and clusters are in `redis_topologies`.

use std::{net::Ipv4Addr, time::Duration};

use crate::support::{
    redis::{LONG, Redis, documented_rule, free_port},
    until,
};
use event_worker::once::{
    Claim, Consumer, End, IdempotencyStore, Identity, Kept, Memory, Noted, RedisStore, Token,
    redis::RedisSettings,
};
use events::{Digest, Payload, TenantId};

const DAY: Duration = Duration::from_hours(24);
const MEMORY: Memory = Memory {
    done: DAY,
    failed: DAY,
};

pub(crate) fn store_of(tenant: &str, settings: RedisSettings) -> RedisStore {
    let tenant = TenantId::parse(tenant).unwrap();
    RedisStore::new(settings, &tenant, Consumer::default(), MEMORY)
}

pub(crate) fn event(key: &str) -> Identity<'_> {
    Identity {
        event_type: "document.ingested",
        key,
        digest: Digest::of(&Payload::default()),
        message_id: "1",
        handler_version: "",
    }
}

pub(crate) fn store(url: &str) -> RedisStore {
    store_of("tenant-123", RedisSettings::parse(url).unwrap())
}

pub(crate) async fn claimed(store: &RedisStore, key: &str, expiry: Duration) -> Token {
    let token = Token::fresh();
    assert_eq!(
        store.claim(&event(key), token, expiry).await.unwrap(),
        Claim::Claimed
    );
    token
}

pub(crate) async fn claim(store: &RedisStore, key: &str) -> Claim {
    store.claim(&event(key), Token::fresh(), LONG).await.unwrap()
}

#[tokio::test]
async fn an_event_is_claimed_once_and_its_end_is_remembered_for_all_workers() {
    let redis = Redis::start().await;
    let [one, other] = [store(&redis.url()), store(&redis.url())];
    for (key, end, known) in [
        ("a", End::Done, Claim::Done),
        ("b", End::PermanentlyFailed, Claim::PermanentlyFailed),
    ] {
        let token = claimed(&one, key, LONG).await;
        assert_eq!(claim(&other, key).await, Claim::InFlight);
        assert_eq!(claim(&one, key).await, Claim::InFlight);
        assert_eq!(one.finish(&event(key), token, end).await.unwrap(), Noted::Yes);
        assert_eq!(claim(&other, key).await, known);
        let left: i64 = redis
            .ask(&[
                "PTTL",
                &format!("event-worker:tenant-123:worker:document.ingested:{key}"),
            ])
            .await;
        let left = Duration::from_millis(u64::try_from(left).unwrap());
        assert!(left <= DAY && left > Duration::from_hours(23), "{left:?}");
    }
}

#[tokio::test]
async fn a_question_whose_answer_got_lost_can_be_asked_again() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    let token = claimed(&store, "a", LONG).await;
    assert_eq!(
        store.claim(&event("a"), token, LONG).await.unwrap(),
        Claim::Claimed
    );
    for _ in 0..2 {
        assert_eq!(
            store.finish(&event("a"), token, End::Done).await.unwrap(),
            Noted::Yes
        );
    }
}

#[tokio::test]
async fn a_released_claim_is_free_at_once() {
    let redis = Redis::start().await;
    let [one, other] = [store(&redis.url()), store(&redis.url())];
    let token = claimed(&one, "a", LONG).await;
    one.release(&event("a"), token).await.unwrap();
    until("a free claim", || async {
        (claim(&other, "a").await == Claim::Claimed).then_some(())
    })
    .await;
    // Somebody else's claim is not ours to give back.
    one.release(&event("a"), token).await.unwrap();
    assert_eq!(claim(&one, "a").await, Claim::InFlight);
}

/// What a worker does that stood still (a paused machine, a swapped process) while its claim ran out.
#[tokio::test]
async fn a_lost_lease_s_late_result_overwrites_nothing() {
    let redis = Redis::start().await;
    let [stalled, quick] = [store(&redis.url()), store(&redis.url())];
    let late = claimed(&stalled, "a", Duration::from_millis(20)).await;
    let token = Token::fresh();
    until("the claim to expire", || async {
        let claim = quick.claim(&event("a"), token, LONG).await.unwrap();
        (claim == Claim::Claimed).then_some(())
    })
    .await;
    for end in [End::PermanentlyFailed, End::Done] {
        assert_eq!(
            stalled.finish(&event("a"), late, end).await.unwrap(),
            Noted::TooLate
        );
    }
    assert_eq!(
        stalled.extend(&event("a"), late, LONG).await.unwrap(),
        Noted::TooLate
    );
    stalled.release(&event("a"), late).await.unwrap();
    assert_eq!(claim(&stalled, "a").await, Claim::InFlight);
    assert_eq!(
        quick.finish(&event("a"), token, End::Done).await.unwrap(),
        Noted::Yes
    );
    assert_eq!(
        stalled
            .finish(&event("a"), late, End::PermanentlyFailed)
            .await
            .unwrap(),
        Noted::TooLate
    );
    assert_eq!(claim(&stalled, "a").await, Claim::Done);
}

#[tokio::test]
async fn a_claim_is_kept_up_and_an_expired_one_that_nobody_took_still_counts() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    let token = claimed(&store, "a", Duration::from_millis(20)).await;
    assert_eq!(store.extend(&event("a"), token, LONG).await.unwrap(), Noted::Yes);
    assert_eq!(claim(&store, "a").await, Claim::InFlight);
    let token = claimed(&store, "b", Duration::from_millis(20)).await;
    until("the claim to expire", || async {
        let there: bool = redis
            .ask(&["EXISTS", "event-worker:tenant-123:worker:document.ingested:b"])
            .await;
        (!there).then_some(())
    })
    .await;
    assert_eq!(
        store.finish(&event("b"), token, End::Done).await.unwrap(),
        Noted::Yes
    );
    assert_eq!(claim(&store, "b").await, Claim::Done);
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let redis = Redis::start().await;
    let settings = || RedisSettings::parse(&redis.url()).unwrap();
    let [one, other] = ["tenant-123", "tenant-456"].map(|tenant| store_of(tenant, settings()));
    let token = claimed(&one, "a", LONG).await;
    one.finish(&event("a"), token, End::Done).await.unwrap();
    claimed(&other, "a", LONG).await;
}

/// The user that the documentation tells platforms to make.
#[tokio::test]
async fn a_user_limited_to_its_tenant_s_keys_is_enough_and_no_more() {
    let redis = Redis::start().await;
    let rule = documented_rule();
    let words: Vec<&str> = rule.split_whitespace().collect();
    let _: () = redis.ask(&words).await;
    let url = format!("redis://tenant-123:s3cret@127.0.0.1:{}", redis.port);
    let own = store(&url);
    let token = claimed(&own, "a", LONG).await;
    own.extend(&event("a"), token, LONG).await.unwrap();
    own.release(&event("a"), token).await.unwrap();
    let token = claimed(&own, "b", LONG).await;
    own.finish(&event("b"), token, End::Done).await.unwrap();
    own.check().await.unwrap();
    let other = store_of("tenant-456", RedisSettings::parse(&url).unwrap());
    let error = other
        .claim(&event("a"), Token::fresh(), LONG)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("NOPERM"), "{error}");
    let error = other
        .finish(&event("a"), token, End::Done)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("NOPERM"), "{error}");
    assert!(other.check().await.is_err());
    let keys: Vec<String> = redis.ask(&["KEYS", "*tenant-456*"]).await;
    assert!(keys.is_empty(), "{keys:?}");
}

#[tokio::test]
async fn a_rotated_password_is_taken_up() {
    let redis = Redis::start().await;
    let file = redis.dir.path().join("password");
    let set = async |password: &str| {
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let password = format!(">{password}");
        let rule = [
            "ACL", "SETUSER", "worker", "reset", "on", &password, "~*", "+@all",
        ];
        let _: () = redis.ask(&rule).await;
    };
    set("first").await;
    let mut settings = RedisSettings::parse(&redis.url()).unwrap();
    settings.username = Some("worker".to_owned());
    settings.password_file = Some(file.clone());
    let store = store_of("tenant-123", settings);
    claimed(&store, "a", LONG).await;
    set("second").await;
    let _: i64 = redis.ask(&["CLIENT", "KILL", "USER", "worker"]).await;
    until("a new connection", || async { store.check().await.ok() }).await;
    std::fs::write(&file, "not-the-one").unwrap();
    let _: i64 = redis.ask(&["CLIENT", "KILL", "USER", "worker"]).await;
    until("a refusal", || async {
        let why = store.check().await.err()?.to_string();
        // The first answer on a connection that was cut says that it was.
        why.contains("refuses the user or the password").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_goes_away_is_an_error_until_it_is_back() {
    let mut redis = Redis::start().await;
    let store = store(&redis.url());
    let token = claimed(&store, "a", LONG).await;
    redis.kill();
    let error = until("an error", || async {
        store.claim(&event("b"), Token::fresh(), LONG).await.err()
    });
    assert!(error.await.to_string().contains("not reachable"));
    redis.restart().await;
    until("recovery", || async { store.check().await.ok() }).await;
    // It had written down what it was told.
    assert_eq!(claim(&store, "a").await, Claim::InFlight);
    assert_eq!(
        store.finish(&event("a"), token, End::Done).await.unwrap(),
        Noted::Yes
    );
}

#[tokio::test]
async fn an_emptied_store_is_noticed_once() {
    let redis = Redis::start().await;
    let store = store(&redis.url());
    assert_eq!(store.check().await.unwrap(), Kept::Yes);
    assert_eq!(store.check().await.unwrap(), Kept::Yes);
    let _: () = redis.ask(&["FLUSHALL"]).await;
    assert_eq!(store.check().await.unwrap(), Kept::Lost);
    assert_eq!(store.check().await.unwrap(), Kept::Yes);
}

#[tokio::test]
async fn speaks_tls_with_an_authority_and_an_identity_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let authority = crate::support::tls::Authority::new();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let ca = file("ca.pem", &authority.pem());
    let server = authority.issue(&["localhost"], &[Ipv4Addr::LOCALHOST.into()]);
    let worker = authority.issue(&["worker"], &[]);
    let [server_cert, server_key] = [
        file("server.pem", &server.certificate),
        file("server.key", &server.key),
    ];
    let identity = (
        file("worker.pem", &worker.certificate),
        file("worker.key", &worker.key),
    );
    let port = free_port();
    let settings = [
        "--tls-port".to_owned(),
        port.to_string(),
        "--tls-cert-file".to_owned(),
        server_cert.display().to_string(),
        "--tls-key-file".to_owned(),
        server_key.display().to_string(),
        "--tls-ca-cert-file".to_owned(),
        ca.display().to_string(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let redis = Redis::cold(port, &settings).started().await;
    let url = format!("rediss://127.0.0.1:{}", redis.port);
    let store = |ca_file, identity_files| {
        let mut settings = RedisSettings::parse(&url).unwrap();
        settings.ca_file = ca_file;
        settings.identity_files = identity_files;
        store_of("tenant-123", settings)
    };
    let trusted = store(Some(ca.clone()), Some(identity.clone()));
    claimed(&trusted, "a", LONG).await;
    let stranger = crate::support::tls::Authority::new();
    let other_ca = file("other.pem", &stranger.pem());
    for (what, store) in [
        ("the system's authorities", store(None, Some(identity.clone()))),
        ("another authority", store(Some(other_ca), Some(identity))),
        ("no identity", store(Some(ca), None)),
    ] {
        assert!(store.check().await.is_err(), "{what}");
    }
}
