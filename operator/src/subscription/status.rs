//! Pure: what the reconcile of an EventSubscription says in status.

use crds::{AccessVerified, ConditionType, Draining, EventSubscription, EventSubscriptionStatus, Reason};
use events::SubscriptionName;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    apply::Outcome,
    dead_letters::DeadLetters,
    observe::Unlisted,
    plan::{self, Plan, Step},
    validate::Valid,
};
use crate::{
    failure::Failure,
    status::{Conditions, Truth, Verdict},
};

/// How far a reconcile came.
#[derive(Debug)]
pub enum Progress<'a> {
    /// It does not make sense.
    Invalid(&'a Failure),
    /// It makes sense, but what is there could not be read, or must not be touched.
    Unplanned(&'a Valid, &'a Failure),
    /// A plan was carried out, wholly or up to a failure.
    Planned(&'a Valid, &'a Plan, &'a Outcome, &'a Known),
}

/// What is known beside what was planned.
#[derive(Debug)]
pub struct Known {
    /// What waits in the dead-letter subscription.
    pub dead_letters: DeadLetters,
    /// When the rights on the current subscription were seen.
    pub access: Option<AccessVerified>,
}

/// The status to write.
#[must_use]
pub fn status(
    subscription: &EventSubscription,
    progress: &Progress<'_>,
    now: Timestamp,
) -> EventSubscriptionStatus {
    let before = subscription.status.clone().unwrap_or_default();
    let generation = subscription.metadata.generation;
    let mut conditions = Conditions::new(&before.conditions, generation, now);
    let mut status = before.clone();
    if let Progress::Unplanned(valid, _) | Progress::Planned(valid, ..) = progress {
        status.effective_settings.clone_from(&valid.effective);
    }
    let verdict = match progress {
        Progress::Invalid(failure) => Verdict::failed(failure),
        Progress::Unplanned(valid, failure) => {
            for aspect in ASPECTS {
                aspect_unknown(&mut conditions, aspect, valid, failure);
            }
            Verdict::failed(failure)
        }
        Progress::Planned(valid, plan, outcome, known) => {
            for aspect in ASPECTS {
                aspect_of_plan(&mut conditions, aspect, valid, plan, outcome);
            }
            draining(&mut conditions, plan);
            known.dead_letters.say(&mut conditions);
            name(&mut status, valid, plan, outcome);
            let granted = open_step(plan, outcome, ConditionType::AccessReady).is_none();
            status.access_verified = known.access.clone().filter(|_| granted);
            match (&outcome.failure, plan.differs.first()) {
                (Some(failure), _) => Verdict::failed(failure),
                (None, Some((_, difference))) => {
                    Verdict::failed(&Failure::invalid(Reason::TopicDiffers, difference))
                }
                (None, None) => Verdict::ready(ready_message(valid)),
            }
        }
    };
    EventSubscriptionStatus {
        observed_generation: generation,
        conditions: conditions.finish(&verdict),
        ..status
    }
}

/// Names what exists, once it does. Until then, and while something is in its way, what was named before stays: the
/// worker pulls what is named here, a deletion finds its objects by it, and a change of name is noticed by it.
fn name(status: &mut EventSubscriptionStatus, valid: &Valid, plan: &Plan, outcome: &Outcome) {
    let is_done = |aspect| open_step(plan, outcome, aspect).is_none();
    if is_done(ConditionType::TopicReady) {
        status.topic = Some(valid.topic.to_string());
    }
    if is_done(ConditionType::SubscriptionReady) {
        status.subscription = plan.current.as_ref().map(ToString::to_string);
        status.filter = Some(valid.filter.to_string());
        let unseen = |name: &str| {
            let name = SubscriptionName::parse(name).ok();
            name.is_some_and(|name| plan.unlisted.iter().any(|one| one.project == *name.project()))
        };
        status.draining.retain(|one| unseen(&one.subscription));
        status
            .former_dead_letter_subscriptions
            .retain(|name| unseen(name));
        let draining = plan.draining.iter().map(|one| Draining {
            subscription: one.name.to_string(),
            switched_at: one
                .switched_at
                .filter(|_| is_done(ConditionType::Draining))
                .map(Time),
            in_full: one.in_full,
        });
        status.draining.extend(draining);
        status.draining_subscriptions.clone_from(&status.draining);
        let former = plan.former_dead_letters.iter().map(ToString::to_string);
        status.former_dead_letter_subscriptions.extend(former);
    }
    if is_done(ConditionType::DeadLetterReady) {
        status.dead_letter_topic = valid.dead_letter.as_ref().map(|one| one.topic.to_string());
        status.dead_letter_subscription = valid.dead_letter.as_ref().map(|one| one.subscription.to_string());
    }
}

/// The first step that is not done and that an aspect waits for.
fn open_step<'a>(plan: &'a Plan, outcome: &Outcome, aspect: ConditionType) -> Option<&'a Step> {
    plan.steps
        .iter()
        .skip(outcome.applied)
        .find(|step| step.proves == aspect)
}

fn draining(conditions: &mut Conditions<'_>, plan: &Plan) {
    if !plan.unlisted.is_empty() {
        let one = |one: &Unlisted| format!("Project {} cannot be listed: {}", one.project, one.why.message);
        let all: Vec<_> = plan.unlisted.iter().map(one).collect();
        return conditions.say(
            ConditionType::Draining,
            Truth::Unknown,
            Reason::NotObserved,
            all.join(" "),
        );
    }
    if plan.draining.is_empty() {
        return conditions.say(ConditionType::Draining, Truth::False, Reason::None, "");
    }
    let one = |one: &plan::Draining| format!("{} is pulled until it is empty: {}.", one.name.id(), one.why);
    let all: Vec<_> = plan.draining.iter().map(one).collect();
    conditions.say(
        ConditionType::Draining,
        Truth::True,
        Reason::MessagesWaiting,
        all.join(" "),
    );
}

const ASPECTS: [ConditionType; 4] = [
    ConditionType::TopicReady,
    ConditionType::SubscriptionReady,
    ConditionType::DeadLetterReady,
    ConditionType::AccessReady,
];

fn is_disabled(aspect: ConditionType, valid: &Valid) -> bool {
    aspect == ConditionType::DeadLetterReady && valid.dead_letter.is_none()
}

const DISABLED: &str =
    "Dead-lettering is switched off: a message that fails is tried again until its retention ends.";

fn aspect_unknown(conditions: &mut Conditions<'_>, aspect: ConditionType, valid: &Valid, failure: &Failure) {
    if is_disabled(aspect, valid) {
        conditions.say(aspect, Truth::False, Reason::Disabled, DISABLED);
    } else {
        conditions.say(aspect, Truth::Unknown, Reason::NotObserved, &failure.message);
    }
}

fn aspect_of_plan(
    conditions: &mut Conditions<'_>,
    aspect: ConditionType,
    valid: &Valid,
    plan: &Plan,
    outcome: &Outcome,
) {
    let open = open_step(plan, outcome, aspect);
    match (open, &outcome.failure) {
        _ if is_disabled(aspect, valid) => conditions.say(aspect, Truth::False, Reason::Disabled, DISABLED),
        (None, _) if let Some((_, difference)) = plan.differs.iter().find(|(of, _)| *of == aspect) => {
            conditions.say(aspect, Truth::False, Reason::TopicDiffers, difference);
        }
        (None, _) => conditions.say(aspect, Truth::True, Reason::Succeeded, done(aspect, valid, plan)),
        (Some(step), Some(failure)) => {
            conditions.say(
                aspect,
                Truth::False,
                failure.reason,
                format!("Still to do: {}.", step.action),
            );
        }
        (Some(step), None) => {
            conditions.say(
                aspect,
                Truth::False,
                Reason::Progressing,
                format!("Still to do: {}.", step.action),
            );
        }
    }
}

fn done(aspect: ConditionType, valid: &Valid, plan: &Plan) -> String {
    #[allow(clippy::wildcard_enum_match_arm, reason = "only ASPECTS come here")]
    match aspect {
        ConditionType::TopicReady => format!("Topic {} exists.", valid.topic.id()),
        ConditionType::SubscriptionReady => {
            let id = plan.current.as_ref().map_or("", SubscriptionName::id);
            format!("Subscription {id} exists with the settings asked for and never expires.")
        }
        ConditionType::DeadLetterReady => valid.dead_letter.as_ref().map_or_else(String::new, |one| {
            format!(
                "After {} deliveries a message goes to {} and is kept in {}; the Pub/Sub service agent has both grants.",
                one.max_delivery_attempts,
                one.topic.id(),
                one.subscription.id()
            )
        }),
        _ => "The worker may pull, and the service agent may move what it fails on.".to_owned(),
    }
}

fn ready_message(valid: &Valid) -> String {
    match &valid.dead_letter {
        Some(_) => "Messages are filtered, delivered and dead-lettered as asked.".to_owned(),
        None => "Messages are filtered and delivered as asked; dead-lettering is off.".to_owned(),
    }
}

/// The status while a deletion does not get on.
#[must_use]
pub fn terminating(
    subscription: &EventSubscription,
    failure: &Failure,
    now: Timestamp,
) -> EventSubscriptionStatus {
    let before = subscription.status.clone().unwrap_or_default();
    let generation = subscription.metadata.generation;
    let since = subscription
        .metadata
        .deletion_timestamp
        .as_ref()
        .map_or(now, |time| time.0);
    let verdict = Verdict {
        message: format!(
            "Deletion waits since {since}: {} To let go without clean-up, annotate it with events.livingtwin.io/abandon=true.",
            failure.message
        ),
        ..Verdict::failed(failure)
    };
    let conditions = Conditions::new(&before.conditions, generation, now).finish(&verdict);
    EventSubscriptionStatus {
        observed_generation: generation,
        conditions,
        ..before
    }
}
