//! How the worker proves itself to its handler, and knows it: files out of Secrets of the tenant's namespace, which the kubelet
//! mounts and the operator never reads.

use std::collections::BTreeSet;

use crds::{HandlerAuth, SecretKey};
use k8s_openapi::api::core::v1::{
    KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeMount, VolumeProjection,
};

const VOLUME: &str = "handler-auth";

/// A directory, so that a rotated token or certificate arrives without a restart.
const DIRECTORY: &str = "/etc/event-worker-handler";

const TOKEN: &str = "token";
const CA: &str = "ca.crt";
/// The keys of a Secret of type `kubernetes.io/tls`.
const CERTIFICATE: [&str; 2] = ["tls.crt", "tls.key"];

/// The worker's variables.
pub(super) fn environment(auth: &HandlerAuth) -> Vec<(&'static str, String)> {
    let file = |name: &str| format!("{DIRECTORY}/{name}");
    let [certificate, key] = CERTIFICATE;
    [
        ("HANDLER_TOKEN_FILE", auth.token.as_ref().map(|_| file(TOKEN))),
        ("HANDLER_CA_FILE", auth.ca.as_ref().map(|_| file(CA))),
        (
            "HANDLER_CERT_FILE",
            auth.client_certificate.as_ref().map(|_| file(certificate)),
        ),
        (
            "HANDLER_KEY_FILE",
            auth.client_certificate.as_ref().map(|_| file(key)),
        ),
    ]
    .into_iter()
    .filter_map(|(name, file)| file.map(|file| (name, file)))
    .collect()
}

/// The keys that are asked for and no others.
pub(super) fn volume(auth: &HandlerAuth) -> Volume {
    let of = |given: &Option<SecretKey>, file: &str| {
        given.as_ref().map(|one| {
            let key = one.key.clone().unwrap_or_else(|| file.to_owned());
            source(&one.secret_name, vec![(key, file)])
        })
    };
    let certificate = auth.client_certificate.as_ref().map(|one| {
        let items = CERTIFICATE.map(|file| (file.to_owned(), file));
        source(&one.secret_name, items.to_vec())
    });
    let sources = [of(&auth.token, TOKEN), of(&auth.ca, CA), certificate];
    Volume {
        name: VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources.into_iter().flatten().collect()),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn source(secret: &str, items: Vec<(String, &str)>) -> VolumeProjection {
    let items = items.into_iter().map(|(key, file)| KeyToPath {
        key,
        path: file.to_owned(),
        mode: None,
    });
    VolumeProjection {
        secret: Some(SecretProjection {
            name: secret.to_owned(),
            items: Some(items.collect()),
            optional: None,
        }),
        ..VolumeProjection::default()
    }
}

/// Where the container finds them.
pub(super) fn mount() -> VolumeMount {
    VolumeMount {
        name: VOLUME.to_owned(),
        mount_path: DIRECTORY.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

/// The Secrets without which a worker does not begin.
#[must_use]
pub fn secrets(auth: &HandlerAuth) -> BTreeSet<String> {
    let keys = auth
        .token
        .iter()
        .chain(&auth.ca)
        .map(|one| one.secret_name.clone());
    let certificate = auth.client_certificate.iter().map(|one| one.secret_name.clone());
    keys.chain(certificate).collect()
}
