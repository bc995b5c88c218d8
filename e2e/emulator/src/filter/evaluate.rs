//! Does a message's attribute map satisfy a filter?

use super::ast::Filter;
use std::collections::HashMap;

impl Filter {
    /// True if a message with these attributes is delivered.
    #[must_use]
    pub fn matches(&self, attributes: &HashMap<String, String>) -> bool {
        match self {
            Self::Has(key) => attributes.contains_key(key),
            Self::Equals(key, value) => attributes.get(key) == Some(value),
            Self::NotEquals(key, value) => attributes.get(key) != Some(value),
            Self::HasPrefix(key, prefix) => attributes.get(key).is_some_and(|v| v.starts_with(prefix)),
            Self::Not(inner) => !inner.matches(attributes),
            Self::And(parts) => parts.iter().all(|part| part.matches(attributes)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(attributes)),
        }
    }
}
