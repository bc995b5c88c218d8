//! Pure: how many messages wait for a worker, and whether that is certain.

use std::time::Duration;

use events::SubscriptionName;
use jiff::Timestamp;

/// After so long a subscription that Monitoring says nothing of is believed to be idle: a new one's first measurement may be
/// five minutes late, and one that has messages is measured.
const SILENCE: Duration = Duration::from_secs(900);

/// A subscription that a worker pulls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Its name.
    pub name: SubscriptionName,
    /// Not older than this.
    pub since: Timestamp,
}

/// How many messages wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Those that were measured. Some of them may be dropped by a filter, which Monitoring does not know.
    pub messages: u64,
    /// Whether there may be more, in subscriptions that are too new to be measured.
    pub in_doubt: bool,
}

impl Waiting {
    /// Whether a worker is wanted: only a certain nothing means no.
    #[must_use]
    pub fn wants_a_worker(&self) -> bool {
        self.messages > 0 || self.in_doubt
    }

    /// The number, unless it would be a zero that nobody has measured.
    #[must_use]
    pub fn certain(&self) -> Option<u64> {
        (self.messages > 0 || !self.in_doubt).then_some(self.messages)
    }
}

/// Sums up.
#[must_use]
pub fn waiting(
    pulled: &[Pulled],
    now: Timestamp,
    measured: impl Fn(&SubscriptionName) -> Option<u64>,
) -> Waiting {
    let mut sum = Waiting {
        messages: 0,
        in_doubt: false,
    };
    for one in pulled {
        match measured(&one.name) {
            Some(messages) => sum.messages = sum.messages.saturating_add(messages),
            None => sum.in_doubt |= now < one.since.saturating_add(SILENCE).unwrap_or(Timestamp::MAX),
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use events::ProjectId;

    use super::*;

    fn sum(measured: &[(&str, Option<u64>)], age: Duration) -> Waiting {
        let project = ProjectId::parse("acme-events").unwrap();
        let since = Timestamp::from_second(1_800_000_000).unwrap();
        let pulled: Vec<_> = measured
            .iter()
            .map(|(id, _)| Pulled {
                name: SubscriptionName::new(&project, id).unwrap(),
                since,
            })
            .collect();
        waiting(&pulled, since.saturating_add(age).unwrap(), |name| {
            measured.iter().find(|(id, _)| *id == name.id()).unwrap().1
        })
    }

    #[test]
    fn all_that_is_pulled_counts() {
        let both = sum(&[("sub-a", Some(3)), ("sub-b", Some(4))], Duration::ZERO);
        assert_eq!((both.certain(), both.wants_a_worker()), (Some(7), true));
    }

    #[test]
    fn only_a_certain_nothing_means_no() {
        let none = sum(&[("sub-a", Some(0))], Duration::ZERO);
        assert_eq!((none.certain(), none.wants_a_worker()), (Some(0), false));
        let new = sum(&[("sub-a", Some(0)), ("sub-b", None)], Duration::from_secs(60));
        assert_eq!((new.certain(), new.wants_a_worker()), (None, true));
        let some = sum(&[("sub-a", Some(2)), ("sub-b", None)], Duration::from_secs(60));
        assert_eq!((some.certain(), some.wants_a_worker()), (Some(2), true));
        let idle = sum(&[("sub-a", Some(0)), ("sub-b", None)], SILENCE);
        assert_eq!((idle.certain(), idle.wants_a_worker()), (Some(0), false));
        let nothing = sum(&[], Duration::ZERO);
        assert_eq!((nothing.certain(), nothing.wants_a_worker()), (Some(0), false));
    }
}
