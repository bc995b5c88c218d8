//! More of a worker's pod: where it runs, and what is put into it.

#![allow(
    unreachable_pub,
    clippy::duplicated_attributes,
    reason = "derive(KubeSchema) repeats each type inside a function, and each printcolumn has a name and a type"
)]

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Toleration, TopologySpreadConstraint};
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    pod::{EnvFrom, PodVolume, PodVolumeMount, PullSecret},
    reserved::cel,
};

/// More of the worker's pod, as Kubernetes has it in a pod. It counts over the operator's `worker.template` as an apply counts
/// over another: labels and annotations by key, pull secrets and volumes by name, mounts by path, constraints by topology key;
/// `nodeSelector`, `tolerations` and `envFrom` as a whole. The operator's `worker.allow` says which of these a Tenant may set.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WorkerTemplate {
    /// Secrets in the tenant's namespace that the image is pulled with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<PullSecret>,
    /// Labels of the nodes that it may run on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that it may run on all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Which nodes and neighbours it prefers or requires, as `affinity` of a pod. What is not such a field the operator refuses,
    /// and wrong values of them the API server, when the worker's Deployment is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub affinity: Option<Value>,
    /// How several workers of the tenant spread over nodes and zones. Without a `labelSelector` it is about the tenant's workers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// A PriorityClass. Those that begin with `system-` are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("!self.startsWith('system-')").message("must not begin with system-, whose classes are for Kubernetes' own pods"))]
    pub priority_class_name: Option<String>,
    /// A RuntimeClass, such as that of a sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runtime_class_name: Option<String>,
    /// More labels of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new(cel::keys()).message("must set none of app.kubernetes.io/name, app.kubernetes.io/managed-by, pod-template-hash and events.livingtwin.io/…, which the operator or Kubernetes sets"))]
    pub labels: BTreeMap<String, String>,
    /// More annotations of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new(cel::keys()).message("must set none of events.livingtwin.io/…, container.apparmor.security.beta.kubernetes.io/… and seccomp.security.alpha.kubernetes.io/…, which confine the pod or are the operator's"))]
    pub annotations: BTreeMap<String, String>,
    /// More volumes: of the kinds secret, configMap, projected and emptyDir.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<PodVolume>,
    /// Where the worker's container finds them, or those of the operator's `worker.template`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["mountPath".into()]))]
    pub volume_mounts: Vec<PodVolumeMount>,
    /// Variables of the worker's container out of all keys of Secrets and ConfigMaps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub env_from: Vec<EnvFrom>,
}

/// The schema of Kubernetes' affinity alone is as large as all else of a Tenant's.
fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
