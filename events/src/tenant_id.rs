//! The id that every message carries in its `tenant_id` attribute.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest tenant id, in bytes.
///
/// 63 leaves room in both places an id has to fit: a subscription id of 255 bytes and a filter of 256
/// (<https://cloud.google.com/pubsub/docs/subscription-message-filter>).
pub const MAX_BYTES: usize = 63;

/// A tenant's id: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`, the characters a Pub/Sub resource id may hold and a filter needs no escape for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// Why a text is not a tenant id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTenantId {
    /// Nothing, or more than [`MAX_BYTES`].
    #[error("a tenant id has 1 to {MAX_BYTES} characters, this one has {0}")]
    Length(usize),
    /// A character outside the allowed set.
    #[error("a tenant id holds only A-Z a-z 0-9 . _ ~ -, not {0:?}")]
    Character(char),
}

impl TenantId {
    /// Parses an id.
    ///
    /// # Errors
    /// [`InvalidTenantId`] says what is wrong and what is allowed.
    pub fn parse(text: &str) -> Result<Self, InvalidTenantId> {
        Self::check(text)?;
        Ok(Self(text.to_owned()))
    }

    fn check(text: &str) -> Result<(), InvalidTenantId> {
        if let Some(bad) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(InvalidTenantId::Character(bad));
        }
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(InvalidTenantId::Length(text.len()));
        }
        Ok(())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-')
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidTenantId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::check(&text)?;
        Ok(Self(text))
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn says_which_character_is_wrong() {
        let error = TenantId::parse("x\" OR attributes.t=\"y").unwrap_err();
        assert_eq!(
            error.to_string(),
            "a tenant id holds only A-Z a-z 0-9 . _ ~ -, not '\"'"
        );
    }

    #[test]
    fn bounds_the_length() {
        assert!(TenantId::parse(&"a".repeat(63)).is_ok());
        assert_eq!(TenantId::parse(&"a".repeat(64)), Err(InvalidTenantId::Length(64)));
        assert_eq!(TenantId::parse(""), Err(InvalidTenantId::Length(0)));
    }

    proptest! {
        #[test]
        fn whatever_parses_needs_no_escape(text in ".*") {
            if let Ok(id) = TenantId::parse(&text) {
                prop_assert!(!id.as_str().contains(['"', '\\', '\n']));
                prop_assert_eq!(id.as_str(), text);
            }
        }
    }
}
