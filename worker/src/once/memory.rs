//! The store inside the worker: fast, and lost with it. Right for one replica; see the README for what that means.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry::Occupied},
    hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Claim, DEFAULT_MEMORY, End, IdempotencyStore, Noted, StoreError, Token};

/// Ends remembered at most: at about 100 bytes each this stays below 20 MB, growing included.
const DEFAULT_CAPACITY: usize = 100_000;

/// Keeps claims and ends in memory. When it is full the oldest end is forgotten; claims never are before they expire.
#[derive(Debug)]
pub struct MemoryStore {
    memory: Duration,
    capacity: usize,
    secrets: [RandomState; 2],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry, BuildHasherDefault<Itself>>,
    /// Ends by age. An end whose key has been claimed anew since is told by its token.
    ends: VecDeque<(Key, Token)>,
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
    end: Option<End>,
}

impl Entry {
    /// Whether it has ended, or is claimed with another token.
    fn is_not_ours(&self, token: Token) -> bool {
        self.end.is_some() || self.token != token
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(DEFAULT_MEMORY, DEFAULT_CAPACITY)
    }
}

impl MemoryStore {
    /// A store of the usual size that remembers ends for `memory`.
    #[must_use]
    pub fn remembering(memory: Duration) -> Self {
        Self::new(memory, DEFAULT_CAPACITY)
    }

    /// A store that remembers ends for `memory`, and at most `capacity` of them.
    #[must_use]
    pub fn new(memory: Duration, capacity: usize) -> Self {
        Self {
            memory,
            capacity,
            secrets: [RandomState::new(), RandomState::new()],
            state: Mutex::default(),
        }
    }

    fn key(&self, text: &str) -> Key {
        let [first, second] = &self.secrets;
        Key(first.hash_one(text), second.hash_one(text))
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
    async fn claim(&self, key: &str, token: Token, expiry: Duration) -> Result<Claim, StoreError> {
        let (key, now) = (self.key(key), Instant::now());
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
        {
            return Ok(match found.get().end {
                None => Claim::InFlight,
                Some(End::Done) => Claim::Done,
                Some(End::PermanentlyFailed) => Claim::PermanentlyFailed,
            });
        }
        place.insert_entry(claimed);
        Ok(Claim::Claimed)
    }

    async fn extend(&self, key: &str, token: Token, expiry: Duration) -> Result<Noted, StoreError> {
        let (key, expires) = (self.key(key), Instant::now() + expiry);
        Ok(match self.state.lock().held(key, token) {
            Some(entry) => {
                entry.expires = expires;
                Noted::Yes
            }
            None => Noted::TooLate,
        })
    }

    async fn finish(&self, key: &str, token: Token, end: End) -> Result<Noted, StoreError> {
        let (key, now) = (self.key(key), Instant::now());
        let mut state = self.state.lock();
        let Some(entry) = state.held(key, token) else {
            return Ok(Noted::TooLate);
        };
        entry.end = Some(end);
        entry.expires = now + self.memory;
        state.ends.push_back((key, token));
        state.forget(now, self.capacity);
        Ok(Noted::Yes)
    }

    async fn release(&self, key: &str, token: Token) -> Result<(), StoreError> {
        let key = self.key(key);
        let mut state = self.state.lock();
        if state.held(key, token).is_some() {
            state.entries.remove(&key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    async fn claimed(store: &MemoryStore, key: &str) -> Token {
        let token = Token::fresh();
        assert_eq!(store.claim(key, token, HOUR).await.unwrap(), Claim::Claimed);
        token
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_claimed_once_and_its_end_is_remembered() {
        let store = MemoryStore::default();
        let token = claimed(&store, "a").await;
        assert_eq!(
            store.claim("a", Token::fresh(), HOUR).await.unwrap(),
            Claim::InFlight
        );
        assert_eq!(store.finish("a", token, End::Done).await.unwrap(), Noted::Yes);
        assert_eq!(store.claim("a", Token::fresh(), HOUR).await.unwrap(), Claim::Done);
        let token = claimed(&store, "b").await;
        store.finish("b", token, End::PermanentlyFailed).await.unwrap();
        assert_eq!(
            store.claim("b", Token::fresh(), HOUR).await.unwrap(),
            Claim::PermanentlyFailed
        );
        tokio::time::advance(DEFAULT_MEMORY).await;
        claimed(&store, "a").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_claim_is_free_at_once() {
        let store = MemoryStore::default();
        let token = claimed(&store, "a").await;
        store.release("a", token).await.unwrap();
        claimed(&store, "a").await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_too_late_overwrites_nothing() {
        let store = MemoryStore::default();
        let late = claimed(&store, "a").await;
        tokio::time::advance(HOUR).await;
        let current = claimed(&store, "a").await;
        assert_eq!(
            store.finish("a", late, End::PermanentlyFailed).await.unwrap(),
            Noted::TooLate
        );
        store.release("a", late).await.unwrap();
        assert_eq!(
            store.claim("a", Token::fresh(), HOUR).await.unwrap(),
            Claim::InFlight
        );
        assert_eq!(store.finish("a", current, End::Done).await.unwrap(), Noted::Yes);
        assert_eq!(store.finish("a", late, End::Done).await.unwrap(), Noted::TooLate);
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_can_be_kept_as_long_as_nobody_took_it() {
        let store = MemoryStore::default();
        let token = claimed(&store, "a").await;
        tokio::time::advance(HOUR * 2 / 3).await;
        assert_eq!(store.extend("a", token, HOUR).await.unwrap(), Noted::Yes);
        tokio::time::advance(HOUR * 2 / 3).await;
        assert_eq!(
            store.claim("a", Token::fresh(), HOUR).await.unwrap(),
            Claim::InFlight
        );
        tokio::time::advance(HOUR).await;
        claimed(&store, "a").await;
        assert_eq!(store.extend("a", token, HOUR).await.unwrap(), Noted::TooLate);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_bounded_and_keeps_claims() {
        let store = MemoryStore::new(DEFAULT_MEMORY, 10);
        let held = claimed(&store, "held").await;
        for i in 0..100 {
            let key = format!("key-{i}");
            let token = claimed(&store, &key).await;
            store.finish(&key, token, End::Done).await.unwrap();
        }
        assert!(store.state.lock().entries.len() <= 11);
        assert_eq!(
            store.claim("key-99", Token::fresh(), HOUR).await.unwrap(),
            Claim::Done
        );
        assert_eq!(
            store.claim("held", Token::fresh(), HOUR).await.unwrap(),
            Claim::InFlight
        );
        assert_eq!(store.finish("held", held, End::Done).await.unwrap(), Noted::Yes);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_of_a_reused_key_is_not_forgotten_with_its_old_one() {
        let store = MemoryStore::new(HOUR, 2);
        let token = claimed(&store, "a").await;
        store.finish("a", token, End::Done).await.unwrap();
        tokio::time::advance(HOUR).await;
        let token = claimed(&store, "a").await;
        store.finish("a", token, End::Done).await.unwrap();
        let token = claimed(&store, "b").await;
        store.finish("b", token, End::Done).await.unwrap();
        assert_eq!(store.claim("a", Token::fresh(), HOUR).await.unwrap(), Claim::Done);
    }
}
