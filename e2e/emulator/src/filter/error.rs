//! Why a text is not a filter.

use thiserror::Error;

/// Why a text is not a filter; positions are byte offsets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Longer than the service takes.
    #[error("filter is {bytes} bytes long; at most {max} are allowed", max = super::MAX_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A character that begins no token.
    #[error("unexpected character {found:?} at position {at}")]
    Character {
        /// What stands there.
        found: char,
        /// Where.
        at: usize,
    },
    /// A string literal without its closing quote.
    #[error("unterminated string that begins at position {at}")]
    Unterminated {
        /// Where the string begins.
        at: usize,
    },
    /// A backslash followed by nothing that is an escape.
    #[error("invalid escape sequence at position {at}")]
    Escape {
        /// Where the backslash stands.
        at: usize,
    },
    /// The grammar wanted something else here.
    #[error("expected {expected} at position {at}, found {found}")]
    Expected {
        /// What the grammar allows here.
        expected: &'static str,
        /// What stands there.
        found: String,
        /// Where.
        at: usize,
    },
    /// `a AND b OR c`: the language has no precedence between the two.
    #[error("AND and OR cannot be mixed without parentheses (position {at})")]
    Mixed {
        /// Where the second operator stands.
        at: usize,
    },
}
