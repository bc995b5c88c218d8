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
//! | `event-worker:{tenant}:key:{idempotency key}` | `claim TOKEN` | `LEASE_DURATION`, and is kept while the handler runs |
//! | the same | `done TOKEN`, `failed TOKEN` | `IDEMPOTENCY_TTL`, 24 h by default |
//! | `event-worker:{tenant}:alive` | when it was written first | 30 days: when it is gone the store was emptied |
//!
//! A claim is `SET NX PX`; its end is a compare-and-set on the token (a script, so that nothing comes in between).
//! Redis replicates after it has answered, so a failover may forget the last moments' notes, and what was noted then
//! can be handled a second time: the handler gets the key to close that gap.

mod address;
mod connect;
mod link;

use std::{fmt::Write as _, time::Duration};

pub use address::{RedisSettings, WrongUrl};
use async_trait::async_trait;
use events::TenantId;
use jiff::Timestamp;
use link::Link;
use redis::{Cmd, Script, ScriptInvocation, cmd};

use super::{Claim, End, IdempotencyStore, Kept, Noted, StoreError, Token};

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

/// A claim that expired between two commands is asked for again this often.
const TRIES: u32 = 3;
/// Longer than any outage of a store that keeps its data.
const ALIVE: Duration = Duration::from_hours(30 * 24);

/// Keeps claims and ends in Redis.
#[derive(Debug)]
pub struct RedisStore {
    link: Link,
    prefix: String,
    /// Tells this worker's tokens from all others'.
    instance: String,
    memory: Duration,
    scripts: Scripts,
    /// Whether the mark that the store was seen has been written or found by us.
    marked: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
struct Scripts {
    extend: Script,
    finish: Script,
    release: Script,
}

impl RedisStore {
    /// A store for one tenant that remembers ends for `memory`. It connects when it is asked first, and again
    /// whenever a connection broke.
    #[must_use]
    pub fn new(settings: RedisSettings, tenant: &TenantId, memory: Duration) -> Self {
        let mut instance = String::new();
        for byte in rand::random::<[u8; 8]>() {
            // Writing to a String cannot fail.
            let _ = write!(instance, "{byte:02x}");
        }
        let prefix = format!("event-worker:{tenant}:");
        Self {
            link: Link::new(settings, prefix.clone()),
            prefix,
            instance,
            memory,
            scripts: Scripts {
                extend: Script::new(EXTEND),
                finish: Script::new(FINISH),
                release: Script::new(RELEASE),
            },
            marked: std::sync::atomic::AtomicBool::new(false),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("{}key:{key}", self.prefix)
    }

    fn value(&self, what: &str, token: Token) -> String {
        format!("{what} {}-{}", self.instance, token.number())
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.link
            .ask(async |connection| command.query_async(connection).await)
            .await
    }

    async fn noted(&self, call: &ScriptInvocation<'_>) -> Result<Noted, StoreError> {
        let noted: bool = self
            .link
            .ask(async |connection| call.invoke_async(connection).await)
            .await?;
        Ok(if noted { Noted::Yes } else { Noted::TooLate })
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[async_trait]
impl IdempotencyStore for RedisStore {
    async fn claim(&self, key: &str, token: Token, expiry: Duration) -> Result<Claim, StoreError> {
        let (key, own) = (self.key(key), self.value("claim", token));
        let mut set = cmd("SET");
        set.arg(&key)
            .arg(&own)
            .arg("NX")
            .arg("PX")
            .arg(milliseconds(expiry));
        let mut get = cmd("GET");
        get.arg(&key);
        for _ in 0..TRIES {
            let set: Option<String> = self.ask(&set).await?;
            if set.is_some() {
                return Ok(Claim::Claimed);
            }
            let found: Option<String> = self.ask(&get).await?;
            let Some(found) = found else { continue };
            return match found.split(' ').next() {
                // Ours already: the answer to our SET got lost.
                Some("claim") if found == own => Ok(Claim::Claimed),
                Some("claim") => Ok(Claim::InFlight),
                Some("done") => Ok(Claim::Done),
                Some("failed") => Ok(Claim::PermanentlyFailed),
                _ => Err(StoreError(format!("{key} holds something else"))),
            };
        }
        Ok(Claim::InFlight)
    }

    async fn extend(&self, key: &str, token: Token, expiry: Duration) -> Result<Noted, StoreError> {
        let mut call = self.scripts.extend.key(self.key(key));
        call.arg(self.value("claim", token)).arg(milliseconds(expiry));
        self.noted(&call).await
    }

    async fn finish(&self, key: &str, token: Token, end: End) -> Result<Noted, StoreError> {
        let value = match end {
            End::Done => "done",
            End::PermanentlyFailed => "failed",
        };
        let mut call = self.scripts.finish.key(self.key(key));
        call.arg(self.value("claim", token))
            .arg(self.value(value, token))
            .arg(milliseconds(self.memory));
        self.noted(&call).await
    }

    async fn release(&self, key: &str, token: Token) -> Result<(), StoreError> {
        let mut call = self.scripts.release.key(self.key(key));
        call.arg(self.value("claim", token));
        self.link
            .ask(async |connection| call.invoke_async(connection).await)
            .await
    }

    async fn check(&self) -> Result<Kept, StoreError> {
        let mut set = cmd("SET");
        set.arg(format!("{}alive", self.prefix))
            .arg(Timestamp::now().to_string())
            .arg("NX")
            .arg("PX")
            .arg(milliseconds(ALIVE));
        let written: Option<String> = self.ask(&set).await?;
        let seen_before = self.marked.swap(true, std::sync::atomic::Ordering::Relaxed);
        // A store that is new to us may be new to everybody.
        Ok(if written.is_some() && seen_before {
            Kept::Lost
        } else {
            Kept::Yes
        })
    }
}
