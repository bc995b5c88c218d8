//! Pure: the subscriptions that the worker pulls.

use crds::{ConditionType, Reason};
use events::SubscriptionName;
use jiff::Timestamp;

use super::{
    About, Action, Draining, Plan,
    difference::{access, owned, subscription},
};
use crate::{
    failure::Failure,
    pubsub::{Policy, SubscriptionConfig, SubscriptionField},
    subscription::{
        access::Access,
        desired::Desired,
        observe::{Observed, Pulled},
        ownership::{self, Claim, Stamp, key, switched_at},
        succession::{self, Emptied},
    },
};

/// The worker's subscription, and those whose place it took.
pub(super) fn plan(
    plan: &mut Plan,
    desired: &Desired,
    observed: &Observed,
    stamp: &Stamp,
    about: &About<'_>,
) -> Result<(), Failure> {
    let claim = |one: &Pulled| stamp.claim(&one.config.labels, about.rules, about.now);
    let ours: Vec<_> = observed
        .pulled
        .iter()
        .filter(|one| claim(one) == Claim::Ours)
        .collect();
    let configs: Vec<_> = ours.iter().map(|one| &one.config).collect();
    let name = succession::current(&desired.subscription, &configs, about.before)
        .map_err(|error| Failure::invalid(Reason::InvalidSpec, format!("The composed name {error}.")))?;
    for other in observed.pulled.iter().filter(|one| one.config.name == name) {
        owned(claim(other), &other.config)?;
    }
    let found = ours.iter().find(|one| one.config.name == name);
    plan.add(
        ConditionType::SubscriptionReady,
        subscription(
            &SubscriptionConfig {
                name: name.clone(),
                ..desired.subscription.clone()
            },
            found.map(|one| &one.config),
        )?
        .map(|action| dated(action, about.now)),
    );
    let unset = Access::Read(Policy::unset());
    plan.add(
        ConditionType::AccessReady,
        access(name.clone(), found.map_or(&unset, |one| &one.access), desired),
    );
    for old in ours.iter().filter(|one| one.config.name != name) {
        drain(plan, desired, old, found.is_some(), about);
    }
    let is_there = |name: &SubscriptionName| observed.pulled.iter().any(|one| one.config.name == *name);
    plan.lost = about
        .before
        .filter(|before| found.is_none() && !is_there(before))
        .cloned();
    plan.current = Some(name);
    Ok(())
}

/// What is made says when, so that it is told from one of its name before it.
fn dated(mut action: Action, now: Timestamp) -> Action {
    if let Action::CreateSubscription(config) = &mut action {
        let now = now.as_millisecond().to_string();
        config.labels.insert(key::MADE_AT.to_owned(), now);
    }
    action
}

/// One whose place was taken: the switch is written on it once the new one was seen to exist, so that every message from
/// after the switch is in the new one; and it goes when it is empty.
fn drain(plan: &mut Plan, desired: &Desired, old: &Pulled, is_succeeded: bool, about: &About<'_>) {
    let config = &old.config;
    let name = config.name.clone();
    if !is_succeeded {
        plan.draining.push(Draining {
            name,
            switched_at: None,
            why: "its successor is being made".to_owned(),
        });
        return;
    }
    let why = match succession::emptied(config, &old.oldest, about.drain_margin, about.now) {
        Emptied::Yes => {
            return plan.add(ConditionType::Draining, Some(Action::DeleteSubscription(name)));
        }
        Emptied::NotYet(why) => why,
    };
    let switched_at = switched_at(&config.labels).unwrap_or(about.now);
    let mut wanted = desired.subscription.labels.clone();
    wanted.insert(key::SWITCHED_AT.to_owned(), switched_at.as_second().to_string());
    let labels = ownership::merged(&config.labels, &wanted);
    if labels != config.labels {
        let marked = SubscriptionConfig {
            labels,
            ..config.clone()
        };
        let action = Action::UpdateSubscription(marked, vec![SubscriptionField::Labels]);
        plan.add(ConditionType::Draining, Some(action));
    }
    // One that comes back with its Tenant is pulled by another worker than before.
    plan.add(
        ConditionType::Draining,
        access(name.clone(), &old.access, desired),
    );
    plan.draining.push(Draining {
        name,
        switched_at: Some(switched_at),
        why,
    });
}
