//! The store in a Redis of several servers: behind Sentinels, with all the ways to protect those, and in a Redis Cluster.

use std::path::PathBuf;

use crate::{
    redis_store::{claim, claimed, event, store, store_of},
    support::{
        redis::{LONG, Redis, documented_rule},
        redis_cluster::Cluster,
        until,
    },
};
use event_worker::once::{Claim, End, IdempotencyStore, Kept, Token, redis::RedisSettings};

#[tokio::test]
async fn sentinels_lead_to_the_server_that_may_be_written_to() {
    let mut first = Redis::start().await;
    let port = first.port.to_string();
    let second = Redis::with(&["--replicaof", "127.0.0.1", &port]).await;
    let sentinel = Redis::sentinel(first.port, &[]).await;
    let url = format!("redis-sentinel://127.0.0.1:1,127.0.0.1:{}/main", sentinel.port);
    let store = store(&url);
    until("the first server", || async { store.check().await.ok() }).await;
    let token = claimed(&store, "a", LONG).await;
    store.finish(&event("a"), token, End::Done).await.unwrap();
    // WAIT knows only its own connection's writes, so what is waited for is the value itself.
    until("the replica to have it", || async {
        let there: bool = second
            .ask(&["EXISTS", "event-worker:tenant-123:worker:document.ingested:a"])
            .await;
        there.then_some(())
    })
    .await;
    // The Sentinel must know of the second before it can make it the first.
    until("the Sentinel to know the replica", || async {
        let replicas: Vec<redis::Value> = sentinel.ask(&["SENTINEL", "replicas", "main"]).await;
        (!replicas.is_empty()).then_some(())
    })
    .await;
    first.kill();
    until("the failover", || async { store.check().await.ok() }).await;
    assert_eq!(claim(&store, "a").await, Claim::Done);
    let role: Vec<redis::Value> = second.ask(&["ROLE"]).await;
    assert_eq!(role.first(), Some(&redis::Value::BulkString(b"master".to_vec())));
}

/// Logs in as these settings say; the reason when it is refused.
async fn logs_in(url: &str, change: impl FnOnce(&mut RedisSettings)) -> Result<(), String> {
    let mut settings = RedisSettings::parse(url).unwrap();
    change(&mut settings);
    let store = store_of("tenant-123", settings);
    // A Sentinel that has just started has not looked at its server yet.
    until("an answer", || async {
        match store.check().await.map_err(|error| error.to_string()) {
            Ok(_) => Some(Ok(())),
            Err(why) => why.contains("refuses").then_some(Err(why)),
        }
    })
    .await
}

#[tokio::test]
async fn sentinels_are_logged_in_to_however_they_are_protected() {
    let redis = Redis::with(&["--requirepass", "s3cret"]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = |content: &str| {
        let path: PathBuf = dir.path().join(content);
        std::fs::write(&path, format!("{content}\n")).unwrap();
        Some(path)
    };
    let knows = "sentinel auth-pass main s3cret";
    let [open, same, own] = [
        &[knows][..],
        &[knows, "requirepass s3cret"],
        &[knows, "requirepass sentinels-own"],
    ];
    let open = Redis::sentinel(redis.port, open).await;
    let same = Redis::sentinel(redis.port, same).await;
    let own = Redis::sentinel(redis.port, own).await;
    let url =
        |sentinel: &Redis, login: &str| format!("redis-sentinel://{login}127.0.0.1:{}/main", sentinel.port);
    for sentinel in [&open, &same] {
        logs_in(&url(sentinel, ":s3cret@"), |_| ()).await.unwrap();
        // The default user by its name, whom a Sentinel with `requirepass` has too.
        logs_in(&url(sentinel, "default:s3cret@"), |_| ()).await.unwrap();
        let with_file = |settings: &mut RedisSettings| settings.password_file = file("s3cret");
        logs_in(&url(sentinel, ""), with_file).await.unwrap();
        let wrong = logs_in(&url(sentinel, ":wr0ng@"), |_| ()).await.unwrap_err();
        assert!(wrong.contains("refuses the user or the password"), "{wrong}");
        assert!(!wrong.contains("wr0ng"), "{wrong}");
    }
    // A Sentinel with a password of its own, and one whose users are its own.
    let refused = logs_in(&url(&own, ":s3cret@"), |_| ()).await.unwrap_err();
    assert!(refused.contains("refuses the user or the password"), "{refused}");
    let with_own = |settings: &mut RedisSettings| settings.sentinel_password_file = file("sentinels-own");
    logs_in(&url(&own, ":s3cret@"), with_own).await.unwrap();
    let with_user = |settings: &mut RedisSettings| {
        settings.sentinel_username = Some("default".to_owned());
        settings.sentinel_password_file = file("sentinels-own");
    };
    logs_in(&url(&own, ":s3cret@"), with_user).await.unwrap();
    // A tenant's user, whom Sentinels do not know, with and without a password for them.
    let administrator = format!("redis://:s3cret@127.0.0.1:{}", redis.port);
    let mut connection = crate::support::redis::connect(administrator).await;
    let rule = documented_rule();
    let (name, arguments) = rule.split_once(' ').unwrap();
    let mut command = redis::cmd(name);
    command.arg(arguments.split(' ').collect::<Vec<_>>());
    command.query_async::<()>(&mut connection).await.unwrap();
    for sentinel in [&open, &same] {
        logs_in(&url(sentinel, "tenant-123:s3cret@"), |_| ())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_cluster_keeps_keys_through_the_loss_of_a_node() {
    let mut cluster = Cluster::start(3, 1).await;
    let url = format!("redis-cluster://{}", cluster.nodes(&[0, 1]));
    let store = store(&url);
    assert_eq!(store.check().await.unwrap(), Kept::Yes);
    let keys: Vec<String> = (0..24).map(|n| format!("key-{n}")).collect();
    for key in &keys {
        let token = claimed(&store, key, LONG).await;
        store.extend(&event(key), token, LONG).await.unwrap();
        assert_eq!(claim(&store, key).await, Claim::InFlight);
        store.finish(&event(key), token, End::Done).await.unwrap();
    }
    let released = claimed(&store, "released", LONG).await;
    store.release(&event("released"), released).await.unwrap();
    cluster
        .replicated(
            &keys
                .iter()
                .map(|key| format!("event-worker:tenant-123:worker:document.ingested:{key}"))
                .collect::<Vec<_>>(),
        )
        .await;
    cluster.kill(0);
    for key in &keys {
        until("the failover", || async {
            let claimed = store.claim(&event(key), Token::fresh(), LONG).await.ok()?;
            assert_eq!(claimed, Claim::Done, "{key}");
            Some(())
        })
        .await;
    }
    // One that connects now, by way of the node that is left of those it knows.
    let late = crate::redis_store::store(&url);
    until("the others", || async { late.check().await.ok() }).await;
    assert_eq!(claim(&late, &keys[0]).await, Claim::Done);
}

#[tokio::test]
async fn a_user_limited_to_its_tenant_s_keys_is_enough_in_a_cluster() {
    let cluster = Cluster::start(3, 0).await;
    let rule = documented_rule();
    cluster
        .on_each(&rule.split_whitespace().collect::<Vec<_>>())
        .await;
    let own = store(&format!(
        "redis-cluster://tenant-123:s3cret@{}",
        cluster.nodes(&[1])
    ));
    assert_eq!(own.check().await.unwrap(), Kept::Yes);
    for n in 0..12 {
        let key = format!("key-{n}");
        let token = claimed(&own, &key, LONG).await;
        own.extend(&event(&key), token, LONG).await.unwrap();
        own.finish(&event(&key), token, End::Done).await.unwrap();
        assert_eq!(claim(&own, &key).await, Claim::Done);
    }
    let url = format!("redis-cluster://tenant-123:s3cret@{}", cluster.nodes(&[1]));
    let other = store_of("tenant-456", RedisSettings::parse(&url).unwrap());
    let refused = other
        .claim(&event("a"), Token::fresh(), LONG)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("NOPERM"), "{refused}");
    let wrong = logs_in(&url.replace("s3cret", "wr0ng"), |_| ())
        .await
        .unwrap_err();
    assert!(wrong.contains("refuses the user or the password"), "{wrong}");
}

#[tokio::test]
async fn a_cluster_that_speaks_tls_is_reached_on_every_node() {
    let dir = tempfile::tempdir().unwrap();
    let authority = crate::support::tls::Authority::new();
    let identity = authority.issue(&["localhost"], &[std::net::Ipv4Addr::LOCALHOST.into()]);
    let [ca, certificate, key] = [
        ("ca.pem", &authority.pem()),
        ("tls.pem", &identity.certificate),
        ("tls.key", &identity.key),
    ]
    .map(|(name, content)| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    });
    let [ca_text, certificate_text, key_text] =
        [&ca, &certificate, &key].map(|path| path.display().to_string());
    let files = [
        "--tls-ca-cert-file",
        &ca_text,
        "--tls-cert-file",
        &certificate_text,
        "--tls-key-file",
        &key_text,
    ];
    let cluster = Cluster::with(3, 0, &files).await;
    let mut settings = RedisSettings::parse(&format!("rediss-cluster://{}", cluster.tls_nodes())).unwrap();
    settings.identity_files = Some((certificate, key));
    let untrusted = store_of("tenant-123", settings.clone());
    settings.ca_file = Some(ca);
    let trusted = store_of("tenant-123", settings);
    for n in 0..12 {
        claimed(&trusted, &format!("key-{n}"), LONG).await;
    }
    assert!(untrusted.check().await.is_err());
}

#[tokio::test]
async fn a_cluster_behind_a_plain_url_is_called_one_from_the_start() {
    let cluster = Cluster::start(3, 0).await;
    cluster
        .on_each(&documented_rule().split_whitespace().collect::<Vec<_>>())
        .await;
    for n in 0..3 {
        for login in ["", "tenant-123:s3cret@"] {
            let store = store(&format!("redis://{login}{}", cluster.nodes(&[n])));
            for _ in 0..3 {
                let why = store.check().await.unwrap_err().to_string();
                assert!(
                    why.contains("it is a Redis Cluster: write redis-cluster://"),
                    "{why}"
                );
            }
        }
    }
    // The other way round the error names the scheme too.
    let redis = Redis::start().await;
    let alone = store(&format!("redis-cluster://127.0.0.1:{}", redis.port));
    let why = alone.check().await.unwrap_err().to_string();
    assert!(why.contains("it is no Redis Cluster: write redis://"), "{why}");
}
