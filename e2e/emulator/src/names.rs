//! Resource names, checked once at the border: `projects/{project}/{collection}/{id}`.

use crate::{
    limits::ID_LENGTH,
    status::{Result, Status},
};
use std::{fmt, sync::Arc};

/// What a subscription's `topic` reads after its topic was deleted.
pub const DELETED_TOPIC: &str = "_deleted-topic_";

/// The collections of Pub/Sub, and the project above them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Topic,
    Subscription,
    Snapshot,
    Schema,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Topic, Self::Subscription, Self::Snapshot, Self::Schema];

    pub(crate) fn collection(self) -> &'static str {
        match self {
            Self::Topic => "topics",
            Self::Subscription => "subscriptions",
            Self::Snapshot => "snapshots",
            Self::Schema => "schemas",
        }
    }

    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Subscription => "subscription",
            Self::Snapshot => "snapshot",
            Self::Schema => "schema",
        }
    }
}

/// A valid full resource name. Cheap to clone, ordered as text, so that lists page by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    text: Arc<str>,
    kind: Kind,
}

impl Name {
    pub(crate) fn topic(text: &str) -> Result<Self> {
        Self::parse(Kind::Topic, text)
    }

    pub(crate) fn subscription(text: &str) -> Result<Self> {
        Self::parse(Kind::Subscription, text)
    }

    pub(crate) fn snapshot(text: &str) -> Result<Self> {
        Self::parse(Kind::Snapshot, text)
    }

    pub(crate) fn schema(text: &str) -> Result<Self> {
        Self::parse(Kind::Schema, text)
    }

    /// Any of the four kinds, as IAM calls take them.
    pub(crate) fn any(text: &str) -> Result<Self> {
        Kind::ALL
            .into_iter()
            .find(|kind| text.split('/').nth(2) == Some(kind.collection()))
            .ok_or_else(|| Status::invalid(format!("Invalid resource name given (name={text}).")))
            .and_then(|kind| Self::parse(kind, text))
    }

    fn parse(kind: Kind, text: &str) -> Result<Self> {
        let mut parts = text.split('/');
        let well_formed = parts.next() == Some("projects")
            && parts.next().is_some_and(is_project)
            && parts.next() == Some(kind.collection())
            && parts.next().is_some_and(is_id)
            && parts.next().is_none();
        if well_formed {
            Ok(Self {
                text: text.into(),
                kind,
            })
        } else {
            Err(invalid(kind, text))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn project(&self) -> &str {
        self.text.split('/').nth(1).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }
}

/// The text decides the kind, so both orders agree; it lets a project's resources be a range of keys.
impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn invalid(kind: Kind, text: &str) -> Status {
    Status::invalid(format!(
        "Invalid resource name given (name={text}). Expected projects/{{project}}/{}/{{{}}}, whose id begins with a \
         letter, does not begin with \"goog\", and has 3 to 255 letters, digits or any of \"-_.~+%\".",
        kind.collection(),
        kind.singular()
    ))
}

/// The project of `projects/{project}`.
pub(crate) fn project(text: &str) -> Result<&str> {
    text.strip_prefix("projects/")
        .filter(|id| is_project(id))
        .ok_or_else(|| Status::invalid(format!("Invalid project name given (name={text}).")))
}

/// Project ids (with an optional domain prefix, `example.com:project`) and project numbers.
fn is_project(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 128
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'_'))
}

fn is_id(id: &str) -> bool {
    ID_LENGTH.contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphabetic())
        && !id.starts_with("goog")
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.~+%".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_documented() {
        let ok = |id: &str| Name::topic(&format!("projects/p/topics/{id}")).is_ok();
        assert!(ok("abc") && ok("a-_.~+%9") && ok(&"a".repeat(255)));
        assert!(
            !ok("ab") && !ok("1bc") && !ok("googly") && !ok("a/b") && !ok("a b") && !ok(&"a".repeat(256))
        );
        assert!(Name::topic("projects/p/subscriptions/abc").is_err());
        assert!(Name::topic("projects//topics/abc").is_err());
        assert!(Name::topic("topics/abc").is_err());
        assert_eq!(
            Name::any("projects/p/snapshots/abc").unwrap().kind(),
            Kind::Snapshot
        );
    }

    #[test]
    fn parts_are_what_they_say() {
        let name = Name::subscription("projects/example.com:p/subscriptions/sub").unwrap();
        assert_eq!((name.project(), name.id()), ("example.com:p", "sub"));
    }
}
