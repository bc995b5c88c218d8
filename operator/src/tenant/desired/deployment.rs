//! The worker itself.

use std::collections::BTreeMap;

use crds::{HandlerAuth, Tenant, TenantSpec};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Capabilities, ConfigMapVolumeSource, Container, ContainerPort, HTTPGetAction, PodSecurityContext,
            PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecurityContext, Volume,
            VolumeMount,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use serde_json::Result;

use super::{
    Valid, WORKER, credentials, handler_auth, labels, metadata, selector, store, strings,
    variables::environment,
};
use crate::{
    kubernetes::{Kind, Manifest, hash},
    settings::{PodUser, Settings, template::CONTAINER},
    tenant::{rollout::annotation, scaling::Mode, validate::validate},
};

/// Where the worker answers probes and Prometheus.
pub(super) const HTTP_PORT: u16 = 8080;

/// The user and the group of the worker's image.
const USER: i64 = 65532;

/// Where the list of subscriptions is mounted. A directory, because a file mounted by itself is never updated.
pub(super) const LIST_DIRECTORY: &str = "/etc/event-worker";

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
                metadata: Some(pod_metadata(valid, settings)),
                spec: Some(pod(valid, settings)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// What the operator says counts over the Tenant's template.
fn pod_metadata(valid: &Valid, settings: &Settings) -> ObjectMeta {
    let template = &valid.worker.template;
    let mut all_labels = template.labels.clone();
    all_labels.extend(labels(valid));
    let mut annotations = template.annotations.clone();
    let federation = settings.identity.federation.as_ref();
    annotations.extend(federation.map(credentials::annotations).unwrap_or_default());
    ObjectMeta {
        labels: Some(all_labels),
        annotations: (!annotations.is_empty()).then_some(annotations),
        ..ObjectMeta::default()
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
    let mut pod = valid.worker.template.around(own_pod(valid, settings));
    for one in pod.topology_spread_constraints.iter_mut().flatten() {
        one.label_selector.get_or_insert_with(|| LabelSelector {
            match_labels: Some(selector()),
            ..LabelSelector::default()
        });
    }
    pod
}

fn own_pod(valid: &Valid, settings: &Settings) -> PodSpec {
    let id = match settings.worker.pods.user {
        PodUser::Fixed => Some(USER),
        PodUser::Platform => None,
    };
    PodSpec {
        service_account_name: Some(WORKER.to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: i64::try_from(settings.worker.termination_grace.as_secs()).ok(),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: id,
            run_as_group: id,
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        volumes: Some(volumes(valid, settings)),
        containers: vec![container(valid, settings)],
        ..PodSpec::default()
    }
}

fn auth(valid: &Valid) -> Option<&HandlerAuth> {
    valid.worker.handler.http.as_ref()?.auth.as_ref()
}

fn volumes(valid: &Valid, settings: &Settings) -> Vec<Volume> {
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
    let auth = auth(valid).map(handler_auth::volume);
    [list]
        .into_iter()
        .chain(token)
        .chain(secret)
        .chain(auth)
        .collect()
}

fn mounts(valid: &Valid, settings: &Settings) -> Vec<VolumeMount> {
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
    let auth = auth(valid).map(|_| handler_auth::mount());
    [list]
        .into_iter()
        .chain(token)
        .chain(secret)
        .chain(auth)
        .collect()
}

fn container(valid: &Valid, settings: &Settings) -> Container {
    let quantities = |of: &BTreeMap<String, String>| -> BTreeMap<String, Quantity> {
        of.iter()
            .map(|(name, amount)| (name.clone(), Quantity(amount.clone())))
            .collect()
    };
    Container {
        name: CONTAINER.to_owned(),
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
        volume_mounts: Some(mounts(valid, settings)),
        ..Container::default()
    }
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
