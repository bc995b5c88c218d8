//! The store that workers share: Redis or Valkey, by itself, behind Sentinels, or as a Redis Cluster.
//!
//! Every key of a tenant begins with `event-worker:{tenant}:`, so that a Redis user can be limited to it:
//!
//! ```text
//! ACL SETUSER tenant-123 on >password resetkeys ~event-worker:tenant-123:* resetchannels -@all
//!   +set +get +eval +evalsha +script|load +ping +select +role +cluster|slots
//! ```
//!
//! | key | value | lives |
//! |---|---|---|
//! | `event-worker:{tenant}:{consumer}:{event type}:{idempotency key}` | `claim TOKEN` | `LEASE_DURATION`, and is kept while the handler runs |
//! | the same | `done TOKEN DIGEST` | `IDEMPOTENCY_TTL`, 24 h by default |
//! | the same | `failed TOKEN DIGEST SCOPE`, the scope being a hash of message and handler version | `PERMANENT_TTL`, 1 h by default |
//! | `event-worker:{tenant}:{consumer}:since` | when this release began here, in seconds since 1970; 0 in a store that was new | 30 days since a worker saw it last |
//! | `event-worker:{tenant}:alive` | when a worker saw it last | the same: when it is gone the store was emptied |
//!
//! The release before had keys without consumer and type; they are mirrored for one `IDEMPOTENCY_TTL` (`mirror`).
//!
//! A claim is `SET NX PX`; its end is a compare-and-set on the token (a script, so that nothing comes in between).
//! Redis replicates after it has answered, so a failover may forget the last moments' notes, and what was noted then
//! can be handled a second time: the handler gets the key to close that gap.

mod address;
mod connect;
mod link;
mod mirror;
mod value;

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

pub use address::{RedisSettings, WrongUrl};
use async_trait::async_trait;
use events::TenantId;
use jiff::Timestamp;
use link::Link;
use redis::{Cmd, Script, ScriptInvocation, cmd};

use mirror::Mirror;
use value::Found;

use super::{Claim, Consumer, End, IdempotencyStore, Identity, Kept, Memory, Noted, StoreError, Token};

/// Notes an end. Nothing there is as good as our claim: it expired, and nobody else took it.
const FINISH: &str = r"
local found = redis.call('GET', KEYS[1])
if found == false or found == ARGV[1] or found == ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
return 0";

/// Keeps a claim. Nothing there is as good as our claim here too.
const EXTEND: &str = r"
local found = redis.call('GET', KEYS[1])
if found == false or found == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0";

/// Gives a claim back, if it is ours. Expiring at once instead of deleting: one right less to grant.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', 1)
end
return 0";

/// Replaces an end that no longer counts by our claim, unless it is another by now.
const REPLACE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
return 0";

/// Forgets an end. Expiring at once instead of deleting: one right less to grant.
const FORGET: &str = r"
local found = redis.call('GET', KEYS[1])
if found and string.sub(found, 1, 5) ~= 'claim' then
  redis.call('SET', KEYS[1], found, 'PX', 1)
end
return 0";

/// A claim that expired between two commands is asked for again this often.
const TRIES: u32 = 3;
/// Longer than any outage of a store that keeps its data.
const ALIVE: Duration = Duration::from_hours(30 * 24);

/// Keeps claims and ends in Redis.
#[derive(Debug)]
pub struct RedisStore {
    link: Link,
    /// `event-worker:{tenant}:`
    prefix: String,
    consumer: Consumer,
    /// Tells this worker's tokens from all others'.
    instance: String,
    memory: Memory,
    scripts: Scripts,
    mirror: Mirror,
    /// Whether the mark that the store was seen has been written or found by us.
    marked: AtomicBool,
}

#[derive(Debug)]
struct Scripts {
    extend: Script,
    finish: Script,
    release: Script,
    replace: Script,
    forget: Script,
}

impl RedisStore {
    /// A store for one consumer of one tenant that remembers ends for so long. It connects when it is asked first, and
    /// again whenever a connection broke.
    #[must_use]
    pub fn new(settings: RedisSettings, tenant: &TenantId, consumer: Consumer, memory: Memory) -> Self {
        let mut instance = String::new();
        for byte in rand::random::<[u8; 8]>() {
            // Writing to a String cannot fail.
            let _ = write!(instance, "{byte:02x}");
        }
        let prefix = format!("event-worker:{tenant}:");
        Self {
            link: Link::new(settings, prefix.clone()),
            prefix,
            consumer,
            instance,
            memory,
            scripts: Scripts {
                extend: Script::new(EXTEND),
                finish: Script::new(FINISH),
                release: Script::new(RELEASE),
                replace: Script::new(REPLACE),
                forget: Script::new(FORGET),
            },
            mirror: Mirror::default(),
            marked: AtomicBool::new(false),
        }
    }

    fn tenant_key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    fn own_key(&self, rest: &str) -> String {
        format!("{}{}:{rest}", self.prefix, self.consumer)
    }

    fn key(&self, event: &Identity<'_>) -> String {
        let (prefix, consumer) = (&self.prefix, &self.consumer);
        format!("{prefix}{consumer}:{}:{}", event.event_type, event.key)
    }

    fn token(&self, token: Token) -> String {
        format!("{}-{}", self.instance, token.number())
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.link
            .ask(async |connection| command.query_async(connection).await)
            .await
    }

    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.ask(cmd("GET").arg(key)).await
    }

    /// Whether the key was free.
    async fn set_new(&self, key: &str, value: &str, lives: Duration) -> Result<bool, StoreError> {
        let mut set = cmd("SET");
        set.arg(key)
            .arg(value)
            .arg("NX")
            .arg("PX")
            .arg(milliseconds(lives));
        let set: Option<String> = self.ask(&set).await?;
        Ok(set.is_some())
    }

    async fn call(&self, call: &ScriptInvocation<'_>) -> Result<bool, StoreError> {
        self.link
            .ask(async |connection| call.invoke_async(connection).await)
            .await
    }

    async fn extended(&self, key: &str, own: &str, expiry: Duration) -> Result<bool, StoreError> {
        let mut call = self.scripts.extend.key(key);
        call.arg(own).arg(milliseconds(expiry));
        self.call(&call).await
    }

    async fn finished(&self, key: &str, own: &str, end: &str, lives: Duration) -> Result<bool, StoreError> {
        let mut call = self.scripts.finish.key(key);
        call.arg(own).arg(end).arg(milliseconds(lives));
        self.call(&call).await
    }

    async fn released(&self, key: &str, own: &str) -> Result<(), StoreError> {
        let mut call = self.scripts.release.key(key);
        call.arg(own);
        self.call(&call).await.map(drop)
    }

    /// Claims the key of this release.
    async fn claim_own(
        &self,
        event: &Identity<'_>,
        token: Token,
        expiry: Duration,
    ) -> Result<Claim, StoreError> {
        let (key, own) = (self.key(event), value::claim(&self.token(token)));
        for _ in 0..TRIES {
            if self.set_new(&key, &own, expiry).await? {
                return Ok(Claim::Claimed);
            }
            let Some(found) = self.get(&key).await? else {
                continue;
            };
            match value::found(&found, &own, event) {
                Found::Answer(claim) => return Ok(claim),
                Found::Foreign => return Err(StoreError(format!("{key} holds something else"))),
                Found::Outdated => {
                    let mut call = self.scripts.replace.key(&key);
                    call.arg(&found).arg(&own).arg(milliseconds(expiry));
                    if self.call(&call).await? {
                        return Ok(Claim::Claimed);
                    }
                }
            }
        }
        Ok(Claim::InFlight)
    }
}

fn noted(yes: bool) -> Noted {
    if yes { Noted::Yes } else { Noted::TooLate }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[async_trait]
impl IdempotencyStore for RedisStore {
    async fn claim(&self, event: &Identity<'_>, token: Token, expiry: Duration) -> Result<Claim, StoreError> {
        let mirrors = self.mirrors().await?;
        let claim = self.claim_own(event, token, expiry).await?;
        if !mirrors || claim != Claim::Claimed {
            return Ok(claim);
        }
        let old = self.claim_mirrored(event, token, expiry).await?;
        if old != Claim::Claimed {
            self.released(&self.key(event), &value::claim(&self.token(token)))
                .await?;
        }
        Ok(old)
    }

    async fn extend(
        &self,
        event: &Identity<'_>,
        token: Token,
        expiry: Duration,
    ) -> Result<Noted, StoreError> {
        if self.mirrors().await? {
            self.extend_mirrored(event, token, expiry).await?;
        }
        let own = value::claim(&self.token(token));
        self.extended(&self.key(event), &own, expiry).await.map(noted)
    }

    async fn finish(&self, event: &Identity<'_>, token: Token, end: End) -> Result<Noted, StoreError> {
        if self.mirrors().await? {
            self.finish_mirrored(event, token, end).await?;
        }
        let token = self.token(token);
        let (own, ended) = (value::claim(&token), value::end(event, &token, end));
        self.finished(&self.key(event), &own, &ended, self.memory.of(end))
            .await
            .map(noted)
    }

    async fn release(&self, event: &Identity<'_>, token: Token) -> Result<(), StoreError> {
        if self.mirrors().await? {
            self.release_mirrored(event, token).await?;
        }
        self.released(&self.key(event), &value::claim(&self.token(token)))
            .await
    }

    async fn forget(&self, event: &Identity<'_>) -> Result<(), StoreError> {
        for key in [self.key(event), self.old_key(event)] {
            self.call(&self.scripts.forget.key(key)).await?;
        }
        Ok(())
    }

    async fn check(&self) -> Result<Kept, StoreError> {
        // Before the mark below makes a new store look like a used one.
        self.mirrors().await?;
        let alive = self.tenant_key("alive");
        let refresh = async |key: &str, value: &str| {
            let mut set = cmd("SET");
            set.arg(key)
                .arg(value)
                .arg("XX")
                .arg("PX")
                .arg(milliseconds(ALIVE));
            self.ask::<Option<String>>(&set).await.map(|set| set.is_some())
        };
        let now = Timestamp::now().to_string();
        let was_there = refresh(&alive, &now).await? || !self.set_new(&alive, &now, ALIVE).await?;
        let since = self.own_key("since");
        if let Some(began) = self.get(&since).await? {
            refresh(&since, &began).await?;
        }
        let seen_before = self.marked.swap(true, Ordering::Relaxed);
        // A store that is new to us may be new to everybody.
        Ok(if seen_before && !was_there {
            Kept::Lost
        } else {
            Kept::Yes
        })
    }
}
