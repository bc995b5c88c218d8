//! The store inside the worker: fast, and lost with it. Right for one replica; see the README for what that means.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry::Occupied},
    hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState},
    time::Duration,
};

use async_trait::async_trait;
use events::Digest;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Claim, End, IdempotencyStore, Identity, Kept, Memory, Noted, StoreError, Token};

/// Ends remembered at most: at about 130 bytes each this stays below 25 MB, growing included.
const DEFAULT_CAPACITY: usize = 100_000;

/// Keeps claims and ends in memory. When it is full the oldest end is forgotten, which [`IdempotencyStore::check`] reports;
/// claims never are before they expire.
#[derive(Debug)]
pub struct MemoryStore {
    memory: Memory,
    capacity: usize,
    secrets: [RandomState; 2],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry, BuildHasherDefault<Itself>>,
    /// Ends by age. An end whose key has been claimed anew since is known by its token.
    ends: VecDeque<(Key, Token)>,
    /// Ends that were forgotten before their time since the store was checked last.
    forgotten: u64,
}

/// Stands for a key: 128 bits of two keyed hashes (`SipHash`, with secrets of this process), so that nobody can make two keys
/// that come to the same, and of a hundred thousand that are just different two do so once in 10²⁸ workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key(u64, u64);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// A key is a hash already.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[derive(Debug)]
struct Entry {
    token: Token,
    expires: Instant,
    end: Option<Ended>,
}

/// How an event ended, and what its next delivery is compared with.
#[derive(Debug, Clone, Copy)]
struct Ended {
    end: End,
    digest: Digest,
    /// A hash of the message and the handler's version, which a permanent failure counts for.
    scope: u64,
}

impl Entry {
    /// Whether it has ended, or is claimed with another token.
    fn is_not_ours(&self, token: Token) -> bool {
        self.end.is_some() || self.token != token
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Memory::default(), DEFAULT_CAPACITY)
    }
}

impl MemoryStore {
    /// A store of the usual size that remembers ends for so long.
    #[must_use]
    pub fn remembering(memory: Memory) -> Self {
        Self::new(memory, DEFAULT_CAPACITY)
    }

    /// A store that remembers ends for so long, and at most `capacity` of them.
    #[must_use]
    pub fn new(memory: Memory, capacity: usize) -> Self {
        Self {
            memory,
            capacity,
            secrets: [RandomState::new(), RandomState::new()],
            state: Mutex::default(),
        }
    }

    fn key(&self, event: &Identity<'_>) -> Key {
        let [first, second] = &self.secrets;
        let text = (event.event_type, event.key);
        Key(first.hash_one(text), second.hash_one(text))
    }

    fn scope(&self, event: &Identity<'_>) -> u64 {
        let [first, _] = &self.secrets;
        first.hash_one((event.message_id, event.handler_version))
    }

    /// What an end means for the next delivery; none when the event may be claimed anew.
    fn claim_after(&self, ended: &Ended, event: &Identity<'_>) -> Option<Claim> {
        if ended.digest != event.digest {
            return Some(Claim::Conflict);
        }
        match ended.end {
            End::Done => Some(Claim::Done),
            End::PermanentlyFailed => (ended.scope == self.scope(event)).then_some(Claim::PermanentlyFailed),
        }
    }
}

impl State {
    fn forget(&mut self, now: Instant, capacity: usize) {
        while let Some(&(key, token)) = self.ends.front() {
            let current = self.entries.get(&key).filter(|entry| entry.token == token);
            let stale = current.is_none_or(|entry| entry.expires <= now);
            if !stale && self.ends.len() <= capacity {
                break;
            }
            if current.is_some() {
                self.entries.remove(&key);
                self.forgotten += u64::from(!stale);
            }
            self.ends.pop_front();
        }
    }

    /// The entry, if the token's claim on it stands. An expired claim that nobody else took still stands.
    fn held(&mut self, key: Key, token: Token) -> Option<&mut Entry> {
        self.entries
            .get_mut(&key)
            .filter(|entry| entry.end.is_none() && entry.token == token)
    }
}

#[async_trait]
impl IdempotencyStore for MemoryStore {
    async fn claim(&self, event: &Identity<'_>, token: Token, expiry: Duration) -> Result<Claim, StoreError> {
        let (key, now) = (self.key(event), Instant::now());
        let claimed = Entry {
            token,
            expires: now + expiry,
            end: None,
        };
        let mut state = self.state.lock();
        let place = state.entries.entry(key);
        if let Occupied(found) = &place
            && found.get().expires > now
            && found.get().is_not_ours(token)
            && let Some(claim) = match &found.get().end {
                None => Some(Claim::InFlight),
                Some(ended) => self.claim_after(ended, event),
            }
        {
            return Ok(claim);
        }
        place.insert_entry(claimed);
        Ok(Claim::Claimed)
    }

    async fn extend(
        &self,
        event: &Identity<'_>,
        token: Token,
        expiry: Duration,
    ) -> Result<Noted, StoreError> {
        let (key, expires) = (self.key(event), Instant::now() + expiry);
        Ok(match self.state.lock().held(key, token) {
            Some(entry) => {
                entry.expires = expires;
                Noted::Yes
            }
            None => Noted::TooLate,
        })
    }

    async fn finish(&self, event: &Identity<'_>, token: Token, end: End) -> Result<Noted, StoreError> {
        let (key, now) = (self.key(event), Instant::now());
        let mut state = self.state.lock();
        let Some(entry) = state.held(key, token) else {
            return Ok(Noted::TooLate);
        };
        entry.end = Some(Ended {
            end,
            digest: event.digest,
            scope: self.scope(event),
        });
        entry.expires = now + self.memory.of(end);
        state.ends.push_back((key, token));
        state.forget(now, self.capacity);
        Ok(Noted::Yes)
    }

    async fn release(&self, event: &Identity<'_>, token: Token) -> Result<(), StoreError> {
        let key = self.key(event);
        let mut state = self.state.lock();
        if state.held(key, token).is_some() {
            state.entries.remove(&key);
        }
        Ok(())
    }

    async fn forget(&self, event: &Identity<'_>) -> Result<(), StoreError> {
        let key = self.key(event);
        let mut state = self.state.lock();
        if state.entries.get(&key).is_some_and(|entry| entry.end.is_some()) {
            state.entries.remove(&key);
        }
        Ok(())
    }

    async fn check(&self) -> Result<Kept, StoreError> {
        Ok(match std::mem::take(&mut self.state.lock().forgotten) {
            0 => Kept::Yes,
            forgotten => Kept::Forgot(forgotten),
        })
    }
}
