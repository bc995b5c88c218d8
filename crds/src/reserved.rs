//! What of a worker's pod is the operator's, and no Tenant's: the rules in the CRD and the operator's own checks have one list.

/// Variables of the worker's container that the operator sets, or leaves out on purpose.
pub const VARIABLES: [&str; 23] = [
    "GCP_PROJECT_ID",
    "TENANT_ID",
    "SUBSCRIPTIONS",
    "SUBSCRIPTIONS_FILE",
    "MAX_CONCURRENT_MESSAGES",
    "WORKER_TIMEOUT",
    "PUBSUB_EMULATOR_HOST",
    "IDEMPOTENCY_URL",
    "IDEMPOTENCY_TTL",
    "IDEMPOTENCY_USERNAME",
    "IDEMPOTENCY_PASSWORD_FILE",
    "IDEMPOTENCY_SENTINEL_PASSWORD_FILE",
    "IDEMPOTENCY_CA_FILE",
    "IDEMPOTENCY_CERT_FILE",
    "IDEMPOTENCY_KEY_FILE",
    "ENVELOPE",
    "HANDLER",
    "HANDLER_URL",
    "HANDLER_TIMEOUT",
    "HTTP_ADDR",
    "SHUTDOWN_GRACE",
    "PUBSUB_ENABLE_DLQ",
    "GOOGLE_APPLICATION_CREDENTIALS",
];

/// Variables that the operator sets where `handler.http.auth` asks for it, and that are a Tenant's own elsewhere.
pub const AUTH_VARIABLES: [&str; 4] = [
    "HANDLER_TOKEN_FILE",
    "HANDLER_CA_FILE",
    "HANDLER_CERT_FILE",
    "HANDLER_KEY_FILE",
];

/// Labels of the worker's pods that the operator sets, or Kubernetes' Deployment controller.
pub const LABELS: [&str; 3] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/managed-by",
    "pod-template-hash",
];

/// Beginnings of labels and annotations that are not for Tenants: the operator's own, and those by which a pod would leave its
/// confinement (<https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline>).
pub const PREFIXES: [&str; 3] = [
    "events.livingtwin.io/",
    "container.apparmor.security.beta.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
];

/// Volumes that the operator adds.
pub const VOLUMES: [&str; 4] = ["subscriptions", "identity", "idempotency-store", "handler-auth"];

/// Directories of the container in which the operator mounts something, or the kubelet and the kernel do. Nothing is mounted
/// there, below, or above, where it would hide them.
pub const DIRECTORIES: [&str; 8] = [
    "/etc/event-worker",
    "/etc/event-worker-store",
    "/etc/event-worker-handler",
    "/run/secrets",
    "/var/run/secrets",
    "/proc",
    "/sys",
    "/dev",
];

/// Whether a mount at this path would hide what is at a reserved one, or be hidden by it.
#[must_use]
pub fn is_in_the_way(path: &str) -> bool {
    let is_within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    DIRECTORIES
        .iter()
        .any(|own| is_within(path, own) || is_within(own, path))
}

/// Whether a label or an annotation of this key is not for Tenants.
#[must_use]
pub fn is_reserved_key(key: &str) -> bool {
    LABELS.contains(&key) || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Whether variables that begin so could take the name of one of the operator's.
#[must_use]
pub fn could_become_ours(prefix: &str) -> bool {
    VARIABLES
        .iter()
        .chain(&AUTH_VARIABLES)
        .any(|name| name.starts_with(prefix))
}

/// The same rules as CEL has them.
pub(crate) mod cel {
    use super::{AUTH_VARIABLES, DIRECTORIES, LABELS, PREFIXES, VARIABLES, VOLUMES};

    fn list(names: &[&str]) -> String {
        let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
        format!("[{}]", quoted.join(", "))
    }

    pub(crate) fn variable() -> String {
        format!("!(self in {})", list(&VARIABLES))
    }

    pub(crate) fn auth_variables() -> String {
        format!(
            "!has(self.env) || !has(self.handler) || !has(self.handler.http) || !has(self.handler.http.auth) || !self.env.exists(one, one.name in {})",
            list(&AUTH_VARIABLES)
        )
    }

    pub(crate) fn prefix() -> String {
        let all = [&VARIABLES[..], &AUTH_VARIABLES[..]].concat();
        format!("!{}.exists(name, name.startsWith(self))", list(&all))
    }

    pub(crate) fn keys() -> String {
        let prefixes = PREFIXES.iter().map(|one| format!(" && !key.startsWith('{one}')"));
        format!(
            "self.all(key, !(key in {}){})",
            list(&LABELS),
            prefixes.collect::<String>()
        )
    }

    pub(crate) fn volume() -> String {
        format!("!(self in {})", list(&VOLUMES))
    }

    pub(crate) fn mount_path() -> String {
        format!(
            "!{}.exists(own, self == own || self.startsWith(own + '/') || own.startsWith(self + '/'))",
            list(&DIRECTORIES)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_in_the_way_below_and_above_and_nowhere_else() {
        for path in [
            "/etc",
            "/etc/event-worker",
            "/etc/event-worker/x",
            "/var",
            "/var/run/secrets/x",
            "/run",
        ] {
            assert!(is_in_the_way(path), "{path}");
        }
        for path in [
            "/etc/event-worker-more",
            "/etc/ssl/certs",
            "/data",
            "/var/lib",
            "/devices",
        ] {
            assert!(!is_in_the_way(path), "{path}");
        }
    }

    #[test]
    fn a_prefix_is_one_of_ours_only_if_a_name_of_ours_begins_with_it() {
        assert!(could_become_ours("H") && could_become_ours("HANDLER_CA") && could_become_ours(""));
        assert!(!could_become_ours("APP_") && !could_become_ours("HANDLER_URL_"));
    }
}
