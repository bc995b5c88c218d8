//! Condition types and reasons: the only place for these words, both closed.
//!
//! The three of kstatus (<https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus>) are `Ready`,
//! `Reconciling` and `Stalled`; the others each name one thing that has to be true for `Ready`.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;

use crate::{EventSubscription, Tenant};

/// Makes an enum whose variants are written in status as their own names.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it is written in status.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What a condition is about.
    ConditionType {
        /// Both kinds: everything asked for exists, as asked, for this generation.
        Ready,
        /// Both kinds: the operator is still working towards the spec.
        Reconciling,
        /// Both kinds: the operator cannot go on by itself; the message says who can do what.
        Stalled,
        /// EventSubscription: the topic exists.
        TopicReady,
        /// EventSubscription: the filtered subscription exists with the settings asked for.
        SubscriptionReady,
        /// EventSubscription: dead-letter topic, its never-expiring subscription, and both grants of the Pub/Sub service agent.
        DeadLetterReady,
        /// EventSubscription: the worker may pull.
        AccessReady,
        /// EventSubscription: an older subscription is still being emptied.
        Draining,
        /// EventSubscription: messages wait in the dead-letter subscription.
        DeadLettersPresent,
        /// Tenant: its event plane is where its spec and the operator's configuration ask for it to be.
        InPlace,
        /// Tenant: a change of the operator's settings that would take or move subscriptions has halted before it.
        ChangeHalted,
        /// Tenant: its namespace exists and is its own.
        NamespaceReady,
        /// Tenant: how many of its subscriptions are ready.
        SubscriptionsReady,
        /// Tenant: its worker runs.
        WorkerReady,
        /// Tenant: its worker is stopped on request.
        Suspended,
        /// Both kinds: nothing is written, as the Tenant's annotation asks; the message says what would be.
        Paused,
        /// Tenant: somebody else writes fields that are the operator's, again and again.
        Contested,
        /// Tenant: EventSubscriptions applied by hand take the place of those that its spec asks for.
        Overridden,
    }
}

words! {
    /// Why a condition is as it is.
    Reason {
        /// Done as asked.
        Succeeded,
        /// Not looked at yet, or for the first time just now.
        Pending,
        /// Work is under way.
        Progressing,
        /// Stopped on request; messages are kept.
        Suspended,
        /// Held by the Tenant's annotation; nothing is written.
        Paused,
        /// Switched off in the spec.
        Disabled,
        /// Being deleted.
        Terminating,
        /// The object could not be read, so its state is not known.
        NotObserved,
        /// The Tenant that the EventSubscription names does not exist (yet).
        TenantNotFound,
        /// The EventSubscription names a Tenant whose namespace is another.
        TenantMismatch,
        /// An older Tenant has this id.
        DuplicateTenantId,
        /// An older EventSubscription has this topic.
        DuplicateTopic,
        /// The catalogue has no such topic.
        UnknownTopic,
        /// The filter is longer than Pub/Sub takes.
        FilterTooLong,
        /// A field holds what Pub/Sub or Kubernetes cannot take.
        InvalidSpec,
        /// An object with our name belongs to somebody else.
        ResourceConflict,
        /// The namespace exists and is not this Tenant's.
        NamespaceConflict,
        /// A subscription must be replaced by one of another name.
        ReplacementRequired,
        /// The place of an event plane is not the one that is asked for now; somebody has to say that it is to be moved.
        MoveRequired,
        /// A change of the operator's settings that takes or moves subscriptions halted after the first few Tenants.
        ChangeHalted,
        /// An event plane was moved, and something is still handled or kept where it was.
        Moving,
        /// An event plane belongs to the operator of another cluster.
        ClusterMismatch,
        /// A topic that is another cluster's, or cannot be changed, is not as this operator asks for.
        TopicDiffers,
        /// A permission is missing.
        PermissionDenied,
        /// A policy or an admission webhook of the cluster refuses it; its own words are in the message.
        AdmissionDenied,
        /// Google does not know the project, or does not tell its number.
        ProjectNotFound,
        /// Google does not know the Pub/Sub service agent or the workload identity pool yet.
        PrincipalNotFound,
        /// The project has as many topics or subscriptions as it may.
        QuotaExceeded,
        /// Too many calls; waiting for the budget.
        Throttled,
        /// Pub/Sub or the API server does not answer well; retried by itself.
        Unavailable,
        /// Refused as invalid by the service; waits for an edit.
        Rejected,
        /// A fault of the operator; please report it.
        InternalError,
        /// Some subscriptions are not ready.
        SubscriptionsNotReady,
        /// The worker does not run as asked.
        WorkerNotReady,
        /// A change of all workers stopped, because some that were ready regressed with it.
        RolloutHalted,
        /// Messages wait.
        MessagesWaiting,
        /// Somebody else writes the same fields.
        FieldsContested,
        /// Somebody applied it by hand.
        AppliedByHand,
        /// Nothing of the kind.
        None,
    }
}

/// What stands in status from the moment that an object is made, before anybody has looked at it: the API server puts it
/// there. Without it whoever waits for an object would take one without conditions for one that is as asked
/// (<https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus#the-kstatus-algorithm>).
#[must_use]
pub fn pending() -> Condition {
    Condition {
        type_: ConditionType::Ready.as_str().to_owned(),
        status: "Unknown".to_owned(),
        reason: Reason::Pending.as_str().to_owned(),
        message: "The operator has not looked at it yet, or does so just now. If it stays so, see whether the operator runs."
            .to_owned(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

/// A kind whose status has conditions.
pub trait Conditioned: Resource<DynamicType = ()> {
    /// Its conditions; none while it has no status.
    fn conditions(&self) -> &[Condition];
}

impl Conditioned for Tenant {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}

impl Conditioned for EventSubscription {
    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map_or(&[], |status| &status.conditions)
    }
}

/// The condition of a type, where there is one.
#[must_use]
pub fn find(conditions: &[Condition], wanted: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == wanted.as_str())
}

/// Whether a condition is there and true, of whatever generation that was said.
#[must_use]
pub fn is_true(conditions: &[Condition], wanted: ConditionType) -> bool {
    find(conditions, wanted).is_some_and(|condition| condition.status == "True")
}

/// Whether a condition is there, true, and said of this generation.
#[must_use]
pub fn holds(conditions: &[Condition], wanted: ConditionType, generation: Option<i64>) -> bool {
    find(conditions, wanted)
        .is_some_and(|condition| condition.status == "True" && condition.observed_generation == generation)
}
