//! Where a tenant's worker runs. It has no owner reference: garbage collection would take the tenant's own workloads
//! with it.

use crds::label;
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::Result;

use super::{Valid, strings};
use crate::kubernetes::{Kind, Manifest};

pub(super) fn manifest(valid: &Valid) -> Result<Manifest> {
    let labels = strings([
        (label::MANAGED_BY, label::OPERATOR),
        (label::TENANT, &valid.name),
        (label::CREATED, "true"),
        // https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
        ("pod-security.kubernetes.io/enforce", "restricted"),
    ]);
    let metadata = ObjectMeta {
        name: Some(valid.namespace.clone()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    Manifest::new(
        Kind::Namespace,
        None,
        &valid.namespace,
        &Namespace {
            metadata,
            ..Namespace::default()
        },
    )
}
