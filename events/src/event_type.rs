//! Event types such as `document.ingested`, and the patterns a subscription selects them with.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest event type, in bytes. Longer ones would leave no room for a tenant in a filter of 256.
pub const MAX_BYTES: usize = 100;

/// The longest type of an event that came in another envelope, in bytes.
pub const MAX_FOREIGN_BYTES: usize = 256;

/// An event's type: two or more lower-case words joined by dots, such as `system.health_check`. That of an event which came
/// in another envelope is any text; see [`EventType::foreign`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType(String);

/// What a subscription asks for: one type (`document.ingested`) or a category (`document.*`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EventPattern {
    /// Exactly this type.
    Exact(EventType),
    /// Every type that starts with these words; holds the prefix with its dot, `document.`.
    Category(String),
}

/// Why a text is not an event type or pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an event type: write two or more words of a-z 0-9 _ joined by dots, at most {MAX_BYTES} characters, such as \"document.ingested\", or a category such as \"document.*\""
)]
pub struct InvalidEventType {
    text: String,
}

impl InvalidEventType {
    fn new(text: &str) -> Self {
        Self {
            text: text.chars().take(MAX_BYTES).collect(),
        }
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

impl EventType {
    /// Parses a type.
    ///
    /// # Errors
    /// [`InvalidEventType`] shows the text and the form asked for.
    pub fn parse(text: &str) -> Result<Self, InvalidEventType> {
        Self::check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The type of an event in another envelope, such as `com.example.someEvent` or `OBJECT_FINALIZE`: 1 to
    /// [`MAX_FOREIGN_BYTES`] bytes without control characters. No filter is made of it, and no handler registered for it
    /// by name unless it has our form too.
    ///
    /// # Errors
    /// [`InvalidEventType`] shows the text.
    pub fn foreign(text: &str) -> Result<Self, InvalidEventType> {
        let ok = (1..=MAX_FOREIGN_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
        ok.then(|| Self(text.to_owned()))
            .ok_or_else(|| InvalidEventType::new(text))
    }

    /// A type of our own that is written in this crate; a test parses each.
    pub(crate) fn known(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    fn check(text: &str) -> Result<(), InvalidEventType> {
        let ok = text.len() <= MAX_BYTES && text.contains('.') && text.split('.').all(is_word);
        ok.then_some(()).ok_or_else(|| InvalidEventType::new(text))
    }

    /// The type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EventPattern {
    /// Parses a type, or a category written `words.*`.
    ///
    /// # Errors
    /// [`InvalidEventType`] shows the text and the forms asked for.
    pub fn parse(text: &str) -> Result<Self, InvalidEventType> {
        let Some(category) = text.strip_suffix(".*") else {
            return EventType::parse(text).map(Self::Exact);
        };
        if text.len() <= MAX_BYTES && category.split('.').all(is_word) {
            Ok(Self::Category(format!("{category}.")))
        } else {
            Err(InvalidEventType::new(text))
        }
    }

    /// Whether an event of this type is asked for.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self {
            Self::Exact(wanted) => wanted == event_type,
            Self::Category(prefix) => event_type.0.starts_with(prefix),
        }
    }

    /// Whether everything that `other` asks for is asked for by this one too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Category(mine), Self::Category(theirs)) => theirs.starts_with(mine),
            (_, Self::Exact(theirs)) => self.matches(theirs),
            (Self::Exact(_), Self::Category(_)) => false,
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(event_type) => write!(f, "{event_type}"),
            Self::Category(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl FromStr for EventType {
    type Err = InvalidEventType;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for EventType {
    type Error = InvalidEventType;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::check(&text)?;
        Ok(Self(text))
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.0
    }
}

impl TryFrom<String> for EventPattern {
    type Error = InvalidEventType;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<EventPattern> for String {
    fn from(pattern: EventPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_types_of_the_catalogue() {
        for good in ["document.ingested", "system.health_check", "a.b.c"] {
            assert_eq!(EventType::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "document",
            "Document.ingested",
            "document.",
            ".x",
            "a..b",
            "a.b c",
            "document.*",
            "a.\"",
        ] {
            assert!(EventType::parse(bad).is_err(), "{bad:?} parsed");
        }
    }

    #[test]
    fn a_category_matches_its_types_only() {
        let documents = EventPattern::parse("document.*").unwrap();
        assert!(documents.matches(&EventType::parse("document.ingested").unwrap()));
        assert!(!documents.matches(&EventType::parse("documents.ingested").unwrap()));
        assert_eq!(documents.to_string(), "document.*");
        assert!(EventPattern::parse("*").is_err());
        assert!(EventPattern::parse("doc*").is_err());
    }

    #[test]
    fn covering_is_matching_everything_of_the_other() {
        let pattern = |text| EventPattern::parse(text).unwrap();
        assert!(pattern("a.*").covers(&pattern("a.b")));
        assert!(pattern("a.*").covers(&pattern("a.b.*")));
        assert!(!pattern("a.b.*").covers(&pattern("a.*")));
        assert!(!pattern("a.b").covers(&pattern("a.*")));
    }
}
