//! Variables of the worker's container.

use crds::{Envelope, Span, ValueSource};
use k8s_openapi::api::core::v1::{
    ConfigMapKeySelector, EnvVar, EnvVarSource, ObjectFieldSelector, SecretKeySelector,
};

use super::{
    Valid,
    config_map::FILE,
    credentials,
    deployment::{HTTP_PORT, LIST_DIRECTORY},
    handler_auth, store,
};
use crate::settings::Settings;

/// The worker stops on its own this long before the kubelet would kill it.
const GRACE_MARGIN_SECONDS: u64 = 5;

pub(super) fn environment(valid: &Valid, settings: &Settings) -> Vec<EnvVar> {
    let worker = &valid.worker;
    let grace = settings
        .worker
        .termination_grace
        .as_secs()
        .saturating_sub(GRACE_MARGIN_SECONDS)
        .max(1);
    let mut variables: Vec<(&str, String)> = vec![
        ("GCP_PROJECT_ID", valid.standing.here.project.to_string()),
        ("TENANT_ID", valid.id.to_string()),
        ("SUBSCRIPTIONS_FILE", format!("{LIST_DIRECTORY}/{FILE}")),
        (
            "MAX_CONCURRENT_MESSAGES",
            worker.max_concurrent_messages.to_string(),
        ),
        ("WORKER_TIMEOUT", worker.timeout.as_secs().to_string()),
        ("PUBSUB_ENABLE_DLQ", settings.dead_lettering.to_string()),
        ("LOG_LEVEL", settings.worker.log_level.clone()),
        ("HTTP_ADDR", format!("[::]:{HTTP_PORT}")),
        ("SHUTDOWN_GRACE", format!("{grace}s")),
    ];
    variables.extend(store::environment(valid, &settings.worker.idempotency));
    if let Some(emulator) = &settings.worker_emulator {
        variables.push(("PUBSUB_EMULATOR_HOST", emulator.clone()));
    }
    if settings.identity.federation.is_some() {
        let file = format!("{LIST_DIRECTORY}/{}", credentials::FILE);
        variables.push((credentials::VARIABLE, file));
    }
    // Left out where it is not set: the Deployments of those who never heard of it stay as they are.
    variables.extend(worker.envelope.map(|envelope| {
        let text = match envelope {
            Envelope::Domain => "domain",
            Envelope::CloudEvents => "cloudevents",
            Envelope::Raw => "raw",
        };
        ("ENVELOPE", text.to_owned())
    }));
    match &worker.handler.http {
        None => variables.push(("HANDLER", "log".to_owned())),
        Some(http) => {
            variables.push(("HANDLER", "http".to_owned()));
            variables.push(("HANDLER_URL", http.url.clone()));
            let timeout = http.timeout.unwrap_or(Span::from_secs(60));
            variables.push(("HANDLER_TIMEOUT", format!("{}s", timeout.as_secs())));
            variables.extend(http.auth.iter().flat_map(handler_auth::environment));
        }
    }
    // A name stands once, or server-side apply refuses the whole Deployment.
    variables.retain(|(name, _)| worker.env.iter().all(|one| one.name != *name));
    let own = variables.into_iter().map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    });
    own.chain(worker.env.iter().map(variable)).collect()
}

fn variable(one: &crds::EnvVar) -> EnvVar {
    EnvVar {
        name: one.name.clone(),
        value: one.value.clone(),
        value_from: one.value_from.as_ref().map(source),
    }
}

fn source(from: &ValueSource) -> EnvVarSource {
    EnvVarSource {
        secret_key_ref: from.secret_key_ref.as_ref().map(|one| SecretKeySelector {
            name: one.name.clone(),
            key: one.key.clone(),
            optional: one.optional,
        }),
        config_map_key_ref: from.config_map_key_ref.as_ref().map(|one| ConfigMapKeySelector {
            name: one.name.clone(),
            key: one.key.clone(),
            optional: one.optional,
        }),
        field_ref: from.field_ref.as_ref().map(|one| ObjectFieldSelector {
            field_path: one.field_path.clone(),
            api_version: None,
        }),
        ..EnvVarSource::default()
    }
}
