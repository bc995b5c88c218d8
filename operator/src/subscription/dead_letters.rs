//! Whether messages wait in the dead-letter subscription, as Cloud Monitoring measures it. Nothing in Kubernetes changes when
//! one does, so what was measured is compared with what status says once a minute, and whoever differs is looked at.

use std::{collections::HashSet, sync::Arc};

use crds::{ConditionType, Conditioned as _, EventSubscription, Reason, condition};
use events::{ProjectId, SubscriptionName};
use futures::{SinkExt as _, channel::mpsc, future};
use kube::runtime::reflector::ObjectRef;
use tokio::time::MissedTickBehavior;

use super::{place::standing, reconcile::tenant};
use crate::{
    context::Context,
    monitoring::{FRESH, Unread, backlog::Backlogs},
    status::{Conditions, Truth},
};

/// What is known of a dead-letter subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetters {
    /// Messages wait there.
    Wait(SubscriptionName),
    /// None was measured.
    None,
    /// Monitoring cannot be asked.
    Unread(Unread),
}

impl DeadLetters {
    /// What was measured last of these dead-letter subscriptions, of which an EventSubscription that was moved has several;
    /// asks nobody. The first with messages is named. Without any there is nothing.
    #[must_use]
    pub fn known<'a>(names: impl IntoIterator<Item = &'a SubscriptionName>, backlogs: &Backlogs) -> Self {
        let mut sum = Self::None;
        for name in names {
            match backlogs.known(name.project()) {
                // What was never measured is new, or idle.
                Ok(measured) if measured.messages(name).unwrap_or(0) > 0 => return Self::Wait(name.clone()),
                Ok(_) => {}
                Err(unread) => sum = Self::Unread(unread),
            }
        }
        sum
    }

    const fn truth(&self) -> Truth {
        match self {
            Self::Wait(_) => Truth::True,
            Self::None => Truth::False,
            Self::Unread(_) => Truth::Unknown,
        }
    }

    /// Says the condition. It holds no number, which would change with every measurement.
    pub fn say(&self, conditions: &mut Conditions<'_>) {
        let (reason, message) = match self {
            Self::Wait(name) => (
                Reason::MessagesWaiting,
                format!(
                    "Messages that could not be handled wait in {}. To look at some without taking them away: gcloud pubsub subscriptions pull {} --project {} --limit 10",
                    name.id(),
                    name.id(),
                    name.project()
                ),
            ),
            Self::None => (Reason::None, String::new()),
            Self::Unread(Unread(why)) => (
                Reason::NotObserved,
                format!("Cloud Monitoring cannot be asked: {why}."),
            ),
        };
        conditions.say(ConditionType::DeadLettersPresent, self.truth(), reason, message);
    }

    /// Whether status says something else.
    fn is_news_to(&self, subscription: &EventSubscription) -> bool {
        let said = condition::find(subscription.conditions(), ConditionType::DeadLettersPresent);
        said.is_some_and(|said| said.status != self.truth().as_str())
    }
}

/// Measures once, so that a start does not take for unknown what is only not measured yet. Who has to wait for long waits
/// no longer than [`Backlogs::of`] lets anybody wait.
pub async fn first_measurement(ctx: &Context) {
    future::join_all(projects(ctx).iter().map(|project| ctx.backlogs.of(project))).await;
}

/// Measures as often as Monitoring does, and tells whose status says something else than what was measured.
pub async fn follow(ctx: Arc<Context>, mut news: mpsc::Sender<ObjectRef<EventSubscription>>) {
    if ctx.filled().await.is_err() {
        return;
    }
    let mut ticks = tokio::time::interval(ctx.settings.resync.min(FRESH));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        first_measurement(&ctx).await;
        for one in ctx.subscriptions.all().state() {
            let is_news = DeadLetters::known(&named(&one, &ctx), &ctx.backlogs).is_news_to(&one);
            if is_news && news.send(ObjectRef::from_obj(&*one)).await.is_err() {
                return;
            }
        }
    }
}

/// Where there are dead letters: what status names, and the default for what has none yet.
fn projects(ctx: &Context) -> HashSet<ProjectId> {
    let all = ctx.subscriptions.all().state();
    let named = all.iter().flat_map(|one| named(one, ctx));
    let projects = named.map(|name| name.project().clone());
    projects.chain([ctx.settings.project.clone()]).collect()
}

/// The dead-letter subscriptions that a status names, in the projects of its Tenant alone: a status may say anything, and the
/// owner of one namespace must not have another's project asked.
fn named(one: &EventSubscription, ctx: &Context) -> Vec<SubscriptionName> {
    let Some(standing) = tenant(one, ctx).and_then(|tenant| standing(&tenant, ctx)) else {
        return vec![];
    };
    let projects = standing.projects();
    let status = one.status.iter();
    let names = status.flat_map(|status| {
        let former = &status.former_dead_letter_subscriptions;
        status.dead_letter_subscription.iter().chain(former)
    });
    names
        .filter_map(|name| SubscriptionName::parse(name).ok())
        .filter(|name| projects.contains(name.project()))
        .collect()
}
