//! The filter of a tenant's subscription, in Pub/Sub's filter language
//! (<https://cloud.google.com/pubsub/docs/subscription-message-filter>).

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{EventPattern, TenantId};

/// The longest filter Pub/Sub takes, in bytes.
pub const MAX_BYTES: usize = 256;

/// Lets through one tenant's messages, all of them or only some event types.
///
/// It is built from parsed parts only, so that no text of a user can become syntax, and holds its event
/// types in one canonical order, so that the same wish always reads the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    text: String,
    narrow: bool,
}

/// The filter would be longer than Pub/Sub allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the filter is {bytes} bytes long and Pub/Sub takes {MAX_BYTES}: name fewer event types, or a whole category such as \"document.*\""
)]
pub struct FilterTooLong {
    /// How long it would be.
    pub bytes: usize,
}

impl Filter {
    /// The filter for one tenant; an empty list of event types means all of them.
    ///
    /// # Errors
    /// [`FilterTooLong`] with the length it would have.
    pub fn new(tenant: &TenantId, event_types: &[EventPattern]) -> Result<Self, FilterTooLong> {
        let tenant_clause = tenant_clause(tenant);
        let clauses: Vec<String> = canonical(event_types).into_iter().map(clause).collect();
        let text = match clauses.as_slice() {
            [] => tenant_clause,
            [only] => format!("{tenant_clause} AND {only}"),
            several => format!("{tenant_clause} AND ({})", several.join(" OR ")),
        };
        if text.len() > MAX_BYTES {
            return Err(FilterTooLong { bytes: text.len() });
        }
        Ok(Self {
            text,
            narrow: !clauses.is_empty(),
        })
    }

    /// The filter for everything of one tenant; always short enough, because an id is.
    #[must_use]
    pub fn all_of(tenant: &TenantId) -> Self {
        Self {
            text: tenant_clause(tenant),
            narrow: false,
        }
    }

    /// The tenant that a filter of one of the forms above lets through; none for a filter of any other form, which may
    /// let through anybody's messages.
    #[must_use]
    pub fn tenant_of(text: &str) -> Option<TenantId> {
        let quoted = text.strip_prefix(TENANT_IS)?.strip_prefix('"')?;
        let (id, rest) = quoted.split_once('"')?;
        let is_narrowed_at_most = rest.is_empty() || rest.starts_with(" AND ");
        TenantId::parse(id).ok().filter(|_| is_narrowed_at_most)
    }

    /// The filter as Pub/Sub reads it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it lets through less than all of the tenant's messages.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        self.narrow
    }

    /// Eight hex digits that stand for this filter in a subscription's name.
    #[must_use]
    pub fn digest(&self) -> String {
        let hash = Sha256::digest(self.text.as_bytes());
        let head = hash.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        format!("{head:08x}")
    }
}

/// Sorted, without repeats, and without what a category of the list covers anyway.
fn canonical(event_types: &[EventPattern]) -> Vec<&EventPattern> {
    let mut patterns: Vec<&EventPattern> = event_types.iter().collect();
    patterns.sort_unstable();
    patterns.dedup();
    let all = patterns.clone();
    patterns.retain(|pattern| !all.iter().any(|other| other != pattern && other.covers(pattern)));
    patterns
}

/// What every filter begins with; the tenant's id in quotes follows.
const TENANT_IS: &str = "attributes.tenant_id = ";

fn tenant_clause(tenant: &TenantId) -> String {
    format!("{TENANT_IS}{}", quote(tenant.as_str()))
}

fn clause(pattern: &EventPattern) -> String {
    match pattern {
        EventPattern::Exact(event_type) => format!("attributes.event_type = {}", quote(event_type.as_str())),
        EventPattern::Category(prefix) => format!("hasPrefix(attributes.event_type, {})", quote(prefix)),
    }
}

/// The one place where text becomes a string literal of the filter language. The parsed types need no
/// escape today; it stands here so that widening one of them cannot open a hole.
fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(types: &[&str]) -> Result<Filter, FilterTooLong> {
        let patterns: Vec<_> = types
            .iter()
            .map(|text| EventPattern::parse(text).unwrap())
            .collect();
        Filter::new(&TenantId::parse("tenant-123").unwrap(), &patterns)
    }

    #[test]
    fn reads_as_documented() {
        assert_eq!(
            filter(&[]).unwrap().as_str(),
            r#"attributes.tenant_id = "tenant-123""#
        );
        assert_eq!(
            filter(&["b.c", "a.b"]).unwrap().as_str(),
            r#"attributes.tenant_id = "tenant-123" AND (attributes.event_type = "a.b" OR attributes.event_type = "b.c")"#
        );
        assert_eq!(
            filter(&["document.*"]).unwrap().as_str(),
            r#"attributes.tenant_id = "tenant-123" AND hasPrefix(attributes.event_type, "document.")"#
        );
    }

    #[test]
    fn names_its_tenant_and_no_other_filter_does() {
        let tenant = TenantId::parse("tenant-123").unwrap();
        for types in [&[][..], &["a.b"], &["document.*", "user.login"]] {
            let text = filter(types).unwrap();
            assert_eq!(Filter::tenant_of(text.as_str()), Some(tenant.clone()), "{text}");
        }
        for other in [
            "",
            "attributes.tenant_id",
            r#"NOT attributes.tenant_id = "tenant-123""#,
            r#"attributes.tenant_id != "tenant-123""#,
            r#"attributes.tenant_id = "tenant-123" OR attributes.tenant_id = "other""#,
            r#"attributes.tenant_id = "tenant 123""#,
            r#"attributes.tenant_id = "tenant-123"#,
        ] {
            assert_eq!(Filter::tenant_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_same_wish_has_the_same_text() {
        assert_eq!(
            filter(&["b.c", "a.b", "b.c"]).unwrap(),
            filter(&["a.b", "b.c"]).unwrap()
        );
        assert_eq!(filter(&["a.*", "a.b"]).unwrap(), filter(&["a.*"]).unwrap());
    }

    #[test]
    fn is_never_longer_than_pubsub_takes() {
        let long = "x".repeat(60);
        let types: Vec<String> = (0..3).map(|i| format!("document.{long}{i}")).collect();
        let error = filter(&types.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err();
        assert!(error.bytes > MAX_BYTES);
        assert!(error.to_string().contains(&error.bytes.to_string()));
    }

    #[test]
    fn quotes_what_would_be_syntax() {
        assert_eq!(quote(r#"a"b\c"#), r#""a\"b\\c""#);
    }
}
