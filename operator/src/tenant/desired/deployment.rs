//! The worker itself.

use std::collections::BTreeMap;

use crds::Span;
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

use super::{Valid, WORKER, config_map::FILE, labels, metadata, selector};
use crate::{
    kubernetes::{Kind, Manifest},
    settings::Settings,
};

/// Where the worker answers probes and Prometheus.
pub(super) const HTTP_PORT: u16 = 8080;

/// Where the list of subscriptions is mounted. A directory, because a file mounted by itself is never updated.
const LIST_DIRECTORY: &str = "/etc/event-worker";

/// The worker stops on its own this long before the kubelet would kill it.
const GRACE_MARGIN_SECONDS: u64 = 5;

pub(super) fn manifest(valid: &Valid, settings: &Settings) -> Result<Manifest> {
    let memory_store = settings.worker.idempotency_url.starts_with("memory:");
    let deployment = Deployment {
        metadata: metadata(valid, WORKER),
        spec: Some(DeploymentSpec {
            replicas: Some(if valid.suspended { 0 } else { valid.worker.replicas }),
            selector: LabelSelector {
                match_labels: Some(selector()),
                ..LabelSelector::default()
            },
            strategy: Some(strategy(memory_store)),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels(valid)),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(valid, settings)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    };
    Manifest::new(Kind::Deployment, Some(&valid.namespace), WORKER, &deployment)
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
        volumes: Some(vec![Volume {
            name: "subscriptions".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: WORKER.to_owned(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        }]),
        containers: vec![container(valid, settings)],
        ..PodSpec::default()
    }
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
        volume_mounts: Some(vec![VolumeMount {
            name: "subscriptions".to_owned(),
            mount_path: LIST_DIRECTORY.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }]),
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
        ("GCP_PROJECT_ID", valid.project.to_string()),
        ("TENANT_ID", valid.id.to_string()),
        ("SUBSCRIPTIONS_FILE", format!("{LIST_DIRECTORY}/{FILE}")),
        (
            "MAX_CONCURRENT_MESSAGES",
            worker.max_concurrent_messages.to_string(),
        ),
        ("WORKER_TIMEOUT", worker.timeout.as_secs().to_string()),
        ("PUBSUB_ENABLE_DLQ", settings.dead_lettering.to_string()),
        ("LOG_LEVEL", settings.worker.log_level.clone()),
        ("IDEMPOTENCY_URL", settings.worker.idempotency_url.clone()),
        ("HTTP_ADDR", format!("0.0.0.0:{HTTP_PORT}")),
        ("SHUTDOWN_GRACE", format!("{grace}s")),
    ];
    if let Some(emulator) = &settings.worker_emulator {
        variables.push(("PUBSUB_EMULATOR_HOST", emulator.clone()));
    }
    match &worker.handler.http {
        None => variables.push(("HANDLER", "log".to_owned())),
        Some(http) => {
            variables.push(("HANDLER", "http".to_owned()));
            variables.push(("HANDLER_URL", http.url.clone()));
            let timeout = http.timeout.unwrap_or(Span::from_secs(60));
            variables.push(("HANDLER_TIMEOUT", format!("{}s", timeout.as_secs())));
        }
    }
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
