//! Parts of a pod that a Tenant may name: what holds no door to the node. Whatever is not here, such as a volume of kind
//! hostPath, the API server drops or refuses.

#![allow(
    unreachable_pub,
    clippy::duplicated_attributes,
    clippy::struct_field_names,
    reason = "derive(KubeSchema) repeats each type inside a function, each printcolumn has a name and a type, and names are Kubernetes'"
)]

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, EmptyDirVolumeSource, SecretProjection, SecretVolumeSource,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reserved::cel;

/// One environment variable.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.value) || !has(self.valueFrom)").message("value and valueFrom must not both be set"))]
pub struct EnvVar {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    #[x_kube(validation = Rule::new(cel::variable()).message("this variable is set by the operator; use the Tenant's fields instead"))]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// Where its value is taken from, instead of `value`, when a pod starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueSource>,
}

/// Where the value of a variable is taken from: exactly one of these.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.secretKeyRef) ? 1 : 0) + (has(self.configMapKeyRef) ? 1 : 0) + (has(self.fieldRef) ? 1 : 0) == 1").message("exactly one of secretKeyRef, configMapKeyRef and fieldRef must be set"))]
pub struct ValueSource {
    /// A key of a Secret in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
    /// A key of a ConfigMap in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A field of the pod itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_ref: Option<FieldRef>,
}

/// A key of a Secret or a ConfigMap.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// Whether a pod starts without it. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A field of the pod.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldRef {
    /// Which one: `metadata.name`, `.namespace`, `.uid`, `.labels['KEY']`, `.annotations['KEY']`, `spec.nodeName`,
    /// `spec.serviceAccountName`, `status.podIP`, `.podIPs`, `.hostIP` or `.hostIPs`.
    #[schemars(
        length(max = 400),
        regex(
            pattern = "^(metadata\\.(name|namespace|uid|(labels|annotations)\\['[A-Za-z0-9._/-]+'\\])|spec\\.(nodeName|serviceAccountName)|status\\.(podIPs?|hostIPs?))$"
        )
    )]
    pub field_path: String,
}

/// Variables out of all keys of a Secret or a ConfigMap.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secretRef) != has(self.configMapRef)").message("exactly one of secretRef and configMapRef must be set"))]
pub struct EnvFrom {
    /// What the variables' names begin with, before the key. Required, so that no key becomes a variable of the operator's.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    #[x_kube(validation = Rule::new(cel::prefix()).message("variables of the operator's begin so; choose another prefix, such as APP_"))]
    pub prefix: String,
    /// A Secret in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ObjectRef>,
    /// A ConfigMap in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ObjectRef>,
}

/// A Secret or a ConfigMap.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Whether a pod starts without it. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A Secret that an image is pulled with.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullSecret {
    /// Its name, in the tenant's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A volume of the pod. Kinds that reach the node, and tokens of a ServiceAccount, are not among them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.secret) ? 1 : 0) + (has(self.configMap) ? 1 : 0) + (has(self.projected) ? 1 : 0) + (has(self.emptyDir) ? 1 : 0) == 1").message("exactly one of secret, configMap, projected and emptyDir must be set"))]
pub struct PodVolume {
    /// What `volumeMounts` call it.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new(cel::volume()).message("a volume of the operator's has this name; choose another"))]
    pub name: String,
    /// A Secret in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("has(self.secretName) && self.secretName != ''").message("secretName must be set"))]
    pub secret: Option<SecretVolumeSource>,
    /// A ConfigMap in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.name != ''").message("name must be set"))]
    pub config_map: Option<ConfigMapVolumeSource>,
    /// Several Secrets and ConfigMaps in one directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected: Option<ProjectedVolume>,
    /// A directory that is empty when a pod starts, and goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirVolumeSource>,
}

/// Several Secrets and ConfigMaps in one directory.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedVolume {
    /// Which; a later one of the same path counts.
    #[schemars(length(min = 1, max = 16))]
    pub sources: Vec<ProjectedSource>,
    /// Permissions of the files, as a number; 420 is 0644. Default: 420.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 511))]
    pub default_mode: Option<i32>,
}

/// A Secret or a ConfigMap of a projected volume.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secret) != has(self.configMap)").message("exactly one of secret and configMap must be set"))]
pub struct ProjectedSource {
    /// A Secret in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretProjection>,
    /// A ConfigMap in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapProjection>,
}

/// Where the worker's container finds a volume.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodVolumeMount {
    /// The volume's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The directory: an absolute path without `.`, `..` and a slash at its end, away from those that the operator mounts.
    #[schemars(
        length(min = 2, max = 256),
        regex(pattern = "^(/\\.?[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)+$")
    )]
    #[x_kube(validation = Rule::new(cel::mount_path()).message("must be neither within nor above a directory that the operator mounts: /etc/event-worker, /etc/event-worker-store, /etc/event-worker-handler, /run/secrets, /var/run/secrets, /proc, /sys, /dev"))]
    pub mount_path: String,
    /// A path within the volume, instead of all of it; such a mount does not follow changes. Without a slash at its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = "^\\.?[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*(/\\.?[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*)*$")
    )]
    pub sub_path: Option<String>,
    /// Whether it can only be read. Default: false; Secrets and ConfigMaps can only be read in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}
