//! The parsed filter, and how it is written back.

use std::fmt::{self, Display, Write as _};

/// A parsed filter. Parentheses of the text are kept as nesting, so that printing and parsing again
/// gives the same value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// `attributes:key`
    Has(String),
    /// `attributes.key = "value"`
    Equals(String, String),
    /// `attributes.key != "value"`; true when the key is absent.
    NotEquals(String, String),
    /// `hasPrefix(attributes.key, "prefix")`
    HasPrefix(String, String),
    /// `NOT term` or `-term`
    Not(Box<Filter>),
    /// `a AND b AND …`, two or more
    And(Vec<Filter>),
    /// `a OR b OR …`, two or more
    Or(Vec<Filter>),
}

impl Filter {
    /// An equality that every matching message satisfies, if the filter has one at its top level.
    /// This is what lets a publish find its subscriptions without trying each.
    #[must_use]
    pub fn required_equality(&self) -> Option<(&str, &str)> {
        match self {
            Self::Equals(key, value) => Some((key, value)),
            Self::And(parts) => parts.iter().find_map(Self::required_equality),
            Self::Has(_) | Self::NotEquals(..) | Self::HasPrefix(..) | Self::Not(_) | Self::Or(_) => None,
        }
    }
}

impl Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Has(key) => write!(f, "attributes:{}", Key(key)),
            Self::Equals(key, value) => write!(f, "attributes.{} = {}", Key(key), Quoted(value)),
            Self::NotEquals(key, value) => write!(f, "attributes.{} != {}", Key(key), Quoted(value)),
            Self::HasPrefix(key, prefix) => {
                write!(f, "hasPrefix(attributes.{}, {})", Key(key), Quoted(prefix))
            }
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                operand(inner, f)
            }
            Self::And(parts) => joined(parts, " AND ", f),
            Self::Or(parts) => joined(parts, " OR ", f),
        }
    }
}

fn joined(parts: &[Filter], operator: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(operator)?;
        }
        if matches!(part, Filter::Not(_)) {
            write!(f, "{part}")?;
        } else {
            operand(part, f)?;
        }
    }
    Ok(())
}

/// What may follow an operator: a comparison as it is, anything compound in parentheses.
fn operand(filter: &Filter, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match filter {
        Filter::Has(_) | Filter::Equals(..) | Filter::NotEquals(..) | Filter::HasPrefix(..) => {
            write!(f, "{filter}")
        }
        Filter::Not(_) | Filter::And(_) | Filter::Or(_) => write!(f, "({filter})"),
    }
}

/// An attribute key: bare when the grammar allows it, else a string literal.
struct Key<'a>(&'a str);

impl Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = !self.0.is_empty()
            && !self.0.starts_with('-')
            && self
                .0
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if bare {
            f.write_str(self.0)
        } else {
            Quoted(self.0).fmt(f)
        }
    }
}

struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
