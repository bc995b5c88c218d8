//! Pure: what is known of the rights on a subscription that is pulled. A policy costs a call for each subscription, where
//! the rest costs a page for a thousand of them; so status keeps when they were seen to be as wanted, and a restart of the
//! operator reads none that was seen within `iamResync`.
//!
//! Status is evidence of one incarnation and one wish only: a subscription that was made again, another worker or another
//! identity has another fingerprint, and is looked at.

use std::time::Duration;

use crds::AccessVerified;
use jiff::Timestamp;
use serde_json::json;

use super::ownership::key;
use crate::{
    kubernetes::hash,
    pubsub::{Grant, Policy, SubscriptionConfig},
};

/// Who has rights on a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// These have, as its policy says.
    Read(Policy),
    /// Those who are wanted, as was seen not long ago.
    Verified,
}

impl Access {
    /// What has to be changed, if anything.
    #[must_use]
    pub const fn policy(&self) -> Option<&Policy> {
        match self {
            Self::Read(policy) => Some(policy),
            Self::Verified => None,
        }
    }
}

/// What status says of an earlier look, and when it counts.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// The look.
    pub seen: Option<&'a AccessVerified>,
    /// It counts so long.
    pub max_age: Duration,
    /// The time.
    pub now: Timestamp,
}

impl Earlier<'_> {
    /// Whether these rights were seen on this subscription, not too long ago. A time that is still to come proves nothing.
    #[must_use]
    pub fn saw(&self, config: &SubscriptionConfig, grants: &[Grant]) -> bool {
        self.seen.is_some_and(|seen| {
            let age = self.now.duration_since(seen.at.0);
            !age.is_negative()
                && age.unsigned_abs() < self.max_age
                && seen.fingerprint == fingerprint(config, grants)
        })
    }
}

/// Stands for this subscription, in this incarnation, with these rights: 16 hexadecimal digits.
#[must_use]
pub fn fingerprint(config: &SubscriptionConfig, grants: &[Grant]) -> String {
    let made_at = config.labels.get(key::MADE_AT).map_or("", String::as_str);
    let mut rights: Vec<_> = grants
        .iter()
        .map(|grant| (grant.role, grant.member.as_str()))
        .collect();
    rights.sort_unstable();
    hash(&json!([config.name.to_string(), made_at, rights]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::pubsub::policy::SUBSCRIBER;

    const DAY: Duration = Duration::from_secs(86_400);

    fn made(at: &str) -> SubscriptionConfig {
        SubscriptionConfig {
            labels: BTreeMap::from([(key::MADE_AT.to_owned(), at.to_owned())]),
            ..SubscriptionConfig::bare("projects/acme-events/subscriptions/orders-acme-worker")
        }
    }

    fn to(members: &[&str]) -> Vec<Grant> {
        let grant = |member: &&str| Grant {
            role: SUBSCRIBER,
            member: (*member).to_owned(),
        };
        members.iter().map(grant).collect()
    }

    /// Seen a thousand seconds after 1970, on the subscription made at "1", with the rights of "a" and "b".
    fn is_trusted(now: i64, config: &SubscriptionConfig, grants: &[Grant]) -> bool {
        let seen = AccessVerified {
            at: Time(Timestamp::from_second(1000).unwrap()),
            fingerprint: fingerprint(&made("1"), &to(&["a", "b"])),
        };
        let earlier = Earlier {
            seen: Some(&seen),
            max_age: DAY,
            now: Timestamp::from_second(now).unwrap(),
        };
        earlier.saw(config, grants)
    }

    #[test]
    fn it_counts_for_a_while() {
        let both = to(&["a", "b"]);
        assert!(is_trusted(1000, &made("1"), &both));
        assert!(is_trusted(1000 + 86_399, &made("1"), &both));
        assert!(!is_trusted(1000 + 86_400, &made("1"), &both));
        assert!(
            !is_trusted(999, &made("1"), &both),
            "a clock that was set back proves nothing"
        );
    }

    #[test]
    fn it_counts_for_this_incarnation_and_these_rights_alone() {
        assert!(is_trusted(1001, &made("1"), &to(&["b", "a"])));
        assert!(
            !is_trusted(1001, &made("2"), &to(&["a", "b"])),
            "it was made again"
        );
        assert!(!is_trusted(1001, &made("1"), &to(&["a"])));
        assert!(!is_trusted(1001, &made("1"), &to(&["a", "c"])), "another worker");
    }

    #[test]
    fn without_an_earlier_look_nothing_is_trusted() {
        let earlier = Earlier {
            seen: None,
            max_age: DAY,
            now: Timestamp::UNIX_EPOCH,
        };
        assert!(!earlier.saw(&made("1"), &[]));
    }
}
