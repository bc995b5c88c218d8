//! Pure: a Tenant that is paused. Nothing is written for it or for its EventSubscriptions, in Kubernetes or in Pub/Sub, but for
//! status and events: a platform engineer looks, or repairs by hand, and the operator keeps its hands off. Plans are made as
//! ever, so that status tells what would be written.

use std::fmt::Display;

use crds::{ConditionType, Reason, Tenant, label};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;

use crate::{
    failure::Failure,
    status::{Conditions, Truth},
};

/// Whether a Tenant's annotation holds all writes.
#[must_use]
pub fn is_paused(tenant: &Tenant) -> bool {
    let asked = tenant.annotations().get(label::PAUSE);
    asked.is_some_and(|value| value == "true")
}

/// Why what is asked for is not done: `open` is the plan.
#[must_use]
pub fn held(open: impl Display) -> Failure {
    Failure::blocked(
        Reason::Paused,
        format!(
            "Not as asked, and paused. To be written when the annotation {} is taken off the Tenant: {open}.",
            label::PAUSE
        ),
    )
}

/// Why a deletion does not go on.
#[must_use]
pub fn deletion() -> Failure {
    Failure::blocked(
        Reason::Paused,
        format!(
            "The Tenant is paused. The deletion goes on when the annotation {} is taken off it.",
            label::PAUSE
        ),
    )
}

/// Whether an object is paused, and what would be written for it, where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pause {
    /// It is not.
    No,
    /// It is; a plan that is not carried out, empty where nothing differs, or none where nothing could be planned.
    Yes(Option<String>),
}

/// The condition that says it, beside those that a status has.
pub fn say(
    conditions: &mut Vec<Condition>,
    before: &[Condition],
    generation: Option<i64>,
    pause: &Pause,
    now: Timestamp,
) {
    let (truth, reason, message) = match pause {
        Pause::No => (Truth::False, Reason::None, String::new()),
        Pause::Yes(plan) => {
            let plan = match plan.as_deref() {
                None => String::new(),
                Some("") => " Nothing differs from what is asked for.".to_owned(),
                Some(plan) => format!(" Would be written: {plan}."),
            };
            let message = format!(
                "The Tenant carries the annotation {}: nothing is written but status and events.{plan}",
                label::PAUSE
            );
            (Truth::True, Reason::Paused, message)
        }
    };
    let mut more = Conditions::new(before, generation, now);
    more.say(ConditionType::Paused, truth, reason, message);
    conditions.extend(more.into_list());
}

#[cfg(test)]
mod tests {
    use crds::TenantSpec;

    use super::*;

    #[test]
    fn only_the_word_true_pauses() {
        let mut tenant = Tenant::new("acme", TenantSpec::default());
        for (value, expected) in [("true", true), ("false", false), ("", false)] {
            let annotations = [(label::PAUSE.to_owned(), value.to_owned())];
            tenant.metadata.annotations = Some(annotations.into());
            assert_eq!(is_paused(&tenant), expected, "{value:?}");
        }
    }

    #[test]
    fn the_condition_tells_what_would_be_written_and_keeps_its_time() {
        let say = |before: &[Condition], pause: &Pause, second: i64| {
            let mut conditions = Vec::new();
            let now = Timestamp::from_second(second).unwrap();
            super::say(&mut conditions, before, Some(1), pause, now);
            conditions
        };
        let first = say(&[], &Pause::Yes(Some("apply Deployment a/b".into())), 1);
        assert!(
            first[0]
                .message
                .ends_with("Would be written: apply Deployment a/b.")
        );
        let second = say(&first, &Pause::Yes(Some(String::new())), 2);
        assert_eq!(second[0].last_transition_time, first[0].last_transition_time);
        assert!(
            second[0]
                .message
                .ends_with("Nothing differs from what is asked for.")
        );
        let third = say(&second, &Pause::No, 3);
        assert_eq!(
            (third[0].status.as_str(), third[0].reason.as_str()),
            ("False", "None")
        );
    }
}
