//! How the worker's pod gets to the store in which handled events are remembered.

use k8s_openapi::api::core::v1::{SecretVolumeSource, Volume, VolumeMount};

use super::Valid;
use crate::settings::IdempotencyStore;

const NAME: &str = "idempotency-store";

/// Where the Secret is mounted. A directory, so that a rotated password arrives without a restart.
const DIRECTORY: &str = "/etc/event-worker-store";

pub(super) fn environment(valid: &Valid, store: &IdempotencyStore) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("IDEMPOTENCY_URL", store.url.clone()),
        ("IDEMPOTENCY_TTL", format!("{}s", store.ttl.as_secs())),
    ];
    let Some(access) = &store.access else {
        return variables;
    };
    let file = |name: &str| format!("{DIRECTORY}/{name}");
    // A user for each tenant is what keeps a tenant's worker from another's keys.
    variables.push(("IDEMPOTENCY_USERNAME", valid.id.to_string()));
    variables.push(("IDEMPOTENCY_PASSWORD_FILE", file("password")));
    if access.sentinel_password {
        variables.push(("IDEMPOTENCY_SENTINEL_PASSWORD_FILE", file("sentinel-password")));
    }
    if access.ca {
        variables.push(("IDEMPOTENCY_CA_FILE", file("ca.crt")));
    }
    if access.client_certificate {
        variables.push(("IDEMPOTENCY_CERT_FILE", file("tls.crt")));
        variables.push(("IDEMPOTENCY_KEY_FILE", file("tls.key")));
    }
    variables
}

pub(super) fn volume(store: &IdempotencyStore) -> Option<Volume> {
    let access = store.access.as_ref()?;
    Some(Volume {
        name: NAME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(access.secret.clone()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    })
}

pub(super) fn mount(store: &IdempotencyStore) -> Option<VolumeMount> {
    store.access.as_ref().map(|_| VolumeMount {
        name: NAME.to_owned(),
        mount_path: DIRECTORY.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    })
}
