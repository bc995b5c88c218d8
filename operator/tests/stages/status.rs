//! What an EventSubscription's status says, and what it remembers.

use crate::support::{UNKNOWN, World, now, subscription, valid};
use crds::{ConditionType, EventSubscriptionStatus, Reason, condition};
use event_operator::{
    failure::Failure,
    subscription::{
        apply::Outcome,
        status::{Progress, status},
    },
};

fn states(status: &EventSubscriptionStatus) -> Vec<String> {
    status
        .conditions
        .iter()
        .map(|one| format!("{}={} {}", one.type_, one.status, one.reason))
        .collect()
}

#[test]
fn a_plan_that_stopped_says_what_is_done_and_what_is_not() {
    let one = subscription("tenant-123", "user-events", "");
    let valid = valid(&one).unwrap();
    let plan = World::default().plan(&valid).unwrap();
    let outcome = Outcome {
        applied: 2,
        failure: Some(Failure::transient("No answer.")),
    };
    let said = status(&one, &Progress::Planned(&valid, &plan, &outcome, &UNKNOWN), now());
    assert_eq!(
        states(&said),
        [
            "Ready=False Unavailable",
            "Reconciling=True Unavailable",
            "Stalled=False None",
            "TopicReady=True Succeeded",
            "SubscriptionReady=False Unavailable",
            "DeadLetterReady=False Unavailable",
            "AccessReady=False Unavailable",
            "Draining=False None",
            "DeadLettersPresent=False None",
        ]
    );
    assert_eq!(
        said.subscription, None,
        "a worker pulls what is named here, so what does not exist is not"
    );
    assert!(said.topic.is_some());
}

#[test]
fn a_change_of_name_that_got_nowhere_keeps_the_old_name() {
    let mut one = subscription("tenant-123", "user-events", "");
    let before = valid(&one).unwrap();
    let plan = World::default().plan(&before).unwrap();
    let done = Outcome {
        applied: plan.steps.len(),
        failure: None,
    };
    one.status = Some(status(
        &one,
        &Progress::Planned(&before, &plan, &done, &UNKNOWN),
        now(),
    ));
    let named = one.status.clone().unwrap().subscription;
    assert_eq!(named, Some(before.subscription.to_string()));

    one.spec.settings.event_types = vec!["user.login".into()];
    one.metadata.generation = Some(2);
    let narrower = valid(&one).unwrap();
    let refused = Failure::invalid(Reason::ResourceConflict, "No.");
    let said = status(&one, &Progress::Unplanned(&narrower, &refused), now());
    assert_eq!(
        said.subscription, named,
        "or the next look would not know that there is anything to lose"
    );
    assert!(condition::holds(
        &said.conditions,
        ConditionType::Stalled,
        Some(2)
    ));
}
