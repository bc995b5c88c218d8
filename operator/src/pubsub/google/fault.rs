//! From the crate's errors to ours, once, with the permission that each call needs.

use std::fmt::Display;

use google_cloud_gax::error::{Error, rpc};

use crate::pubsub::{Code, PubSubError, Resource};

/// The longest text of an answer that is passed on, in characters.
const MAX_MESSAGE: usize = 500;

/// Which call it was.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    ListTopics,
    ListSubscriptions,
    GetTopic,
    GetSubscription,
    CreateTopic,
    UpdateTopic,
    CreateSubscription,
    UpdateSubscription,
    DeleteSubscription,
    GetTopicPolicy,
    SetTopicPolicy,
    GetSubscriptionPolicy,
    SetSubscriptionPolicy,
    GetProject,
}

impl Call {
    pub(super) fn get_policy(resource: &Resource) -> Self {
        match resource {
            Resource::Topic(_) => Self::GetTopicPolicy,
            Resource::Subscription(_) => Self::GetSubscriptionPolicy,
        }
    }

    pub(super) fn set_policy(resource: &Resource) -> Self {
        match resource {
            Resource::Topic(_) => Self::SetTopicPolicy,
            Resource::Subscription(_) => Self::SetSubscriptionPolicy,
        }
    }

    /// Method and permission (<https://cloud.google.com/pubsub/docs/access-control#required_permissions>).
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::ListTopics => ("ListTopics", "pubsub.topics.list"),
            Self::ListSubscriptions => ("ListSubscriptions", "pubsub.subscriptions.list"),
            Self::GetTopic => ("GetTopic", "pubsub.topics.get"),
            Self::GetSubscription => ("GetSubscription", "pubsub.subscriptions.get"),
            Self::CreateTopic => ("CreateTopic", "pubsub.topics.create"),
            Self::UpdateTopic => ("UpdateTopic", "pubsub.topics.update"),
            Self::CreateSubscription => (
                "CreateSubscription",
                "pubsub.subscriptions.create (and pubsub.topics.attachSubscription on its topic)",
            ),
            Self::UpdateSubscription => ("UpdateSubscription", "pubsub.subscriptions.update"),
            Self::DeleteSubscription => ("DeleteSubscription", "pubsub.subscriptions.delete"),
            Self::GetTopicPolicy => ("GetIamPolicy", "pubsub.topics.getIamPolicy"),
            Self::SetTopicPolicy => ("SetIamPolicy", "pubsub.topics.setIamPolicy"),
            Self::GetSubscriptionPolicy => ("GetIamPolicy", "pubsub.subscriptions.getIamPolicy"),
            Self::SetSubscriptionPolicy => ("SetIamPolicy", "pubsub.subscriptions.setIamPolicy"),
            Self::GetProject => ("GetProject", "resourcemanager.projects.get"),
        }
    }

    pub(super) fn error(self, object: impl Display, code: Code, message: String) -> PubSubError {
        let (call, permission) = self.names();
        PubSubError {
            call,
            permission,
            object: object.to_string(),
            code,
            message,
        }
    }

    /// The answer came and cannot be understood.
    pub(super) fn unreadable(self, object: impl Display, error: &impl Display) -> PubSubError {
        self.error(
            object,
            Code::Internal,
            format!("the answer cannot be read: {error}"),
        )
    }
}

pub(super) fn fault(call: Call, object: impl Display, error: &Error) -> PubSubError {
    let (code, message) = match error.status() {
        Some(status) if is_limit(status) => (Code::LimitReached, status.message.clone()),
        Some(status) => (code(status.code), status.message.clone()),
        None if error.is_timeout() => (Code::DeadlineExceeded, "no answer in time".to_owned()),
        None if error.is_binding() || error.is_serialization() => (Code::Unsendable, error.to_string()),
        None if error.is_authentication() => (
            Code::Unauthenticated,
            "no access token; check the operator's credentials".to_owned(),
        ),
        None => match error.http_status_code() {
            Some(status) => (http(status), format!("HTTP status {status}")),
            None => (
                Code::Transport,
                "no connection to Pub/Sub, or it broke".to_owned(),
            ),
        },
    };
    call.error(object, code, message.chars().take(MAX_MESSAGE).collect())
}

/// How Pub/Sub says that a project is full: `Your project has exceeded a limit: (type="subscriptions-per-project",
/// current=10000, maximum=10000).` (<https://cloud.google.com/pubsub/quotas#resource_limits>). Only the text tells it from a
/// rate that is exceeded.
const LIMIT: &str = "has exceeded a limit";

fn is_limit(status: &rpc::Status) -> bool {
    status.code == rpc::Code::ResourceExhausted && status.message.contains(LIMIT)
}

fn code(code: rpc::Code) -> Code {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the crate may learn codes that we do not know"
    )]
    match code {
        rpc::Code::Cancelled => Code::Cancelled,
        rpc::Code::InvalidArgument => Code::InvalidArgument,
        rpc::Code::DeadlineExceeded => Code::DeadlineExceeded,
        rpc::Code::NotFound => Code::NotFound,
        rpc::Code::AlreadyExists => Code::AlreadyExists,
        rpc::Code::PermissionDenied => Code::PermissionDenied,
        rpc::Code::ResourceExhausted => Code::ResourceExhausted,
        rpc::Code::FailedPrecondition => Code::FailedPrecondition,
        rpc::Code::Aborted => Code::Aborted,
        rpc::Code::OutOfRange => Code::OutOfRange,
        rpc::Code::Unimplemented => Code::Unimplemented,
        rpc::Code::Internal => Code::Internal,
        rpc::Code::Unavailable => Code::Unavailable,
        rpc::Code::DataLoss => Code::DataLoss,
        rpc::Code::Unauthenticated => Code::Unauthenticated,
        _ => Code::Unknown,
    }
}

/// A proxy's answer without Google's error body.
fn http(status: u16) -> Code {
    match status {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::AlreadyExists,
        429 => Code::ResourceExhausted,
        408 | 504 => Code::DeadlineExceeded,
        500 => Code::Internal,
        502 | 503 => Code::Unavailable,
        _ => Code::Unknown,
    }
}
