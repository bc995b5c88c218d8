//! Conditions as values: pure, with the time and the previous ones given, so that nothing changes that need not.

use crds::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The longest message; longer ones say nothing more to people.
const MAX_MESSAGE: usize = 1024;

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Truth {
    /// As it is written in status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// The sum of a reconcile: it becomes `Ready`, `Reconciling` and `Stalled`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether everything is as asked.
    pub ready: bool,
    /// Whether the operator goes on by itself; `false` without `ready` means stalled.
    pub working: bool,
    /// Why, in a word.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: String,
}

impl Verdict {
    /// Everything is as asked.
    #[must_use]
    pub fn ready(message: impl Into<String>) -> Self {
        Self {
            ready: true,
            working: false,
            reason: Reason::Succeeded,
            message: message.into(),
        }
    }

    /// Not yet, but the operator goes on by itself.
    #[must_use]
    pub fn working(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            ready: false,
            working: true,
            reason,
            message: message.into(),
        }
    }

    /// What a failure comes to.
    #[must_use]
    pub fn failed(failure: &crate::failure::Failure) -> Self {
        let stalled = failure.class.treatment().stalled;
        Self {
            ready: false,
            working: !stalled,
            reason: failure.reason,
            message: failure.message.clone(),
        }
    }
}

/// A status' conditions in the making.
pub struct Conditions<'a> {
    previous: &'a [Condition],
    generation: Option<i64>,
    now: Timestamp,
    list: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    /// Starts from the previous ones, for this generation.
    #[must_use]
    pub fn new(previous: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self {
            previous,
            generation,
            now,
            list: Vec::new(),
        }
    }

    /// Says one condition; its transition time stays where its status stays.
    pub fn say(&mut self, type_: ConditionType, truth: Truth, reason: Reason, message: impl Into<String>) {
        let status = truth.as_str();
        let since = crds::condition::find(self.previous, type_)
            .filter(|before| before.status == status)
            .map_or(Time(self.now), |before| before.last_transition_time.clone());
        self.list.push(Condition {
            type_: type_.as_str().to_owned(),
            status: status.to_owned(),
            reason: reason.as_str().to_owned(),
            message: message.into().chars().take(MAX_MESSAGE).collect(),
            observed_generation: self.generation,
            last_transition_time: since,
        });
    }

    /// The list without a sum.
    #[must_use]
    pub fn into_list(self) -> Vec<Condition> {
        self.list
    }

    /// Says the three of kstatus, and gives the list with them in front.
    #[must_use]
    pub fn finish(mut self, verdict: &Verdict) -> Vec<Condition> {
        let others = std::mem::take(&mut self.list);
        let Verdict {
            ready,
            working,
            reason,
            message,
        } = verdict;
        let stalled = !ready && !working;
        let (idle, nothing) = (Reason::None, String::new());
        self.say(ConditionType::Ready, (*ready).into(), *reason, message);
        let mut flag = |type_, raised: bool| {
            let (reason, message) = if raised {
                (*reason, message)
            } else {
                (idle, &nothing)
            };
            self.say(type_, raised.into(), reason, message);
        };
        flag(ConditionType::Reconciling, *working);
        flag(ConditionType::Stalled, stalled);
        self.list.extend(others);
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn word(conditions: &[Condition]) -> String {
        let words: Vec<_> = conditions
            .iter()
            .map(|c| format!("{}={}", c.type_, c.status))
            .collect();
        words.join(" ")
    }

    #[test]
    fn a_time_changes_only_with_its_status() {
        let ready = Verdict::ready("fine");
        let first = Conditions::new(&[], Some(1), at(10)).finish(&ready);
        let second = Conditions::new(&first, Some(1), at(20)).finish(&ready);
        assert_eq!(first, second, "nothing changed, so nothing is written");
        let stalled = Verdict::failed(&Failure::invalid(Reason::UnknownTopic, "no such topic"));
        let third = Conditions::new(&second, Some(2), at(30)).finish(&stalled);
        assert_eq!(word(&third), "Ready=False Reconciling=False Stalled=True");
        assert_eq!(third[0].last_transition_time.0, at(30));
        assert_eq!(third[1].last_transition_time.0, at(10));
    }

    #[test]
    fn a_transient_failure_is_work_under_way() {
        let verdict = Verdict::failed(&Failure::transient("no answer"));
        assert_eq!(
            word(&Conditions::new(&[], None, at(1)).finish(&verdict)),
            "Ready=False Reconciling=True Stalled=False"
        );
    }
}
