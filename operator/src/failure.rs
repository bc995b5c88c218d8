//! The one table of what a failure means: when to try again, what to say, and how loudly.

use std::{fmt, time::Duration};

use crds::Reason;
use rand::Rng as _;

use crate::{
    leader::NotLeading,
    pubsub::{Code, PubSubError},
};

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The quota or the API server asks for patience.
    Throttled,
    /// It will most likely work when tried again.
    Transient,
    /// Somebody has to grant or make something first.
    Blocked,
    /// The spec has to change.
    Invalid,
    /// A fault of the operator's own.
    Bug,
}

/// How each class is treated.
pub struct Treatment {
    /// The first wait; doubles with each failure in a row.
    pub first_retry: Duration,
    /// The longest wait.
    pub last_retry: Duration,
    /// Whether the operator cannot go on by itself: the `Stalled` condition.
    pub stalled: bool,
    /// Whether a person is told by a Kubernetes event.
    pub event: bool,
}

impl Class {
    /// Every one of them.
    pub const ALL: [Self; 5] = [
        Self::Throttled,
        Self::Transient,
        Self::Blocked,
        Self::Invalid,
        Self::Bug,
    ];

    /// The table.
    #[must_use]
    pub const fn treatment(self) -> Treatment {
        let (first_retry, last_retry, stalled, event) = match self {
            Self::Throttled => (10, 120, false, false),
            Self::Transient => (1, 300, false, false),
            // With its spread less than five minutes: what was granted or loosened shows within them.
            Self::Blocked => (30, 240, true, true),
            // An edit comes as an event; the slow look is for what changed outside.
            Self::Invalid => (600, 600, true, true),
            Self::Bug => (60, 600, true, true),
        };
        Treatment {
            first_retry: Duration::from_secs(first_retry),
            last_retry: Duration::from_secs(last_retry),
            stalled,
            event,
        }
    }

    /// As metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Blocked => "blocked",
            Self::Invalid => "invalid",
            Self::Bug => "bug",
        }
    }

    /// How long to wait after so many failures in a row (1 for the first), spread so that a fleet does not come back at
    /// once.
    #[must_use]
    pub fn retry_after(self, failures: u32) -> Duration {
        let treatment = self.treatment();
        let doubled = treatment
            .first_retry
            .saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled
            .min(treatment.last_retry)
            .mul_f64(rand::rng().random_range(0.8..1.2))
    }
}

/// One failed reconcile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind it is.
    pub class: Class,
    /// The word for status.
    pub reason: Reason,
    /// The sentence for status: what is wrong, and what to do.
    pub message: String,
}

impl Failure {
    /// The spec has to change.
    #[must_use]
    pub fn invalid(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            class: Class::Invalid,
            reason,
            message: message.into(),
        }
    }

    /// Somebody has to grant or make something first.
    #[must_use]
    pub fn blocked(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            class: Class::Blocked,
            reason,
            message: message.into(),
        }
    }

    /// It will most likely work when tried again.
    #[must_use]
    pub fn transient(message: impl Into<String>) -> Self {
        Self {
            class: Class::Transient,
            reason: Reason::Unavailable,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<PubSubError> for Failure {
    fn from(error: PubSubError) -> Self {
        let (class, reason, advice) = match error.code {
            Code::ResourceExhausted => (Class::Throttled, Reason::Throttled, " Tried again when there is quota.".to_owned()),
            Code::LimitReached => (
                Class::Blocked,
                Reason::QuotaExceeded,
                " Raise the limit, delete what nobody needs, or give Tenants a projectId of their own.".to_owned(),
            ),
            Code::PermissionDenied | Code::Unauthenticated => (
                Class::Blocked,
                Reason::PermissionDenied,
                format!(" Grant the operator's identity {} on {}.", error.permission, error.object),
            ),
            Code::NotFound | Code::InvalidArgument | Code::Unimplemented if error.call == "GetProject" => (
                Class::Blocked,
                Reason::ProjectNotFound,
                " Check projectId, or set projectNumber in the operator's configuration.".to_owned(),
            ),
            // Google says so of a member it does not know: a service agent that was never made, or a missing pool.
            Code::InvalidArgument if error.call == "SetIamPolicy" => (
                Class::Blocked,
                Reason::PrincipalNotFound,
                " Create the project's Pub/Sub service agent (gcloud beta services identity create --service=pubsub.googleapis.com) and the workload identity pool.".to_owned(),
            ),
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::Unimplemented => {
                (Class::Invalid, Reason::Rejected, String::new())
            }
            Code::NotFound
            | Code::AlreadyExists
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
            | Code::Transport
            | Code::NotLeading => (Class::Transient, Reason::Unavailable, " Tried again by itself.".to_owned()),
            Code::Unsendable => (Class::Bug, Reason::InternalError, " Please report this.".to_owned()),
        };
        let text = error.to_string();
        let stop = if text.ends_with('.') { "" } else { "." };
        Self {
            class,
            reason,
            message: format!("{text}{stop}{advice}"),
        }
    }
}

impl From<kube::Error> for Failure {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "every other error of kube is a broken way to the API server"
    )]
    fn from(error: kube::Error) -> Self {
        let (class, reason) = match &error {
            kube::Error::Api(status) if is_refused_by_policy(&status.message) => {
                (Class::Blocked, Reason::AdmissionDenied)
            }
            kube::Error::Api(status) => match status.code {
                403 => (Class::Blocked, Reason::PermissionDenied),
                429 => (Class::Throttled, Reason::Throttled),
                400 | 422 => (Class::Invalid, Reason::Rejected),
                _ => (Class::Transient, Reason::Unavailable),
            },
            kube::Error::SerdeError(_) => (Class::Bug, Reason::InternalError),
            _ => (Class::Transient, Reason::Unavailable),
        };
        let message = match error {
            kube::Error::Api(status) => format!("The API server says: {}", status.message),
            kube::Error::Service(error) if error.is::<NotLeading>() => format!("Not written: {error}."),
            kube::Error::SerdeError(error) => {
                format!(
                    "What the API server answered, or was to be told, has another form than expected: {error}. Please report this."
                )
            }
            other => format!("The API server cannot be reached well: {other}"),
        };
        Self {
            class,
            reason,
            message,
        }
    }
}

/// Whether it is a policy of the cluster that refuses, and not the API server itself: a webhook
/// (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response>) or a
/// `ValidatingAdmissionPolicy`. They answer with any code they like, and are known by these words. Nothing of the spec need be
/// wrong, and nobody is told when the policy goes.
fn is_refused_by_policy(message: &str) -> bool {
    const MARKS: [(&str, &str); 3] = [
        ("admission webhook ", "denied the request"),
        ("ValidatingAdmissionPolicy ", "denied request"),
        ("violates PodSecurity ", ""),
    ];
    MARKS
        .iter()
        .any(|(who, what)| message.contains(who) && message.contains(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pubsub(call: &'static str, code: Code) -> Failure {
        PubSubError {
            call,
            permission: "pubsub.subscriptions.create",
            object: "projects/p/subscriptions/s".into(),
            code,
            message: "said so".into(),
        }
        .into()
    }

    #[test]
    fn a_missing_permission_is_named_with_its_object() {
        let failure = pubsub("CreateSubscription", Code::PermissionDenied);
        assert_eq!(
            (failure.class, failure.reason),
            (Class::Blocked, Reason::PermissionDenied)
        );
        assert!(
            failure
                .message
                .contains("pubsub.subscriptions.create on projects/p/subscriptions/s")
        );
    }

    #[test]
    fn a_full_project_is_no_matter_of_patience() {
        let full = pubsub("CreateSubscription", Code::LimitReached);
        assert_eq!((full.class, full.reason), (Class::Blocked, Reason::QuotaExceeded));
        let busy = pubsub("CreateSubscription", Code::ResourceExhausted);
        assert_eq!((busy.class, busy.reason), (Class::Throttled, Reason::Throttled));
    }

    #[test]
    fn a_missing_service_agent_is_blocked_not_invalid() {
        assert_eq!(
            pubsub("SetIamPolicy", Code::InvalidArgument).class,
            Class::Blocked
        );
        assert_eq!(
            pubsub("CreateSubscription", Code::InvalidArgument).class,
            Class::Invalid
        );
    }

    #[test]
    fn a_policys_refusal_waits_for_the_policy_and_not_for_an_edit() {
        let refused = |code: u16, message: &str| -> Failure {
            kube::Error::Api(
                kube::core::Status::failure(message, "Invalid")
                    .with_code(code)
                    .boxed(),
            )
            .into()
        };
        for (code, message) in [
            (400, "admission webhook \"a.example.com\" denied the request: no"),
            (
                403,
                "admission webhook \"a.example.com\" denied the request without explanation",
            ),
            (
                422,
                "namespaces \"acme\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: label it",
            ),
        ] {
            let failure = refused(code, message);
            assert_eq!(
                (failure.class, failure.reason),
                (Class::Blocked, Reason::AdmissionDenied),
                "{message}"
            );
            assert!(failure.message.contains(message), "{}", failure.message);
        }
        assert_eq!(refused(422, "spec.x: Invalid value").class, Class::Invalid);
        assert_eq!(refused(403, "user cannot patch").reason, Reason::PermissionDenied);
    }

    #[test]
    fn what_is_blocked_is_looked_at_within_five_minutes() {
        let longest = Class::Blocked.treatment().last_retry.mul_f64(1.2);
        assert!(longest < Duration::from_secs(300), "{longest:?}");
    }

    #[test]
    fn waits_grow_and_end() {
        for (failures, least, most) in [(1, 0.8, 1.2), (4, 6.4, 9.6), (30, 240.0, 360.0)] {
            let wait = Class::Transient.retry_after(failures).as_secs_f64();
            assert!((least..=most).contains(&wait), "{failures} failures wait {wait}");
        }
    }
}
