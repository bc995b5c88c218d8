//! The keys of `worker` that are about its pods and who may reach whom.

use crds::{EnvVar, WorkerTemplate};
use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    SettingsError,
    lossless::{self, Wrong},
    template::{Allowed, Template, check_env},
};

/// Who chooses the user that workers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PodUser {
    /// The operator: 65532, that of the worker's image.
    #[default]
    Fixed,
    /// The platform, as OpenShift does for each namespace; never root.
    Platform,
}

/// The keys as they are written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct PodKeys {
    pub(super) user: PodUser,
    pub(super) allow: Option<Vec<String>>,
    pub(super) template: Option<Value>,
    pub(super) env: Vec<Value>,
    pub(super) network_policy: NetworkKeys,
}

/// The keys of `worker.networkPolicy`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct NetworkKeys {
    metrics_from: Vec<Value>,
    extra_egress: Vec<Value>,
}

/// What is put into the pods of all workers, what Tenants may add, and who reaches whom.
#[derive(Debug, Clone, Default)]
pub struct Pods {
    /// Who chooses the user that they run as.
    pub user: PodUser,
    /// What a Tenant may say of its worker's pod.
    pub allowed: Allowed,
    /// What every pod has, where its Tenant does not say otherwise.
    pub template: Template,
    /// Variables of every worker, where its Tenant does not say otherwise.
    pub env: Vec<EnvVar>,
    /// Who reads the workers' metrics; empty: pods of the tenant's own namespace, and of namespaces that are no Tenant's.
    pub metrics_from: Vec<NetworkPolicyPeer>,
    /// More that workers may reach.
    pub extra_egress: Vec<NetworkPolicyEgressRule>,
}

impl PodKeys {
    pub(super) fn checked(self) -> Result<Pods, SettingsError> {
        self.parsed()
            .map_err(|wrong| SettingsError::value(wrong.field, wrong.problem))
    }

    fn parsed(self) -> Result<Pods, Wrong> {
        let template = match self.template.filter(|value| !value.is_null()) {
            None => Template::default(),
            Some(value) => {
                let at = "worker.template";
                let template = Template::parse(&lossless::read::<WorkerTemplate>(&value, at)?, at)?;
                template.check_mounts(at)?;
                template
            }
        };
        let env: Vec<EnvVar> = list(&self.env, "worker.env")?;
        // A Tenant may have `handler.http.auth`, and these count for all.
        check_env(&env, true, "worker.env")?;
        Ok(Pods {
            user: self.user,
            allowed: match &self.allow {
                None => Allowed::default(),
                Some(names) => Allowed::parse(names, "worker.allow")?,
            },
            template,
            env,
            metrics_from: list(
                &self.network_policy.metrics_from,
                "worker.networkPolicy.metricsFrom",
            )?,
            extra_egress: list(
                &self.network_policy.extra_egress,
                "worker.networkPolicy.extraEgress",
            )?,
        })
    }
}

fn list<T: DeserializeOwned + Serialize>(values: &[Value], at: &str) -> Result<Vec<T>, Wrong> {
    let one = |(index, value)| lossless::read(value, &format!("{at}[{index}]"));
    values.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(yaml: &str) -> Result<Pods, String> {
        let keys: PodKeys = serde_yaml::from_str(yaml).map_err(|error| error.to_string())?;
        keys.checked().map_err(|error| error.to_string())
    }

    #[test]
    fn silence_adds_nothing_to_a_pod() {
        let pods = pods("{}").unwrap();
        assert_eq!((pods.template, pods.user), (Template::default(), PodUser::Fixed));
        assert!(pods.env.is_empty() && pods.metrics_from.is_empty() && pods.extra_egress.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (yaml, expected) in [
            (
                "user: root",
                "unknown variant `root`, expected `fixed` or `platform`",
            ),
            (
                "allow: [hostPath]",
                "worker.allow: \"hostPath\" is none of imagePullSecrets, ",
            ),
            (
                "template: {nodeSelecter: {a: b}}",
                "worker.template.nodeSelecter: there is no such field",
            ),
            (
                "template: {volumes: [{name: a, hostPath: {path: /}}]}",
                "worker.template.volumes[0].hostPath: there is no such field",
            ),
            (
                "template: {volumeMounts: [{name: a, mountPath: /data}]}",
                "worker.template.volumeMounts: /data mounts \"a\", and volumes has []",
            ),
            (
                "env: [{name: TENANT_ID, value: x}]",
                "worker.env[0].name: TENANT_ID is set by the operator",
            ),
            (
                "env: [{name: HANDLER_TOKEN_FILE}]",
                "worker.env[0].name: HANDLER_TOKEN_FILE is set by",
            ),
            (
                "networkPolicy: {extraEgress: [{port: 1}]}",
                "worker.networkPolicy.extraEgress[0].port: there is no such field",
            ),
            (
                "networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabel: {a: b}}}]}",
                "worker.networkPolicy.metricsFrom[0].namespaceSelector.matchLabel: there is no such field",
            ),
        ] {
            let error = pods(yaml).unwrap_err();
            assert!(error.contains(expected), "{yaml:?} gave {error:?}");
        }
    }
}
