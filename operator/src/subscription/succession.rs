//! Pure: which of an EventSubscription's subscriptions is the current one, and when one that was succeeded is empty.
//!
//! What Pub/Sub cannot change in place (a filter, ordering, the topic) is followed by another subscription under another
//! name. The worker pulls both; the old one goes when everything that was published before the switch is acknowledged on
//! it. The switch is written on the old subscription itself, in its label [`key::SWITCHED_AT`], after the new one was
//! seen to exist: so it survives a restart, a lost status and a restored cluster.

use std::time::Duration;

use events::{SubscriptionName, name::InvalidName};
use jiff::Timestamp;

use super::ownership::{key, switched_at};
use crate::{
    monitoring::{Oldest, Unread},
    pubsub::{Attachment, SubscriptionConfig},
};

/// Whether a subscription is as asked in everything that cannot be changed, the project among it.
#[must_use]
pub fn fits(found: &SubscriptionConfig, wanted: &SubscriptionConfig) -> bool {
    found.name.project() == wanted.name.project()
        && found.attachment == wanted.attachment
        && found.filter == wanted.filter
        && found.ordered == wanted.ordered
}

/// Whether a subscription listens to another topic than is wanted: then neither holds what is published to the other's, and
/// both are handled in full.
#[must_use]
pub fn listens_elsewhere(found: &SubscriptionConfig, wanted: &SubscriptionConfig) -> bool {
    found.attachment != Attachment::Lost && found.attachment != wanted.attachment
}

/// The name of the current subscription, among those of ours; `before` is the one that was current.
///
/// One that fits stays current, whatever it is called. One that was succeeded is never taken up again, even if its filter
/// is wanted once more: the worker may have been told to leave what was published since. Then, and where the name is
/// taken by one that does not fit, a successor's name is used.
///
/// # Errors
/// When the successor's name would be too long.
pub fn current(
    wanted: &SubscriptionConfig,
    ours: &[&SubscriptionConfig],
    before: Option<&SubscriptionName>,
) -> Result<SubscriptionName, InvalidName> {
    let may_be = |one: &&&SubscriptionConfig| fits(one, wanted) && !one.labels.contains_key(key::SWITCHED_AT);
    let fitting: Vec<_> = ours.iter().filter(may_be).map(|one| &one.name).collect();
    if let Some(same) = fitting.iter().find(|name| Some(**name) == before) {
        return Ok((*same).clone());
    }
    if let Some(first) = fitting.iter().min() {
        return Ok((*first).clone());
    }
    let taken = |name: &SubscriptionName| ours.iter().any(|one| one.name == *name);
    if !taken(&wanted.name) {
        return Ok(wanted.name.clone());
    }
    let mut n = 2;
    loop {
        let name = wanted.name.successor(n)?;
        if !taken(&name) {
            return Ok(name);
        }
        n += 1;
    }
}

/// What is known of a subscription that was succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Emptied {
    /// Everything published before the switch is acknowledged, or was dropped at the end of its retention.
    Yes,
    /// Not yet, or nobody knows; says why.
    NotYet(String),
}

/// Decides from evidence alone: what was measured after the switch, or the end of the retention. Where there is neither
/// it waits.
///
/// `margin` is how far the clocks of Pub/Sub, Monitoring and the operator may be apart, and how late a measurement may
/// notice a message.
#[must_use]
pub fn emptied(
    old: &SubscriptionConfig,
    oldest: &Result<Option<Oldest>, Unread>,
    margin: Duration,
    now: Timestamp,
) -> Emptied {
    let Some(switched) = switched_at(&old.labels) else {
        return Emptied::NotYet("the switch is being written down".to_owned());
    };
    let later = |duration: Duration| switched.saturating_add(duration).unwrap_or(Timestamp::MAX);
    if now > later(old.retention.saturating_add(margin)) {
        return Emptied::Yes;
    }
    match oldest {
        Err(Unread(why)) => Emptied::NotYet(format!("Cloud Monitoring cannot be asked: {why}")),
        Ok(None) => Emptied::NotYet(
            "Cloud Monitoring says nothing about it, which proves nothing; without a measurement it is kept for its retention"
                .to_owned(),
        ),
        Ok(Some(oldest)) if oldest.published() > later(margin) => Emptied::Yes,
        Ok(Some(oldest)) if oldest.at <= later(margin) => {
            Emptied::NotYet("there is no measurement from after the switch yet".to_owned())
        }
        Ok(Some(oldest)) => Emptied::NotYet(format!("its oldest message is of {}", oldest.published())),
    }
}

/// Decides whether a subscription to a topic that was left may be released. Its publishers may still use that topic, and only
/// time shows that they do not: everything in it is acknowledged, and nothing was delivered from it for a full retention after
/// the switch.
#[must_use]
pub fn is_vacated(
    old: &SubscriptionConfig,
    oldest: &Result<Option<Oldest>, Unread>,
    delivered: &Result<Option<u64>, Unread>,
    margin: Duration,
    now: Timestamp,
) -> Emptied {
    let not_yet = |why: String| Emptied::NotYet(why);
    let Some(switched) = switched_at(&old.labels) else {
        return not_yet("the switch is being written down".to_owned());
    };
    let quiet_from = switched
        .saturating_add(old.retention.saturating_add(margin))
        .unwrap_or(Timestamp::MAX);
    if now <= quiet_from {
        return not_yet(format!(
            "publishers may still use its topic, so it is kept until {quiet_from} at the least"
        ));
    }
    match (oldest, delivered) {
        (Err(Unread(why)), _) | (_, Err(Unread(why))) => {
            not_yet(format!("Cloud Monitoring cannot be asked: {why}"))
        }
        (Ok(None), Ok(_)) => {
            not_yet("Cloud Monitoring says nothing about it, which proves nothing".to_owned())
        }
        (Ok(Some(oldest)), Ok(_)) if oldest.at <= quiet_from || !oldest.age.is_zero() => {
            not_yet(format!("its oldest message is of {}", oldest.published()))
        }
        (Ok(Some(_)), Ok(Some(count @ 1..))) => not_yet(format!(
            "{count} messages were delivered from it within its retention: publishers still use its topic"
        )),
        (Ok(Some(_)), Ok(Some(0) | None)) => Emptied::Yes,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use events::{ProjectId, TopicName};

    use super::*;
    use crate::pubsub::Expiration;

    const MARGIN: Duration = Duration::from_secs(300);
    const HOUR: i64 = 3600;

    fn project() -> ProjectId {
        ProjectId::parse("acme-events").unwrap()
    }

    fn one(id: &str, filter: &str) -> SubscriptionConfig {
        SubscriptionConfig {
            name: SubscriptionName::new(&project(), id).unwrap(),
            attachment: Attachment::Topic(TopicName::new(&project(), "topic").unwrap()),
            filter: filter.to_owned(),
            ordered: false,
            ack_deadline: Duration::from_secs(60),
            retention: Duration::from_secs(24 * 3600),
            backoff: None,
            dead_letter: None,
            expiration: Expiration::Never,
            exactly_once: false,
            labels: BTreeMap::new(),
        }
    }

    fn switched(id: &str, filter: &str) -> SubscriptionConfig {
        let mut one = one(id, filter);
        one.labels.insert(key::SWITCHED_AT.to_owned(), "0".to_owned());
        one
    }

    fn name(wanted: &SubscriptionConfig, ours: &[SubscriptionConfig], before: Option<&str>) -> String {
        let before = before.map(|id| SubscriptionName::new(&project(), id).unwrap());
        let ours: Vec<_> = ours.iter().collect();
        current(wanted, &ours, before.as_ref()).unwrap().id().to_owned()
    }

    #[test]
    fn one_that_fits_stays_whatever_it_is_called() {
        let wanted = one("worker", "a");
        assert_eq!(name(&wanted, &[], None), "worker");
        assert_eq!(name(&wanted, &[one("worker", "a")], Some("worker")), "worker");
        assert_eq!(
            name(&wanted, &[one("worker-2", "a")], Some("worker-2")),
            "worker-2"
        );
        assert_eq!(
            name(&wanted, &[one("worker-2", "a")], None),
            "worker-2",
            "status may be lost"
        );
        let both = [one("worker", "a"), one("worker-2", "a")];
        assert_eq!(name(&wanted, &both, Some("worker-2")), "worker-2");
    }

    #[test]
    fn one_that_does_not_fit_is_succeeded() {
        let wanted = one("worker", "a");
        assert_eq!(name(&wanted, &[one("worker", "b")], Some("worker")), "worker-2");
        let mut lost = one("worker", "a");
        lost.attachment = Attachment::Lost;
        assert_eq!(name(&wanted, &[lost], Some("worker")), "worker-2");
        assert_eq!(
            name(&wanted, &[one("worker-x", "b")], Some("worker-x")),
            "worker",
            "a free name is used"
        );
    }

    #[test]
    fn one_that_was_succeeded_is_never_taken_up_again() {
        let wanted = one("worker", "a");
        let there_and_back = [switched("worker", "a"), one("worker-b", "b")];
        assert_eq!(name(&wanted, &there_and_back, Some("worker-b")), "worker-2");
        let again = [
            switched("worker", "a"),
            switched("worker-b", "b"),
            switched("worker-2", "a"),
        ];
        assert_eq!(name(&wanted, &again, None), "worker-3");
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn after(now: i64, oldest: Result<Option<(i64, u64)>, Unread>) -> Emptied {
        let oldest = oldest.map(|one| {
            one.map(|(second, age)| Oldest {
                at: at(second),
                age: Duration::from_secs(age),
            })
        });
        emptied(&switched("worker", "a"), &oldest, MARGIN, at(now))
    }

    #[test]
    fn only_evidence_from_after_the_switch_counts() {
        assert_eq!(after(HOUR, Ok(Some((HOUR, 0)))), Emptied::Yes);
        assert_eq!(
            after(HOUR, Ok(Some((HOUR, 3_200)))),
            Emptied::Yes,
            "what is there was published after it"
        );
        for (oldest, why) in [
            (Ok(Some((HOUR, 3_301))), "within the margin of the switch"),
            (Ok(Some((HOUR, 9_000))), "published before the switch"),
            (Ok(Some((300, 0))), "measured within the margin of the switch"),
            (Ok(Some((-10, 0))), "measured before the switch"),
            (Ok(None), "no series"),
            (Err(Unread("UNAVAILABLE".to_owned())), "Monitoring down"),
        ] {
            assert!(matches!(after(HOUR, oldest), Emptied::NotYet(_)), "{why}");
        }
    }

    #[test]
    fn the_end_of_the_retention_is_evidence_too() {
        let day = 24 * HOUR;
        assert!(matches!(after(day + 300, Ok(None)), Emptied::NotYet(_)));
        assert_eq!(after(day + 301, Ok(None)), Emptied::Yes);
        assert_eq!(after(day + 301, Err(Unread("down".to_owned()))), Emptied::Yes);
    }

    #[test]
    fn without_a_switch_nothing_is_empty() {
        let oldest = Ok(Some(Oldest {
            at: at(HOUR),
            age: Duration::ZERO,
        }));
        let one = one("worker", "a");
        assert!(matches!(
            emptied(&one, &oldest, MARGIN, at(HOUR)),
            Emptied::NotYet(_)
        ));
    }
}
