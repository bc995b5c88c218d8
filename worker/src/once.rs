//! So that an event takes effect once: a claim before the handler, a note of its end after it.

mod identity;
mod memory;
pub mod redis;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
pub use identity::{Consumer, Identity, InvalidConsumer};
pub use memory::MemoryStore;
pub use redis::RedisStore;

/// How long the end of an event is remembered: longer than Pub/Sub's usual duplicates, shorter than its retention.
pub const DEFAULT_MEMORY: Duration = Duration::from_hours(24);

/// How long a permanent verdict is remembered: longer than the deliveries until Pub/Sub dead-letters the event, short
/// enough that a mended handler is asked again soon.
pub const DEFAULT_VERDICT_MEMORY: Duration = Duration::from_hours(1);

/// How long a store remembers what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Events whose effect has happened.
    pub done: Duration,
    /// Events that can never work.
    pub failed: Duration,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            done: DEFAULT_MEMORY,
            failed: DEFAULT_VERDICT_MEMORY,
        }
    }
}

impl Memory {
    /// How long this end is remembered.
    #[must_use]
    pub fn of(&self, end: End) -> Duration {
        match end {
            End::Done => self.done,
            End::PermanentlyFailed => self.failed,
        }
    }
}

/// What the store knows of an event that is to be handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// It is ours until the claim expires.
    Claimed,
    /// Another delivery of it is being handled.
    InFlight,
    /// Its effect has happened.
    Done,
    /// This version of the handler found, for this message, that it can never work.
    PermanentlyFailed,
    /// Another event with this key has ended, and its payload is another: this one was never handled.
    Conflict,
}

/// Proof of a claim, one for each delivery. A claim that expired and was given to another delivery has another token, so
/// that a delivery that comes too late cannot overwrite the end that the other noted. And a claim whose answer got lost
/// can be asked for again without waiting for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(u64);

impl Token {
    /// A token that this process never gave out before; a store that is shared adds what tells processes apart.
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
    /// It had expired, and is or was another delivery's: our result counts for nothing.
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
#[non_exhaustive]
pub enum Kept {
    /// As far as can be told.
    Yes,
    /// It was emptied since it was asked last: events that were handled before may be handled again.
    Lost,
    /// It is full, and has forgotten so many ends before their time since it was asked last: a duplicate of one of these
    /// events would be handled again.
    Forgot(u64),
}

/// The store did not answer. Nothing is handled and nothing acknowledged until it does.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the idempotency store is not reachable: {0}")]
pub struct StoreError(pub String);

/// Remembers which events are being handled and which have been. A store belongs to one consumer of one tenant; one that
/// is shared must keep tenants and consumers apart itself.
#[async_trait]
pub trait IdempotencyStore: fmt::Debug + Send + Sync + 'static {
    /// Claims an event for `expiry`, unless it is another delivery's or has ended. Claimed again with the same token it is
    /// claimed all the same. A permanent failure counts for the same message and the same version of the handler alone.
    async fn claim(&self, event: &Identity<'_>, token: Token, expiry: Duration) -> Result<Claim, StoreError>;
    /// Keeps a claim for another `expiry`, counted from now. A claim that expired, and that no other delivery took, is
    /// taken again.
    async fn extend(&self, event: &Identity<'_>, token: Token, expiry: Duration)
    -> Result<Noted, StoreError>;
    /// Notes how a claimed event ended. A claim that expired, and that no other delivery took, still counts.
    async fn finish(&self, event: &Identity<'_>, token: Token, end: End) -> Result<Noted, StoreError>;
    /// Gives a claim back, so that the event can be claimed again at once.
    async fn release(&self, event: &Identity<'_>, token: Token) -> Result<(), StoreError>;
    /// Forgets how an event ended, so that its next delivery is handled. A claim stays.
    async fn forget(&self, event: &Identity<'_>) -> Result<(), StoreError>;
    /// Whether the store can be worked with; asked every few seconds, so that a worker without events knows too.
    async fn check(&self) -> Result<Kept, StoreError> {
        Ok(Kept::Yes)
    }
}
