//! I/O, writes only: carries out a plan, step by step, and stops at the first that fails.

use super::plan::{Action, Plan};
use crate::{
    failure::Failure,
    metrics::Metrics,
    pubsub::{Code, Policy, PubSub, PubSubError, Resource, inventory::Inventory},
};

/// How far a plan got.
#[derive(Debug)]
pub struct Outcome {
    /// So many steps are done.
    pub applied: usize,
    /// Why the next one is not.
    pub failure: Option<Failure>,
}

/// Carries out a plan and tells the inventory what came of each step.
pub async fn apply(pubsub: &dyn PubSub, inventory: &Inventory, metrics: &Metrics, plan: &Plan) -> Outcome {
    for (applied, step) in plan.steps.iter().enumerate() {
        if let Err(error) = write(pubsub, inventory, &step.action).await {
            if leaves_open_what_is_there(error.code) {
                inventory.doubt(&resource(&step.action));
            }
            if let Action::SetPolicy { resource, policy } = &step.action
                && error.code == Code::Aborted
            {
                inventory.doubt_never_set(resource, policy);
            }
            return Outcome {
                applied,
                failure: Some(error.into()),
            };
        }
        metrics.wrote("EventSubscription", step.action.as_str());
    }
    Outcome {
        applied: plan.steps.len(),
        failure: None,
    }
}

async fn write(pubsub: &dyn PubSub, inventory: &Inventory, action: &Action) -> Result<(), PubSubError> {
    match action {
        Action::CreateTopic(topic) => {
            let made = pubsub.create_topic(topic).await?;
            inventory.note_policy(&Resource::Topic(made.name.clone()), Policy::unset());
            inventory.note_topic(made);
        }
        Action::UpdateTopic(topic, fields) => inventory.note_topic(pubsub.update_topic(topic, fields).await?),
        Action::CreateSubscription(subscription) => {
            let made = pubsub.create_subscription(subscription).await?;
            inventory.note_policy(&Resource::Subscription(made.name.clone()), Policy::unset());
            inventory.note_subscription(made);
        }
        Action::UpdateSubscription(subscription, fields) => {
            inventory.note_subscription(pubsub.update_subscription(subscription, fields).await?);
        }
        Action::SetPolicy { resource, policy } => {
            let policy = inventory.with_known_etag(policy);
            inventory.note_policy(resource, pubsub.set_policy(resource, &policy).await?);
        }
        Action::DeleteSubscription(name) => {
            match pubsub.delete_subscription(name).await {
                // Gone is gone, whoever did it.
                Err(error) if error.code != Code::NotFound => return Err(error),
                _ => inventory.note_deleted(name),
            }
        }
    }
    Ok(())
}

fn resource(action: &Action) -> Resource {
    match action {
        Action::CreateTopic(topic) | Action::UpdateTopic(topic, _) => Resource::Topic(topic.name.clone()),
        Action::CreateSubscription(one) | Action::UpdateSubscription(one, _) => {
            Resource::Subscription(one.name.clone())
        }
        Action::SetPolicy { resource, .. } => resource.clone(),
        Action::DeleteSubscription(name) => Resource::Subscription(name.clone()),
    }
}

/// After these the write may have been done, or somebody else did something: the object is read before the next plan.
const fn leaves_open_what_is_there(code: Code) -> bool {
    match code {
        Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::Aborted
        | Code::FailedPrecondition
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Transport
        | Code::NotLeading => true,
        Code::InvalidArgument
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::LimitReached
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated
        | Code::Unsendable => false,
    }
}
