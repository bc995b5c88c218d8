//! What a worker proves its identity with on a cluster that is not GKE: a token of its ServiceAccount, signed for Google
//! alone, and a file that tells Google's client library how to exchange it. On GKE there is nothing of this.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ProjectedVolumeSource, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use serde_json::Value;

use super::strings;
use crate::{identity::Federation, kubernetes::hash};

/// The file's name in the ConfigMap, and in the directory it is mounted at.
pub(super) const FILE: &str = "credentials.json";

/// What Google's client libraries find that file by; a Tenant may not set it.
pub(super) const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// On the pod: changes with the file, which is read once, when a worker starts.
const ANNOTATION: &str = "events.livingtwin.io/credentials";

/// Where the token is mounted.
const TOKEN_DIRECTORY: &str = "/var/run/secrets/event-worker";
const TOKEN_FILE: &str = "token";
const VOLUME: &str = "identity";

/// How long a token is good for. The kubelet renews it when four fifths are over, and each exchange reads it anew.
const TOKEN_SECONDS: i64 = 3600;

/// The file's content.
pub(super) fn file(federation: &Federation) -> Value {
    federation.credentials(&format!("{TOKEN_DIRECTORY}/{TOKEN_FILE}"))
}

/// Annotations of the pod.
pub(super) fn annotations(federation: &Federation) -> BTreeMap<String, String> {
    strings([(ANNOTATION, &hash(&file(federation)))])
}

/// The token, as the kubelet keeps it fresh.
pub(super) fn volume(federation: &Federation) -> Volume {
    let token = ServiceAccountTokenProjection {
        audience: Some(federation.audience.clone()),
        expiration_seconds: Some(TOKEN_SECONDS),
        path: TOKEN_FILE.to_owned(),
    };
    Volume {
        name: VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(token),
                ..VolumeProjection::default()
            }]),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Where the container finds it.
pub(super) fn mount() -> VolumeMount {
    VolumeMount {
        name: VOLUME.to_owned(),
        mount_path: TOKEN_DIRECTORY.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
