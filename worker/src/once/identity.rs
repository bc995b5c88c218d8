//! Pure: what makes two deliveries the same event, for a store.

use std::{fmt, str::FromStr};

use events::Digest;

/// The longest name of a consumer, in characters: a DNS label's, as names of Deployments are.
const LONGEST: usize = 63;
/// Words that stand at a consumer's place in keys of the store.
const TAKEN: [&str; 2] = ["alive", "key"];

/// Who handles the events: two consumers of one tenant each handle every event. A worker, its replicas and its successor
/// are one consumer, whatever subscriptions they pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer(String);

/// Why a text is not a [`Consumer`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a consumer's name: write 1 to {LONGEST} of a-z 0-9 -, beginning and ending with a letter or digit; \"alive\" and \"key\" are taken"
)]
pub struct InvalidConsumer(String);

impl Default for Consumer {
    fn default() -> Self {
        Self("worker".to_owned())
    }
}

impl FromStr for Consumer {
    type Err = InvalidConsumer;

    fn from_str(text: &str) -> Result<Self, InvalidConsumer> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let ok = (1..=LONGEST).contains(&text.len())
            && text.chars().all(|c| plain(c) || c == '-')
            && text.starts_with(plain)
            && text.ends_with(plain)
            && !TAKEN.contains(&text);
        match ok {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidConsumer(text.chars().take(LONGEST).collect())),
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An event, as a store has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The type of the event. A publisher's own key need not be unique over types.
    pub event_type: &'a str,
    /// The idempotency key.
    pub key: &'a str,
    /// What the payload says. A publisher that tries again publishes the same payload, at another time and in another
    /// trace; another payload under the same key is another event.
    pub digest: Digest,
    /// The message: a permanent failure counts for its redeliveries, and not for what is published or replayed anew.
    pub message_id: &'a str,
    /// The version of the handler; empty where it has none. A permanent failure counts for this version.
    pub handler_version: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_a_label_and_no_word_of_the_stores_own() {
        for good in ["worker", "index-2", "a"] {
            assert_eq!(good.parse::<Consumer>().unwrap().to_string(), good);
        }
        for bad in ["", "Upper", "a:b", "-a", "a-", "key", "alive", &"x".repeat(64)] {
            let error = bad.parse::<Consumer>().unwrap_err().to_string();
            assert!(error.contains("1 to 63"), "{error}");
        }
    }
}
