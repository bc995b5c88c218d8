//! So that an event takes effect once: a claim before the handler, a note of its end after it.

mod memory;
pub mod redis;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
pub use memory::MemoryStore;
pub use redis::RedisStore;

/// How long the end of an event is remembered: longer than Pub/Sub's usual duplicates, shorter than its retention.
pub const DEFAULT_MEMORY: Duration = Duration::from_hours(24);

/// What the store knows of an event that is to be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is ours until the claim expires.
    Claimed,
    /// Somebody handles it right now.
    InFlight,
    /// Its effect has happened.
    Done,
    /// A handler said that it can never work.
    PermanentlyFailed,
}

/// Proof of a claim: made by whoever claims, one for each delivery. A claim that expired and was given to another has
/// another token, so that whoever comes too late cannot overwrite what the other noted. And a claim whose answer got
/// lost can be asked for again without waiting for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(u64);

impl Token {
    /// One that this process never gave out before; a store that is shared adds what tells processes apart.
    #[must_use]
    pub fn fresh() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

/// Whether a claim was still ours when we said how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It was, and its end is remembered.
    Yes,
    /// It had expired, and is or was another's: our result counts for nothing.
    TooLate,
}

/// The end of an event that is worth remembering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its effect has happened.
    Done,
    /// It can never work.
    PermanentlyFailed,
}

/// Whether the store still has what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// As far as can be told.
    Yes,
    /// It was emptied since it was asked last: events that were handled before may be handled again.
    Lost,
}

/// The store did not answer. Nothing is handled and nothing acknowledged until it does.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the idempotency store is not reachable: {0}")]
pub struct StoreError(pub String);

/// Remembers which events are being handled and which have been. Keys are idempotency keys of one tenant; a shared
/// store must keep tenants apart itself.
#[async_trait]
pub trait IdempotencyStore: fmt::Debug + Send + Sync + 'static {
    /// Claims an event for `expiry`, unless it is another's or has ended. Claimed again with the same token it is
    /// claimed all the same.
    async fn claim(&self, key: &str, token: Token, expiry: Duration) -> Result<Claim, StoreError>;
    /// Keeps a claim for another `expiry`, counted from now. A claim that expired, and that nobody else took, is taken
    /// again.
    async fn extend(&self, key: &str, token: Token, expiry: Duration) -> Result<Noted, StoreError>;
    /// Notes how a claimed event ended. A claim that expired, and that nobody else took, still counts.
    async fn finish(&self, key: &str, token: Token, end: End) -> Result<Noted, StoreError>;
    /// Gives a claim back, so that the event can be claimed again at once.
    async fn release(&self, key: &str, token: Token) -> Result<(), StoreError>;
    /// Whether the store can be worked with; asked every few seconds, so that a worker without events knows too.
    async fn check(&self) -> Result<Kept, StoreError> {
        Ok(Kept::Yes)
    }
}
