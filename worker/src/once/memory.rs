//! The store inside the worker: fast, and lost with it. Right for one replica; see the README for what that means.

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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const HOURS: Memory = Memory {
        done: HOUR,
        failed: HOUR,
    };

    fn event(key: &str) -> Identity<'_> {
        Identity {
            event_type: "document.ingested",
            key,
            digest: Digest::of(&events::Payload::default()),
            message_id: "1",
            handler_version: "",
        }
    }

    async fn claimed(store: &MemoryStore, key: &str) -> Token {
        let token = Token::fresh();
        assert_eq!(
            store.claim(&event(key), token, HOUR).await.unwrap(),
            Claim::Claimed
        );
        token
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_claimed_once_and_its_end_is_remembered() {
        let store = MemoryStore::default();
        let token = claimed(&store, "a").await;
        assert_eq!(
            store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
            Claim::InFlight
        );
        assert_eq!(
            store.finish(&event("a"), token, End::Done).await.unwrap(),
            Noted::Yes
        );
        assert_eq!(
            store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
            Claim::Done
        );
        let token = claimed(&store, "b").await;
        store
            .finish(&event("b"), token, End::PermanentlyFailed)
            .await
            .unwrap();
        assert_eq!(
            store.claim(&event("b"), Token::fresh(), HOUR).await.unwrap(),
            Claim::PermanentlyFailed
        );
        tokio::time::advance(Memory::default().done).await;
        claimed(&store, "a").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_claim_is_free_at_once() {
        let store = MemoryStore::default();
        let token = claimed(&store, "a").await;
        store.release(&event("a"), token).await.unwrap();
        claimed(&store, "a").await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_too_late_overwrites_nothing() {
        let store = MemoryStore::default();
        let late = claimed(&store, "a").await;
        tokio::time::advance(HOUR).await;
        let current = claimed(&store, "a").await;
        assert_eq!(
            store
                .finish(&event("a"), late, End::PermanentlyFailed)
                .await
                .unwrap(),
            Noted::TooLate
        );
        store.release(&event("a"), late).await.unwrap();
        assert_eq!(
            store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
            Claim::InFlight
        );
        assert_eq!(
            store.finish(&event("a"), current, End::Done).await.unwrap(),
            Noted::Yes
        );
        assert_eq!(
            store.finish(&event("a"), late, End::Done).await.unwrap(),
            Noted::TooLate
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_can_be_kept_as_long_as_nobody_took_it() {
        let store = MemoryStore::default();
        let token = claimed(&store, "a").await;
        tokio::time::advance(HOUR * 2 / 3).await;
        assert_eq!(store.extend(&event("a"), token, HOUR).await.unwrap(), Noted::Yes);
        tokio::time::advance(HOUR * 2 / 3).await;
        assert_eq!(
            store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
            Claim::InFlight
        );
        tokio::time::advance(HOUR).await;
        claimed(&store, "a").await;
        assert_eq!(
            store.extend(&event("a"), token, HOUR).await.unwrap(),
            Noted::TooLate
        );
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_bounded_and_keeps_claims() {
        let store = MemoryStore::new(Memory::default(), 10);
        let held = claimed(&store, "held").await;
        for i in 0..100 {
            let key = format!("key-{i}");
            let token = claimed(&store, &key).await;
            store.finish(&event(&key), token, End::Done).await.unwrap();
        }
        assert!(store.state.lock().entries.len() <= 11);
        assert_eq!(
            store.claim(&event("key-99"), Token::fresh(), HOUR).await.unwrap(),
            Claim::Done
        );
        assert_eq!(
            store.claim(&event("held"), Token::fresh(), HOUR).await.unwrap(),
            Claim::InFlight
        );
        assert_eq!(
            store.finish(&event("held"), held, End::Done).await.unwrap(),
            Noted::Yes
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_of_a_reused_key_is_not_forgotten_with_its_old_one() {
        let store = MemoryStore::new(HOURS, 2);
        let token = claimed(&store, "a").await;
        store.finish(&event("a"), token, End::Done).await.unwrap();
        tokio::time::advance(HOUR).await;
        let token = claimed(&store, "a").await;
        store.finish(&event("a"), token, End::Done).await.unwrap();
        let token = claimed(&store, "b").await;
        store.finish(&event("b"), token, End::Done).await.unwrap();
        assert_eq!(
            store.claim(&event("a"), Token::fresh(), HOUR).await.unwrap(),
            Claim::Done
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_of_one_type_and_one_payload() {
        let store = MemoryStore::default();
        let first = event("own-key");
        let token = claimed(&store, "own-key").await;
        store.finish(&first, token, End::Done).await.unwrap();
        let mut other_type = first;
        other_type.event_type = "document.updated";
        let claim = store.claim(&other_type, Token::fresh(), HOUR).await.unwrap();
        assert_eq!(claim, Claim::Claimed);
        let mut other_payload = first;
        let fields = serde_json::Map::from_iter([("a".to_owned(), 1.into())]);
        other_payload.digest = Digest::of(&fields.into());
        let claim = store.claim(&other_payload, Token::fresh(), HOUR).await.unwrap();
        assert_eq!(claim, Claim::Conflict);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_failure_counts_for_its_message_and_version_and_an_hour() {
        let store = MemoryStore::default();
        let first = event("a");
        for round in 0..4 {
            let token = claimed(&store, "a").await;
            store.finish(&first, token, End::PermanentlyFailed).await.unwrap();
            let claim = store.claim(&first, Token::fresh(), HOUR).await.unwrap();
            assert_eq!(claim, Claim::PermanentlyFailed);
            let mut next = first;
            match round {
                0 => next.message_id = "2",
                1 => next.handler_version = "2.1",
                2 => store.forget(&first).await.unwrap(),
                _ => tokio::time::advance(Memory::default().failed).await,
            }
            let token = Token::fresh();
            assert_eq!(store.claim(&next, token, HOUR).await.unwrap(), Claim::Claimed);
            store.release(&next, token).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_before_its_time_is_reported_once() {
        let store = MemoryStore::new(HOURS, 2);
        for key in ["a", "b", "c", "d"] {
            let token = claimed(&store, key).await;
            store.finish(&event(key), token, End::Done).await.unwrap();
        }
        assert_eq!(store.check().await.unwrap(), Kept::Forgot(2));
        assert_eq!(store.check().await.unwrap(), Kept::Yes);
    }
}
