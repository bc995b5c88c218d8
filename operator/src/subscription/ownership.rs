//! Whose an object in Pub/Sub is: the stamp in its labels, and what follows from it. Names are a convenience; the
//! labels are the identity.

use std::{collections::BTreeMap, time::Duration};

use events::{Filter, TenantId};
use jiff::Timestamp;
use serde_json::Value;

use crate::{kubernetes::hash, pubsub::SubscriptionConfig};

/// Labels, as they stand in Pub/Sub.
pub mod key {
    /// On everything the operator makes.
    pub const MANAGED_BY: &str = "managed-by";
    /// The cluster whose operator owns it.
    pub const CLUSTER: &str = "event-operator-cluster";
    /// The Tenant (its metadata.name) it was made for.
    pub const TENANT: &str = "event-operator-tenant";
    /// The tenant id that it was made for, as [`super::id_label`] writes it. Names are given again, and another id is
    /// another customer.
    pub const TENANT_ID: &str = "event-operator-tenant-id";
    /// The topic's key.
    pub const SUBSCRIPTION: &str = "event-operator-subscription";
    /// What it is for: [`super::Role`].
    pub const ROLE: &str = "event-operator-role";
    /// When another subscription took its place, in seconds since 1970: it is emptied, and then deleted.
    pub const SWITCHED_AT: &str = "event-operator-switched-at";
    /// "true" on one whose topic was left for another: all of it is handled, whenever it was published.
    pub const LEFT_TOPIC: &str = "event-operator-left-topic";
    /// When its owner let it go, in seconds since 1970.
    pub const RELEASED_AT: &str = "event-operator-released-at";

    /// When a subscription that is pulled was made, in milliseconds since 1970. It tells a subscription from one of the same name
    /// before it, and is never changed: it says nothing of the owner, and so it is not one of [`ALL`].
    pub const MADE_AT: &str = "event-operator-made-at";

    /// All that say whose an object is.
    pub const ALL: [&str; 9] = [
        MANAGED_BY,
        CLUSTER,
        TENANT,
        TENANT_ID,
        SUBSCRIPTION,
        ROLE,
        SWITCHED_AT,
        LEFT_TOPIC,
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
    /// It is in a place that its Tenant was moved from, was empty, and is nobody's any more.
    Former,
}

impl Role {
    /// The value of [`key::ROLE`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::DeadLetter => "dead-letter",
            Self::Former => "former",
        }
    }

    /// What an object is for, as its labels say.
    #[must_use]
    pub fn of(labels: &BTreeMap<String, String>) -> Option<Self> {
        let said = labels.get(key::ROLE)?;
        [Self::Worker, Self::DeadLetter, Self::Former]
            .into_iter()
            .find(|role| role.as_str() == said)
    }

    /// Whether a worker pulls an object, as its labels say: whatever has no other role.
    #[must_use]
    pub fn is_pulled(labels: &BTreeMap<String, String>) -> bool {
        match Self::of(labels) {
            None | Some(Self::Worker) => true,
            Some(Self::DeadLetter | Self::Former) => false,
        }
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
    /// The Tenant's id; none where the Tenant is gone and nothing tells it any more.
    pub id: Option<TenantId>,
    /// The topic's key.
    pub subscription: String,
}

/// The value of [`key::TENANT_ID`]: 16 hexadecimal digits, because an id may hold what a label's value may not
/// (<https://cloud.google.com/pubsub/docs/create-topic-labels>: lower case letters, digits, `_` and `-`).
#[must_use]
pub fn id_label(id: &TenantId) -> String {
    hash(&Value::from(id.as_str()))
}

/// Whether an object was certainly made for another tenant id. The filter counts beside the label: it decides whose
/// messages there are, and objects made before there was a label have nothing else.
fn is_of_another_id(id: &TenantId, object: &SubscriptionConfig) -> bool {
    let by_label = object
        .labels
        .get(key::TENANT_ID)
        .is_some_and(|label| *label != id_label(id));
    by_label || Filter::tenant_of(&object.filter).is_some_and(|other| other != *id)
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
        let mut labels = BTreeMap::from(
            [
                (key::ROLE, role.as_str()),
                (key::MANAGED_BY, OPERATOR),
                (key::CLUSTER, &self.cluster),
                (key::TENANT, &self.tenant),
                (key::SUBSCRIPTION, &self.subscription),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        labels.extend(
            self.id
                .as_ref()
                .map(|id| (key::TENANT_ID.to_owned(), id_label(id))),
        );
        labels
    }

    /// Whether a subscription is ours.
    #[must_use]
    pub fn claim(&self, object: &SubscriptionConfig, rules: &Rules, now: Timestamp) -> Claim {
        let label = |key: &str| object.labels.get(key).map(String::as_str);
        // Nothing lifts this, the adopt annotation least of all: its messages are another customer's.
        if let Some(id) = self.id.as_ref().filter(|id| is_of_another_id(id, object)) {
            return Claim::Foreign(format!(
                "it holds messages of another tenant id than {:?}; another id is another customer",
                id.as_str()
            ));
        }
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
            id: Some(TenantId::parse("cust-1").unwrap()),
            subscription: "user-events".into(),
        }
    }

    fn subscription(labels: BTreeMap<String, String>, filter: &str) -> SubscriptionConfig {
        SubscriptionConfig {
            filter: filter.to_owned(),
            labels,
            ..SubscriptionConfig::bare("projects/acme-events/subscriptions/user-events")
        }
    }

    fn claim(change: impl Fn(&mut BTreeMap<String, String>), adopt: bool) -> Claim {
        let mut labels = stamp().labels(Role::Worker);
        change(&mut labels);
        claim_of(&subscription(labels, ""), adopt)
    }

    fn claim_of(subscription: &SubscriptionConfig, adopt: bool) -> Claim {
        let rules = Rules {
            adopt,
            adopt_from: vec!["old".into()],
            retain_for: Duration::from_secs(100),
        };
        stamp().claim(subscription, &rules, Timestamp::from_second(1000).unwrap())
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
    fn another_id_is_another_customer_whatever_else_fits() {
        let ours = stamp().labels(Role::Worker);
        let mut from_before = ours.clone();
        from_before.remove(key::TENANT_ID);
        let mut another = ours.clone();
        another.insert(
            key::TENANT_ID.into(),
            id_label(&TenantId::parse("cust-2").unwrap()),
        );
        let released = (key::RELEASED_AT.to_owned(), "999".to_owned());
        let (first, second) = (
            r#"attributes.tenant_id = "cust-1""#,
            r#"attributes.tenant_id = "cust-2" AND attributes.event_type = "a.b""#,
        );
        for (labels, filter, is_ours) in [
            (&ours, first, true),
            (&from_before, first, true),
            (&from_before, "", true),
            (&ours, second, false),
            (&from_before, second, false),
            (&another, first, false),
            (&BTreeMap::new(), first, true),
            (&BTreeMap::new(), second, false),
        ] {
            for released in [None, Some(released.clone())] {
                let mut labels = labels.clone();
                if !labels.is_empty() {
                    labels.extend(released);
                }
                let claim = claim_of(&subscription(labels.clone(), filter), true);
                assert_eq!(claim == Claim::Ours, is_ours, "{labels:?} {filter}");
            }
        }
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
