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
    pubsub::{Grant, Policy, SubscriptionConfig, SubscriptionField},
    subscription::{
        access::Access,
        desired::Desired,
        finalize,
        observe::{Observed, Pulled},
        ownership::{self, Claim, Role, Stamp, key, switched_at},
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
    let claim = |one: &Pulled| stamp.claim(&one.config, about.rules, about.now);
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
        access(
            name.clone(),
            found.map_or(&unset, |one| &one.access),
            &desired.subscription_grants,
            desired,
        ),
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
/// after the switch is in the new one; and it goes when it is empty. One whose topic was left has messages that no other has, so
/// that a return to that topic is another switch, from then.
fn drain(plan: &mut Plan, desired: &Desired, old: &Pulled, is_succeeded: bool, about: &About<'_>) {
    let config = &old.config;
    let name = config.name.clone();
    let in_full = succession::listens_elsewhere(config, &desired.subscription);
    if !is_succeeded {
        plan.draining.push(Draining {
            name,
            switched_at: None,
            in_full,
            why: "its successor is being made".to_owned(),
        });
        return;
    }
    let (oldest, margin, now) = (&old.oldest, about.drain_margin, about.now);
    let has_returned = !in_full && config.labels.contains_key(key::LEFT_TOPIC);
    let emptied = match (in_full, has_returned) {
        (true, _) => succession::is_vacated(config, oldest, &old.delivered, margin, now),
        (false, true) => Emptied::NotYet("the switch is being written down".to_owned()),
        (false, false) => succession::emptied(config, oldest, margin, now),
    };
    let why = match emptied {
        Emptied::Yes if in_full => {
            let revoked = old
                .access
                .policy()
                .and_then(|access| finalize::revoke(config, access, &desired.identity));
            plan.add(ConditionType::Draining, revoked);
            return plan.add(ConditionType::Draining, Some(vacate(config, now)));
        }
        Emptied::Yes => {
            return plan.add(ConditionType::Draining, Some(Action::DeleteSubscription(name)));
        }
        Emptied::NotYet(why) => why,
    };
    let switched_at = switched_at(&config.labels)
        .filter(|_| !has_returned)
        .unwrap_or(about.now);
    let mut wanted = desired.subscription.labels.clone();
    wanted.insert(key::SWITCHED_AT.to_owned(), switched_at.as_second().to_string());
    if in_full {
        wanted.insert(key::LEFT_TOPIC.to_owned(), "true".to_owned());
    }
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
        access(name.clone(), &old.access, &grants(desired, &name), desired),
    );
    plan.draining.push(Draining {
        name,
        switched_at: Some(switched_at),
        in_full,
        why,
    });
}

/// What was left and is empty is the operator's no more; nobody pulls it, and whoever owns the topic decides on it.
pub(super) fn vacate(config: &SubscriptionConfig, now: Timestamp) -> Action {
    let mut labels = config.labels.clone();
    labels.remove(key::SWITCHED_AT);
    labels.remove(key::LEFT_TOPIC);
    labels.insert(key::ROLE.to_owned(), Role::Former.as_str().to_owned());
    labels.insert(key::RELEASED_AT.to_owned(), now.as_second().to_string());
    let vacated = SubscriptionConfig {
        labels,
        ..config.clone()
    };
    Action::UpdateSubscription(vacated, vec![SubscriptionField::Labels])
}

/// The rights on a subscription whose place another took. In another project the service agent is another, whose rights are as
/// they were.
fn grants(desired: &Desired, name: &SubscriptionName) -> Vec<Grant> {
    let mut grants = desired.subscription_grants.clone();
    if name.project() != desired.subscription.name.project() {
        grants.retain(|grant| desired.identity.is_worker(&grant.member));
    }
    grants
}
