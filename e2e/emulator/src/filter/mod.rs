//! The filter language of subscriptions: `attributes.k = "v"`, `attributes:k`, `hasPrefix`, `NOT`,
//! `AND`, `OR` and parentheses. Usable by itself: parse once, evaluate often, print back.
//!
//! `AND` and `OR` may not be mixed without parentheses, and all names are case-sensitive, as in the
//! [filter documentation](https://cloud.google.com/pubsub/docs/subscription-message-filter#filtering_syntax).

mod ast;
mod error;
mod evaluate;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

pub use ast::Filter;
pub use error::FilterError;

/// The longest filter that the service takes, in bytes.
pub const MAX_BYTES: usize = 256;
