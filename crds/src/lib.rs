//! The API `events.livingtwin.io/v1alpha1`: two kinds, their conditions, and the YAML made from them.
//!
//! A [`Tenant`] (cluster-scoped) says "this customer has an event plane"; the operator makes an
//! [`EventSubscription`] (namespaced) for each topic the tenant listens to. Field documentation here is what
//! `kubectl explain` prints; rules the API server can check stand beside the field they check, as CEL.

pub mod binding;
pub mod condition;
pub mod duration;
pub mod effective;
pub mod event_subscription;
pub mod label;
pub mod manifest;
pub mod pod;
pub mod reserved;
pub mod template;
pub mod tenant;
pub mod worker;

pub use binding::{Binding, FormerPlace};
pub use condition::{ConditionType, Conditioned, Reason};
pub use duration::Span;
pub use effective::{EffectiveSetting, SettingSource};
pub use event_subscription::{
    AccessVerified, DeadLetterSettings, Draining, EventSubscription, EventSubscriptionSpec,
    EventSubscriptionStatus, RetryPolicy, SubscriptionSettings, TenantRef,
};
pub use pod::{
    EnvFrom, EnvVar, FieldRef, KeyRef, ObjectRef, PodVolume, PodVolumeMount, ProjectedSource,
    ProjectedVolume, PullSecret, ValueSource,
};
pub use template::WorkerTemplate;
pub use tenant::{DeletionPolicy, Tenant, TenantSpec, TenantStatus, Topics};
pub use worker::{
    Envelope, Handler, HandlerAuth, HttpHandler, LogHandler, Scaling, SecretKey, SecretName, WorkerSettings,
};

/// The API group of both kinds.
pub const GROUP: &str = "events.livingtwin.io";
