//! How KEDA scales a worker: by the tenant's backlog, which it asks the operator for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Result, json};

use super::{Valid, WORKER, metadata, strings};
use crate::{
    kubernetes::{Kind, Manifest},
    tenant::scaling::Range,
};

/// What KEDA hands to the scaler with each question.
pub mod parameter {
    /// The Tenant's name.
    pub const TENANT: &str = "tenant";
    /// How many waiting messages one worker is wanted for.
    pub const TARGET_BACKLOG: &str = "targetBacklog";
}

/// How often KEDA asks, in seconds. Backlogs are measured each minute.
const POLLING_SECONDS: u32 = 30;

/// How long after the last message the last worker goes, in seconds: a measurement may be four minutes late.
const COOLDOWN_SECONDS: u32 = 300;

/// For so long the highest number asked for counts, in seconds, so that measurements that come late and go up and down do not
/// stop workers which are wanted again at once.
const SCALE_DOWN_WINDOW_SECONDS: u32 = 300;

/// After so many answers in a row that were none the fallback runs.
const FALLBACK_AFTER: u32 = 3;

/// Holds the number of workers at zero (<https://keda.sh/docs/latest/concepts/scaling-deployments/#pausing-autoscaling>).
const PAUSED: (&str, &str) = ("autoscaling.keda.sh/paused-replicas", "0");

pub(super) fn manifest(valid: &Valid, range: &Range, address: &str) -> Result<Manifest> {
    let metadata = ObjectMeta {
        annotations: valid.suspended.then(|| strings([PAUSED])),
        ..metadata(valid, WORKER)
    };
    let scaled = json!({
        "metadata": metadata,
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": WORKER},
            "minReplicaCount": range.min,
            "maxReplicaCount": range.max,
            "pollingInterval": POLLING_SECONDS,
            "cooldownPeriod": COOLDOWN_SECONDS,
            "fallback": {"failureThreshold": FALLBACK_AFTER, "replicas": range.least()},
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {
                "scaleDown": {"stabilizationWindowSeconds": SCALE_DOWN_WINDOW_SECONDS},
            }}},
            "triggers": [{
                "type": "external",
                "metricType": "AverageValue",
                "metadata": {
                    "scalerAddress": address,
                    parameter::TENANT: valid.name,
                    parameter::TARGET_BACKLOG: range.target_backlog.to_string(),
                },
            }],
        },
    });
    Manifest::new(Kind::ScaledObject, Some(&valid.namespace), WORKER, &scaled)
}
