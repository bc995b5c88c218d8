//! Whom a worker runs as: an identity for Google, and no right in Kubernetes.

use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::Result;

use super::{Valid, WORKER, metadata};
use crate::kubernetes::{Kind, Manifest};

pub(super) fn manifest(valid: &Valid) -> Result<Manifest> {
    let account = ServiceAccount {
        metadata: metadata(valid, WORKER),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    Manifest::new(Kind::ServiceAccount, Some(&valid.namespace), WORKER, &account)
}
