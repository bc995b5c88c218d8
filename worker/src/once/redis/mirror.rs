//! The keys of the release before, for one lifetime of theirs: until then a worker of either release must know what the
//! other handled, so that neither an upgrade nor its rollback handles an event twice.
//!
//! The release before had `event-worker:{tenant}:key:{idempotency key}`, without the consumer and the type. What it wrote
//! counts here too; what this release writes there is for the other to read, and is marked ([`value::MIRRORED`]), since
//! this release has a better key of its own.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use jiff::Timestamp;

use super::{RedisStore, StoreError, value};
use crate::once::{Claim, End, Identity, Token};

/// Not asked yet.
const UNKNOWN: u64 = u64::MAX;

/// Until when the old keys are read and written, in seconds since 1970; 0 where there are none.
#[derive(Debug)]
pub(super) struct Mirror(AtomicU64);

impl Default for Mirror {
    fn default() -> Self {
        Self(AtomicU64::new(UNKNOWN))
    }
}

impl RedisStore {
    /// Whether the old keys are read and written now. The first worker of this release writes down when it began, which
    /// tells the others; in a store that no worker ever used there is nothing to mirror.
    pub(super) async fn mirrors(&self) -> Result<bool, StoreError> {
        let known = self.mirror.0.load(Ordering::Relaxed);
        let until = match known {
            UNKNOWN => self.find_out().await?,
            known => known,
        };
        Ok(until != 0 && seconds(Timestamp::now()) < until)
    }

    async fn find_out(&self) -> Result<u64, StoreError> {
        let since = self.own_key("since");
        let written: Option<String> = self.get(&since).await?;
        let began = if let Some(text) = written {
            text.parse().unwrap_or(0)
        } else {
            let used = self.get(&self.tenant_key("alive")).await?.is_some();
            let now = if used { seconds(Timestamp::now()) } else { 0 };
            if self.set_new(&since, &now.to_string(), super::ALIVE).await? {
                now
            } else {
                let first = self.get(&since).await?;
                first.and_then(|text| text.parse().ok()).unwrap_or(0)
            }
        };
        let until = if began == 0 {
            0
        } else {
            began.saturating_add(self.memory.done.as_secs())
        };
        self.mirror.0.store(until, Ordering::Relaxed);
        Ok(until)
    }

    /// Claims the old key as well. What it says counts where the release before wrote it.
    pub(super) async fn claim_mirrored(
        &self,
        event: &Identity<'_>,
        token: Token,
        expiry: Duration,
    ) -> Result<Claim, StoreError> {
        let (key, own) = (self.old_key(event), self.mirrored(token));
        for _ in 0..super::TRIES {
            if self.set_new(&key, &own, expiry).await? {
                return Ok(Claim::Claimed);
            }
            let Some(found) = self.get(&key).await? else {
                continue;
            };
            return Ok(match found.split(' ').next() {
                _ if found.ends_with(value::MIRRORED) => Claim::Claimed,
                Some("claim") => Claim::InFlight,
                Some("done") => Claim::Done,
                // A permanent failure lived for a day then; the handler may be another by now.
                _ => Claim::Claimed,
            });
        }
        Ok(Claim::InFlight)
    }

    /// Keeps the old key's claim, notes its end, or gives it back. Whether it was ours does not matter: the new key decides.
    pub(super) async fn extend_mirrored(
        &self,
        event: &Identity<'_>,
        token: Token,
        expiry: Duration,
    ) -> Result<(), StoreError> {
        let own = self.mirrored(token);
        self.extended(&self.old_key(event), &own, expiry).await.map(drop)
    }

    pub(super) async fn finish_mirrored(
        &self,
        event: &Identity<'_>,
        token: Token,
        end: End,
    ) -> Result<(), StoreError> {
        let what = match end {
            End::Done => "done",
            End::PermanentlyFailed => "failed",
        };
        let end_value = format!("{what} {}{}", self.token(token), value::MIRRORED);
        let own = self.mirrored(token);
        self.finished(&self.old_key(event), &own, &end_value, self.memory.of(end))
            .await
            .map(drop)
    }

    pub(super) async fn release_mirrored(
        &self,
        event: &Identity<'_>,
        token: Token,
    ) -> Result<(), StoreError> {
        self.released(&self.old_key(event), &self.mirrored(token)).await
    }

    pub(super) fn old_key(&self, event: &Identity<'_>) -> String {
        self.tenant_key(&format!("key:{}", event.key))
    }

    fn mirrored(&self, token: Token) -> String {
        format!("{}{}", value::claim(&self.token(token)), value::MIRRORED)
    }
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or_default()
}
