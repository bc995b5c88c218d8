//! One writer in a cluster. The replicas of a release elect their leader by the release's own Lease; the leaders of all releases
//! that are installed in a cluster compete for one more, in a place that all of them know. So a second release says whose the
//! Tenants are, and writes nothing until the first is gone.

use k8s_openapi::api::core::v1::ObjectReference;

/// Where the Lease of the cluster is: a namespace that every cluster has.
pub const NAMESPACE: &str = "default";

/// Its name.
pub const LEASE: &str = "event-operator-tenants";

/// A release, by its Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release(String);

impl Release {
    /// The release whose replicas elect their leader by this Lease.
    #[must_use]
    pub fn new(namespace: &str, lease: &str) -> Self {
        Self(format!("{namespace}/{lease}"))
    }

    /// As people read it, `namespace/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The Lease of its replicas, which events of the release are about.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        let (namespace, name) = self.0.split_once('/').unwrap_or((NAMESPACE, &self.0));
        ObjectReference {
            api_version: Some("coordination.k8s.io/v1".to_owned()),
            kind: Some("Lease".to_owned()),
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        }
    }

    /// What stands in the Lease of the cluster for a replica of this release.
    #[must_use]
    pub fn identity(&self, replica: &str) -> String {
        format!("{}/{replica}", self.0)
    }

    /// The release of what stands in the Lease of the cluster.
    #[must_use]
    pub fn of(identity: &str) -> Self {
        let release = identity.rsplit_once('/').map_or(identity, |(release, _)| release);
        Self(release.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_known_by_what_its_replicas_write() {
        let ours = Release::new("event-operator", "event-operator");
        let identity = ours.identity("event-operator-6f4-x2x_0a1b2c3d");
        assert_eq!(Release::of(&identity), ours);
        assert_ne!(Release::of(&identity), Release::new("other", "event-operator"));
        assert_eq!(Release::of("by-hand").as_str(), "by-hand");
    }
}
