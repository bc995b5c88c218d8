//! Labels and annotations, each said once.

/// On a Namespace: the Tenant it belongs to. An existing namespace is used only when it carries it.
pub const TENANT: &str = "events.livingtwin.io/tenant";

/// On everything the operator makes in Kubernetes.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The value of [`MANAGED_BY`], and the field manager of server-side apply.
pub const OPERATOR: &str = "event-operator";

/// On a Namespace: "true" when the operator made it, and may delete it.
pub const CREATED: &str = "events.livingtwin.io/created";

/// Annotation on a Tenant: "true" lets the operator take over objects without its stamp.
pub const ADOPT: &str = "events.livingtwin.io/adopt";

/// Annotation on a Tenant: where its event plane is, as JSON of a [`crate::Binding`]. The operator writes it.
pub const BINDING: &str = "events.livingtwin.io/binding";

/// Annotation on a Tenant: the place that it may be moved to, as the condition `InPlace` names it. It counts for that place
/// alone, so that a forgotten one authorises nothing later.
pub const MOVE: &str = "events.livingtwin.io/move";

/// Annotation on a Tenant: the former place that is not looked at any more, as the condition `InPlace` names it. What is left there
/// is not handled, and nothing there is deleted.
pub const FORGET_PLACE: &str = "events.livingtwin.io/forget-place";

/// Annotation on a Tenant: the change of the operator's settings that took subscriptions from it, or moved them, last. The
/// operator writes it, and counts by it.
pub const SETTINGS_CHANGE: &str = "events.livingtwin.io/settings-change";

/// Annotation on either kind: "true" lets a deletion finish without its clean-up.
pub const ABANDON: &str = "events.livingtwin.io/abandon";

/// Annotation on a Tenant: "true" holds all writes for it and its EventSubscriptions, but for status and events.
pub const PAUSE: &str = "events.livingtwin.io/pause";

/// On an EventSubscription that a Tenant's spec asked for, as opposed to one applied by hand.
pub const GENERATED: &str = "events.livingtwin.io/generated";

/// The finalizer of both kinds.
pub const FINALIZER: &str = "events.livingtwin.io/cleanup";
