//! Whose an object in Pub/Sub is: the stamp in its labels, and what follows from it. Names are a convenience; the
//! labels are the identity.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

/// Labels, as they stand in Pub/Sub.
pub mod key {
    /// On everything the operator makes.
    pub const MANAGED_BY: &str = "managed-by";
    /// The cluster whose operator owns it.
    pub const CLUSTER: &str = "event-operator-cluster";
    /// The Tenant (its metadata.name) it was made for.
    pub const TENANT: &str = "event-operator-tenant";
    /// The topic's key.
    pub const SUBSCRIPTION: &str = "event-operator-subscription";
    /// What it is for: [`super::Role`].
    pub const ROLE: &str = "event-operator-role";
    /// When another subscription took its place, in seconds since 1970: it is emptied, and then deleted.
    pub const SWITCHED_AT: &str = "event-operator-switched-at";
    /// When its owner let it go, in seconds since 1970.
    pub const RELEASED_AT: &str = "event-operator-released-at";

    /// When a subscription that is pulled was made, in milliseconds since 1970. It tells a subscription from one of the same name
    /// before it, and is never changed: it says nothing of the owner, and so it is not one of [`ALL`].
    pub const MADE_AT: &str = "event-operator-made-at";

    /// All that say whose an object is.
    pub const ALL: [&str; 7] = [
        MANAGED_BY,
        CLUSTER,
        TENANT,
        SUBSCRIPTION,
        ROLE,
        SWITCHED_AT,
        RELEASED_AT,
    ];
}

/// What a subscription is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The worker pulls it.
    Worker,
    /// It keeps dead letters.
    DeadLetter,
}

impl Role {
    /// The value of [`key::ROLE`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::DeadLetter => "dead-letter",
        }
    }

    /// What an object is for, as its labels say.
    #[must_use]
    pub fn of(labels: &BTreeMap<String, String>) -> Option<Self> {
        let said = labels.get(key::ROLE)?;
        [Self::Worker, Self::DeadLetter]
            .into_iter()
            .find(|role| role.as_str() == said)
    }

    /// Whether a worker pulls an object, as its labels say: whatever does not keep dead letters.
    #[must_use]
    pub fn is_pulled(labels: &BTreeMap<String, String>) -> bool {
        Self::of(labels) != Some(Self::DeadLetter)
    }
}

/// When a subscription was succeeded by another, if it was.
#[must_use]
pub fn switched_at(labels: &BTreeMap<String, String>) -> Option<Timestamp> {
    let seconds = labels.get(key::SWITCHED_AT)?.parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

/// The value of [`key::MANAGED_BY`].
pub const OPERATOR: &str = "event-operator";

/// Who owns an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The cluster's id.
    pub cluster: String,
    /// The Tenant's metadata.name.
    pub tenant: String,
    /// The topic's key.
    pub subscription: String,
}

/// What may be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The Tenant's adopt annotation.
    pub adopt: bool,
    /// Clusters whose objects may be taken over.
    pub adopt_from: Vec<String>,
    /// How long after its release an object is taken back without being asked.
    pub retain_for: Duration,
}

impl Rules {
    /// What holds when nobody asked to take anything over.
    #[must_use]
    pub const fn unasked(retain_for: Duration) -> Self {
        Self {
            adopt: false,
            adopt_from: Vec::new(),
            retain_for,
        }
    }
}

/// Whether an object is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is, and may be changed.
    Ours,
    /// It is not, and must not be touched; says why and what to do.
    Foreign(String),
}

impl Stamp {
    /// The stamp as labels, for an object of this role.
    #[must_use]
    pub fn labels(&self, role: Role) -> BTreeMap<String, String> {
        BTreeMap::from(
            [
                (key::ROLE, role.as_str()),
                (key::MANAGED_BY, OPERATOR),
                (key::CLUSTER, &self.cluster),
                (key::TENANT, &self.tenant),
                (key::SUBSCRIPTION, &self.subscription),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        )
    }

    /// Whether an object with these labels is ours.
    #[must_use]
    pub fn claim(&self, labels: &BTreeMap<String, String>, rules: &Rules, now: Timestamp) -> Claim {
        let label = |key: &str| labels.get(key).map(String::as_str);
        let adopt_hint = "to take it over, annotate the Tenant with events.livingtwin.io/adopt=true";
        let Some(cluster) = label(key::CLUSTER) else {
            return if rules.adopt {
                Claim::Ours
            } else {
                Claim::Foreign(format!(
                    "it exists and carries no stamp of this operator; {adopt_hint}"
                ))
            };
        };
        if cluster != self.cluster && !rules.adopt_from.iter().any(|id| id == cluster) {
            return Claim::Foreign(format!(
                "it belongs to the operator of cluster {cluster:?}; to take it over, add that id to the operator's adoptFrom"
            ));
        }
        let tenant = label(key::TENANT).unwrap_or_default();
        let same = tenant == self.tenant && label(key::SUBSCRIPTION) == Some(&self.subscription);
        match (label(key::RELEASED_AT), same) {
            (None, true) => Claim::Ours,
            (None, false) => Claim::Foreign(format!(
                "it belongs to Tenant {tenant:?}, which has not let it go"
            )),
            (Some(_), _) if rules.adopt => Claim::Ours,
            (Some(released), true) if within(released, rules.retain_for, now) => Claim::Ours,
            (Some(_), true) => Claim::Foreign(format!(
                "it was kept for an earlier Tenant of this name longer ago than retainFor, and this may be a new customer; {adopt_hint}"
            )),
            (Some(_), false) => Claim::Foreign(format!(
                "it was kept for an earlier Tenant {tenant:?}; {adopt_hint}"
            )),
        }
    }
}

fn within(released: &str, retain_for: Duration, now: Timestamp) -> bool {
    let Ok(released) = released.parse::<i64>() else {
        return false;
    };
    let age = now.as_second().saturating_sub(released);
    // Clocks differ: an object released "in the future" was released just now.
    u64::try_from(age).unwrap_or(0) <= retain_for.as_secs()
}

/// The labels an object should have: those of others stay, ours are exactly as wanted.
#[must_use]
pub fn merged(
    present: &BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = present
        .iter()
        .filter(|(key, _)| !key::ALL.contains(&key.as_str()))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    labels.extend(wanted.iter().map(|(k, v)| (k.clone(), v.clone())));
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            cluster: "here".into(),
            tenant: "acme".into(),
            subscription: "user-events".into(),
        }
    }

    fn claim(change: impl Fn(&mut BTreeMap<String, String>), adopt: bool) -> Claim {
        let mut labels = stamp().labels(Role::Worker);
        change(&mut labels);
        let rules = Rules {
            adopt,
            adopt_from: vec!["old".into()],
            retain_for: Duration::from_secs(100),
        };
        stamp().claim(&labels, &rules, Timestamp::from_second(1000).unwrap())
    }

    fn set(key: &'static str, value: &'static str) -> impl Fn(&mut BTreeMap<String, String>) {
        move |labels| {
            labels.insert(key.into(), value.into());
        }
    }

    #[test]
    fn the_stamp_decides() {
        assert_eq!(claim(|_| {}, false), Claim::Ours);
        assert!(matches!(claim(BTreeMap::clear, false), Claim::Foreign(_)));
        assert_eq!(claim(BTreeMap::clear, true), Claim::Ours);
        assert!(
            matches!(claim(set(key::CLUSTER, "other"), true), Claim::Foreign(_)),
            "only adoptFrom helps"
        );
        assert_eq!(claim(set(key::CLUSTER, "old"), false), Claim::Ours);
        assert!(
            matches!(claim(set(key::TENANT, "else"), true), Claim::Foreign(_)),
            "a living owner keeps it"
        );
    }

    #[test]
    fn what_was_let_go_returns_for_a_while() {
        assert_eq!(claim(set(key::RELEASED_AT, "901"), false), Claim::Ours);
        assert_eq!(claim(set(key::RELEASED_AT, "5000"), false), Claim::Ours);
        assert!(matches!(
            claim(set(key::RELEASED_AT, "899"), false),
            Claim::Foreign(_)
        ));
        assert!(matches!(
            claim(set(key::RELEASED_AT, "soon"), false),
            Claim::Foreign(_)
        ));
        assert_eq!(claim(set(key::RELEASED_AT, "899"), true), Claim::Ours);
    }

    #[test]
    fn labels_of_others_stay() {
        let present = BTreeMap::from([
            ("team".to_owned(), "a".to_owned()),
            (key::RELEASED_AT.to_owned(), "9".to_owned()),
        ]);
        let labels = merged(&present, &stamp().labels(Role::Worker));
        assert_eq!(labels.get("team").map(String::as_str), Some("a"));
        assert!(!labels.contains_key(key::RELEASED_AT));
    }
}
