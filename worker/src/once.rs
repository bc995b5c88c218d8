//! So that an event takes effect once: a claim before the handler, a note of its end after it.

mod memory;

use std::{fmt, time::Duration};

use async_trait::async_trait;
pub use memory::MemoryStore;

/// How long the end of an event is remembered: longer than Pub/Sub's usual duplicates, shorter than its retention.
pub const DEFAULT_MEMORY: Duration = Duration::from_hours(24);

/// What the store knows of an event that is to be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours until the claim expires; the token proves it.
    Claimed(Token),
    /// Somebody handles it right now.
    InFlight,
    /// Its effect has happened.
    Done,
    /// A handler said that it can never work.
    PermanentlyFailed,
}

/// Proof of a claim. A claim that expired and was given to another has another token, so that whoever came too late
/// cannot overwrite what the other noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(pub String);

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

/// The store did not answer. Nothing is handled and nothing acknowledged until it does.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the idempotency store is not reachable: {0}")]
pub struct StoreError(pub String);

/// Remembers which events are being handled and which have been. Keys are idempotency keys of one tenant; a shared
/// store must keep tenants apart itself.
#[async_trait]
pub trait IdempotencyStore: fmt::Debug + Send + Sync + 'static {
    /// Claims an event for `expiry`, unless it is claimed or has ended.
    async fn claim(&self, key: &str, expiry: Duration) -> Result<Claim, StoreError>;
    /// Notes how a claimed event ended.
    async fn finish(&self, key: &str, token: &Token, end: End) -> Result<Noted, StoreError>;
    /// Gives a claim back, so that the event can be claimed again at once.
    async fn release(&self, key: &str, token: &Token) -> Result<(), StoreError>;
}
