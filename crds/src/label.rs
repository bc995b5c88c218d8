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

/// Annotation on either kind: "true" lets a deletion finish without its clean-up.
pub const ABANDON: &str = "events.livingtwin.io/abandon";

/// Annotation on a Tenant: "true" holds all writes for it and its EventSubscriptions, but for status and events.
pub const PAUSE: &str = "events.livingtwin.io/pause";

/// On an EventSubscription that a Tenant's spec asked for, as opposed to one applied by hand.
pub const GENERATED: &str = "events.livingtwin.io/generated";

/// The finalizer of both kinds.
pub const FINALIZER: &str = "events.livingtwin.io/cleanup";
