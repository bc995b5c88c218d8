//! What topics and subscriptions are called: pure functions of prefix, key, tenant and filter.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Filter, TenantId};

/// The longest id of a topic or subscription
/// (<https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names>).
pub const MAX_ID: usize = 255;

/// The suffix that makes a topic's name its dead-letter topic's.
pub const DEAD_LETTER_SUFFIX: &str = "-dlq";

const WORKER_SUFFIX: &str = "-worker";

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not a project id.
    #[error(
        "{0:?} is not a project id: 6 to 30 characters of a-z 0-9 -, a letter first and no hyphen last (domain-scoped ids such as \"example.com:my-project\" are taken too)"
    )]
    Project(String),
    /// Not a Pub/Sub resource id.
    #[error(
        "{0:?} is not a Pub/Sub id: 3 to {MAX_ID} characters of A-Z a-z 0-9 - _ . ~ + %, a letter first, and not \"goog\" in front"
    )]
    Id(String),
    /// Not a full resource name.
    #[error("{0:?} is not of the form projects/PROJECT/{1}/ID")]
    Path(String, &'static str),
}

/// A Google Cloud project's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectId(Arc<str>);

impl ProjectId {
    /// Parses a project id (<https://cloud.google.com/resource-manager/docs/creating-managing-projects>).
    ///
    /// # Errors
    /// [`InvalidName::Project`] says what is allowed.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let id = text.split_once(':').map_or(text, |(_domain, id)| id);
        let domain_ok = text.split_once(':').is_none_or(|(domain, _id)| {
            !domain.is_empty() && domain.chars().all(|c| is_lower(c) || matches!(c, '-' | '.'))
        });
        let ok = domain_ok
            && (6..=30).contains(&id.len())
            && id.starts_with(|c: char| c.is_ascii_lowercase())
            && !id.ends_with('-')
            && id.chars().all(|c| is_lower(c) || c == '-');
        if ok {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName::Project(text.to_owned()))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// Whether Pub/Sub would take this as the id of a topic or subscription.
#[must_use]
pub fn is_resource_id(id: &str) -> bool {
    (3..=MAX_ID).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphabetic())
        && !id.starts_with("goog")
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '%'))
}

/// Makes a full resource name type; the two kinds differ in one path segment and must not be mixed up.
macro_rules! resource_name {
    ($(#[$doc:meta])* $name:ident, $collection:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name {
            project: ProjectId,
            id: Arc<str>,
        }

        impl $name {
            /// A name from its two parts.
            ///
            /// # Errors
            /// [`InvalidName::Id`] says what an id may hold.
            pub fn new(project: &ProjectId, id: &str) -> Result<Self, InvalidName> {
                if is_resource_id(id) {
                    Ok(Self { project: project.clone(), id: id.into() })
                } else {
                    Err(InvalidName::Id(id.to_owned()))
                }
            }

            /// Parses the full form.
            ///
            /// # Errors
            /// [`InvalidName`] says which part is wrong.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let path = || InvalidName::Path(text.to_owned(), $collection);
                let (project, id) = text
                    .strip_prefix("projects/")
                    .and_then(|rest| rest.split_once(concat!("/", $collection, "/")))
                    .ok_or_else(path)?;
                Self::new(&ProjectId::parse(project)?, id)
            }

            /// The project it lives in.
            #[must_use]
            pub fn project(&self) -> &ProjectId {
                &self.project
            }

            /// The last segment.
            #[must_use]
            pub fn id(&self) -> &str {
                &self.id
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("projects/{}/", $collection, "/{}"), self.project, self.id)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.to_string()
            }
        }
    };
}

resource_name!(
    /// A topic's full name, `projects/P/topics/T`.
    TopicName,
    "topics"
);
resource_name!(
    /// A subscription's full name, `projects/P/subscriptions/S`.
    SubscriptionName,
    "subscriptions"
);

impl TopicName {
    /// The topic that takes what this topic's subscriptions give up on.
    ///
    /// # Errors
    /// [`InvalidName::Id`] when the suffix makes it too long.
    pub fn dead_letter(&self) -> Result<Self, InvalidName> {
        Self::new(&self.project, &format!("{}{DEAD_LETTER_SUFFIX}", self.id))
    }
}

impl SubscriptionName {
    /// The subscription a tenant's worker pulls: `{topic}-{tenant}-worker`, and `-{8 hex}` of the filter when
    /// it is narrower than the tenant, because a filter cannot be changed in place: another filter is another name.
    ///
    /// # Errors
    /// [`InvalidName::Id`] when it would be longer than [`MAX_ID`].
    pub fn worker(
        project: &ProjectId,
        topic: &TopicName,
        tenant: &TenantId,
        filter: &Filter,
    ) -> Result<Self, InvalidName> {
        let base = Self::worker_prefix(topic, tenant);
        if filter.is_narrow() {
            Self::new(project, &format!("{base}-{}", filter.digest()))
        } else {
            Self::new(project, &base)
        }
    }

    /// What the id of each subscription begins with that a tenant's worker pulls for this topic.
    #[must_use]
    pub fn worker_prefix(topic: &TopicName, tenant: &TenantId) -> String {
        format!("{}-{tenant}{WORKER_SUFFIX}", topic.id)
    }

    /// The name of this subscription's n-th successor, `{name}-{n}`: what cannot be changed in place is followed by another
    /// of another name. `n` is 2 or more, and the 8 digits of a filter are never so few.
    ///
    /// # Errors
    /// [`InvalidName::Id`] when it would be longer than [`MAX_ID`].
    pub fn successor(&self, n: u32) -> Result<Self, InvalidName> {
        Self::new(&self.project, &format!("{}-{n}", self.id))
    }

    /// The subscription that keeps a tenant's dead letters: `{topic}-{tenant}-dlq`.
    ///
    /// # Errors
    /// [`InvalidName::Id`] when it would be longer than [`MAX_ID`].
    pub fn dead_letter(
        project: &ProjectId,
        topic: &TopicName,
        tenant: &TenantId,
    ) -> Result<Self, InvalidName> {
        Self::new(project, &format!("{}-{tenant}{DEAD_LETTER_SUFFIX}", topic.id))
    }

    /// Whether the name says that it is another tenant's: it has the form of the two above, and another tenant in it.
    /// A name of another form says nothing: in `orders-worker` there is no room for a topic and a tenant.
    #[must_use]
    pub fn is_of_another(&self, tenant: &TenantId) -> bool {
        let worker = self
            .id
            .rsplit_once(WORKER_SUFFIX)
            .filter(|(_, rest)| rest.is_empty() || rest.starts_with('-'))
            .map(|(before, _)| before);
        let before = worker.or_else(|| self.id.strip_suffix(DEAD_LETTER_SUFFIX));
        before
            .is_some_and(|before| names_topic_and_tenant(before) && !before.ends_with(&format!("-{tenant}")))
    }
}

/// Whether a text can be `{topic}-{tenant}`. Where the one ends and the other begins it does not say: both may hold hyphens.
fn names_topic_and_tenant(text: &str) -> bool {
    text.match_indices('-').any(|(at, _)| {
        let (topic, tenant) = text.split_at(at);
        is_resource_id(topic) && TenantId::parse(tenant.trim_start_matches('-')).is_ok()
    })
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProjectId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ProjectId {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ProjectId> for String {
    fn from(project: ProjectId) -> Self {
        project.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::EventPattern;

    fn project() -> ProjectId {
        ProjectId::parse("acme-events").unwrap()
    }

    fn topic(id: &str) -> TopicName {
        TopicName::new(&project(), id).unwrap()
    }

    #[test]
    fn names_read_as_documented() {
        let tenant = TenantId::parse("tenant-123").unwrap();
        let topic = topic("living-twin-document-events");
        let all = Filter::new(&tenant, &[]).unwrap();
        let some = Filter::new(&tenant, &[EventPattern::parse("document.ingested").unwrap()]).unwrap();
        let worker = |filter| SubscriptionName::worker(&project(), &topic, &tenant, filter).unwrap();
        assert_eq!(
            worker(&all).to_string(),
            "projects/acme-events/subscriptions/living-twin-document-events-tenant-123-worker"
        );
        assert_eq!(
            worker(&some).id(),
            format!("living-twin-document-events-tenant-123-worker-{}", some.digest())
        );
        assert_eq!(
            SubscriptionName::dead_letter(&project(), &topic, &tenant)
                .unwrap()
                .id(),
            "living-twin-document-events-tenant-123-dlq"
        );
        assert_eq!(
            topic.dead_letter().unwrap().id(),
            "living-twin-document-events-dlq"
        );
    }

    #[test]
    fn a_name_may_say_that_it_is_another_tenants() {
        let own = TenantId::parse("tenant-123").unwrap();
        for (id, another) in [
            ("events-tenant-123-worker", false),
            ("events-tenant-123-worker-0a1b2c3d", false),
            ("events-tenant-123-dlq", false),
            ("events-tenant-456-worker", true),
            ("events-tenant-456-worker-0a1b2c3d", true),
            ("events-tenant-1234-dlq", true),
            ("made-by-hand", false),
            ("orders-worker", false),
            ("orders-dlq", false),
            ("a-b-worker", false),
            ("an-orders-worker", false),
            ("events-456-dlq", true),
        ] {
            let name = SubscriptionName::new(&project(), id).unwrap();
            assert_eq!(name.is_of_another(&own), another, "{id}");
        }
    }

    #[test]
    fn a_bad_part_is_named() {
        for bad in ["ab", "9abc", "google-x", "a b c", "a/b"] {
            assert_eq!(TopicName::new(&project(), bad), Err(InvalidName::Id(bad.into())));
        }
        for bad in ["short", "Upper-case", "ends-in-", "9starts-with-digit", ":abcdef"] {
            assert!(ProjectId::parse(bad).is_err(), "{bad}");
        }
        assert!(ProjectId::parse("example.com:my-project").is_ok());
        assert!(SubscriptionName::parse("projects/acme-events/topics/abc").is_err());
    }

    proptest! {
        /// Two tenants, two filters or two purposes never share a subscription.
        #[test]
        fn names_are_injective(
            a in "[A-Za-z0-9._~-]{1,20}", b in "[A-Za-z0-9._~-]{1,20}", narrow_a: bool, narrow_b: bool,
        ) {
            let topic = topic("living-twin-events");
            let names = |id: &str, narrow: bool| {
                let tenant = TenantId::parse(id).unwrap();
                let types = if narrow { vec![EventPattern::parse("a.b").unwrap()] } else { vec![] };
                let filter = Filter::new(&tenant, &types).unwrap();
                (
                    SubscriptionName::worker(&project(), &topic, &tenant, &filter).unwrap(),
                    SubscriptionName::dead_letter(&project(), &topic, &tenant).unwrap(),
                )
            };
            let (worker_a, dead_a) = names(&a, narrow_a);
            let (worker_b, dead_b) = names(&b, narrow_b);
            prop_assert_eq!(worker_a == worker_b, a == b && narrow_a == narrow_b);
            prop_assert_eq!(dead_a == dead_b, a == b);
            for name in [&worker_a, &dead_a] {
                let own = TenantId::parse(&a).unwrap();
                prop_assert!(!name.is_of_another(&own));
            }
            prop_assert_ne!(worker_a, dead_b);
        }

        #[test]
        fn a_full_name_survives_its_text(id in "[A-Za-z][A-Za-z0-9._~+%-]{2,40}") {
            prop_assume!(!id.starts_with("goog"));
            let name = topic(&id);
            prop_assert_eq!(TopicName::parse(&name.to_string()).unwrap(), name);
        }
    }
}
