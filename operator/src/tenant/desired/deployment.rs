//! The worker itself.

use std::collections::BTreeMap;

use crds::{Envelope, Span, Tenant, TenantSpec};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, HTTPGetAction,
            PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile,
            SecurityContext, Volume, VolumeMount,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use serde_json::Result;

use super::{Valid, WORKER, config_map::FILE, credentials, labels, metadata, selector, store, strings};
use crate::{
    kubernetes::{Kind, Manifest, hash},
    settings::Settings,
    tenant::{rollout::annotation, scaling::Mode, validate::validate},
};

/// Where the worker answers probes and Prometheus.
pub(super) const HTTP_PORT: u16 = 8080;

/// Where the list of subscriptions is mounted. A directory, because a file mounted by itself is never updated.
const LIST_DIRECTORY: &str = "/etc/event-worker";

/// The worker stops on its own this long before the kubelet would kill it.
const GRACE_MARGIN_SECONDS: u64 = 5;

pub(super) fn manifest(valid: &Valid, settings: &Settings, mode: &Mode) -> Result<Manifest> {
    let mut deployment = deployment(valid, settings, mode);
    deployment.metadata.annotations = Some(strings([
        (annotation::FLEET, &fleet_version(settings)?),
        (annotation::OWN, &valid.worker_version),
    ]));
    Manifest::new(Kind::Deployment, Some(&valid.namespace), WORKER, &deployment)
}

/// Changes with anything that the operator says of all workers: its settings, and its own version. It is a hash of the
/// worker of a Tenant that says nothing itself.
///
/// # Errors
/// When a Deployment has no JSON form, which would be a fault of this crate.
pub fn fleet_version(settings: &Settings) -> Result<String> {
    let silent = Tenant::new("any", TenantSpec::default());
    Ok(match validate(&silent, &[], settings) {
        Ok(valid) => hash(&serde_json::to_value(deployment(&valid, settings, &Mode::One))?),
        // Such a Tenant makes sense under any settings.
        Err(_) => String::new(),
    })
}

fn deployment(valid: &Valid, settings: &Settings, mode: &Mode) -> Deployment {
    Deployment {
        metadata: metadata(valid, WORKER),
        spec: Some(DeploymentSpec {
            // A stop is a stop even where KEDA sleeps; it wants the same then, so that there is no strife.
            replicas: if valid.suspended { Some(0) } else { mode.replicas() },
            selector: LabelSelector {
                match_labels: Some(selector()),
                ..LabelSelector::default()
            },
            strategy: Some(strategy(settings.worker.idempotency.is_memory())),
            progress_deadline_seconds: i32::try_from(settings.rollout.patience.as_secs()).ok(),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels(valid)),
                    annotations: settings
                        .identity
                        .federation
                        .as_ref()
                        .map(credentials::annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(valid, settings)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// With keys in memory two workers at a time would each take an event for new.
fn strategy(memory_store: bool) -> DeploymentStrategy {
    if memory_store {
        return DeploymentStrategy {
            type_: Some("Recreate".to_owned()),
            rolling_update: None,
        };
    }
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

fn pod(valid: &Valid, settings: &Settings) -> PodSpec {
    PodSpec {
        service_account_name: Some(WORKER.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: i64::try_from(settings.worker.termination_grace.as_secs()).ok(),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(65532),
            run_as_group: Some(65532),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        volumes: Some(volumes(settings)),
        containers: vec![container(valid, settings)],
        ..PodSpec::default()
    }
}

fn volumes(settings: &Settings) -> Vec<Volume> {
    let list = Volume {
        name: "subscriptions".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: WORKER.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    let token = settings.identity.federation.as_ref().map(credentials::volume);
    let secret = store::volume(&settings.worker.idempotency);
    [list].into_iter().chain(token).chain(secret).collect()
}

fn mounts(settings: &Settings) -> Vec<VolumeMount> {
    let list = VolumeMount {
        name: "subscriptions".to_owned(),
        mount_path: LIST_DIRECTORY.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    let token = settings
        .identity
        .federation
        .as_ref()
        .map(|_| credentials::mount());
    let secret = store::mount(&settings.worker.idempotency);
    [list].into_iter().chain(token).chain(secret).collect()
}

fn container(valid: &Valid, settings: &Settings) -> Container {
    let quantities = |of: &BTreeMap<String, String>| -> BTreeMap<String, Quantity> {
        of.iter()
            .map(|(name, amount)| (name.clone(), Quantity(amount.clone())))
            .collect()
    };
    Container {
        name: "worker".to_owned(),
        image: Some(valid.worker.image.clone()),
        image_pull_policy: Some(settings.worker.image_pull_policy.clone()),
        env: Some(environment(valid, settings)),
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: i32::from(HTTP_PORT),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        readiness_probe: Some(probe("/readyz", 2, 3)),
        liveness_probe: Some(probe("/healthz", 10, 6)),
        resources: Some(ResourceRequirements {
            limits: Some(quantities(&valid.worker.limits)),
            requests: Some(quantities(&valid.worker.requests)),
            claims: None,
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts(settings)),
        ..Container::default()
    }
}

fn environment(valid: &Valid, settings: &Settings) -> Vec<EnvVar> {
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
        }
    }
    // A name stands once, or server-side apply refuses the whole Deployment.
    variables.retain(|(name, _)| worker.env.iter().all(|one| one.name != *name));
    let own = variables.into_iter().map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    });
    let more = worker.env.iter().map(|one| EnvVar {
        name: one.name.clone(),
        value: one.value.clone(),
        value_from: None,
    });
    own.chain(more).collect()
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        failure_threshold: Some(failures),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}
