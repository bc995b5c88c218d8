//! The part of a Tenant that describes its worker.

#![allow(
    unreachable_pub,
    clippy::duplicated_attributes,
    reason = "derive(KubeSchema) repeats each type inside a function, and each printcolumn has a name and a type"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{duration::Span, pod::EnvVar, reserved::cel, template::WorkerTemplate};

/// How the tenant's worker runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(cel::auth_variables()).message("env must set none of HANDLER_TOKEN_FILE, HANDLER_CA_FILE, HANDLER_CERT_FILE and HANDLER_KEY_FILE beside handler.http.auth, which sets them"))]
pub struct WorkerSettings {
    /// What is done with an event: exactly one of `log` and `http`. Default: `log`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<Handler>,
    /// How events stand in messages: `Domain` is the worker's own JSON; `CloudEvents` are CloudEvents 1.0, in binary or
    /// structured mode; `Raw` are attributes and bytes of any kind, such as the notifications of Cloud Storage. In each the
    /// attribute `tenant_id` says whose a message is. Default: `Domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Envelope>,
    /// The worker's image. Default: the operator's `worker.image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// How many events one worker handles at a time, over all of its subscriptions. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_concurrent_messages: Option<i32>,
    /// The longest that one event may take, 1s to 24h; its lease is extended until then. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("must be from 1s to 24h"))]
    pub timeout: Option<Span>,
    /// Requests and limits of the worker's container. Default: limits of 1 CPU and 2Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// How many workers run: as many as the backlog asks for where the cluster has KEDA and workers share a store for
    /// idempotency keys, `max(min, 1)` where it has not, and one where the keys are in the worker's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("!has(self.min) || !has(self.max) || self.min <= self.max").message("min must not be greater than max"))]
    pub scaling: Option<Scaling>,
    /// More environment variables for the worker's container. Names that the operator sets are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// More of its pod: where it runs, what it is pulled with, volumes, labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<WorkerTemplate>,
}

/// How events stand in messages: `Domain` is the worker's own JSON; `CloudEvents` are CloudEvents 1.0, in binary or
/// structured mode; `Raw` are attributes and bytes of any kind, such as the notifications of Cloud Storage. In each the
/// attribute `tenant_id` says whose a message is. Default: `Domain`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Envelope {
    /// The worker's own JSON.
    Domain,
    /// CloudEvents 1.0 in binary or structured mode.
    CloudEvents,
    /// Attributes and bytes.
    Raw,
}

/// What is done with an event.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.log) ? 1 : 0) + (has(self.http) ? 1 : 0) == 1").message("exactly one of log and http must be set"))]
pub struct Handler {
    /// Write a log line for each event, without its payload. For trying things out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogHandler>,
    /// POST each event as a CloudEvent (binary mode) to a service of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpHandler>,
}

/// The `log` handler has no settings.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
pub struct LogHandler {}

/// Where events are POSTed to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.auth) || !(has(self.auth.ca) || has(self.auth.clientCertificate)) || self.url.startsWith('https://')").message("auth.ca and auth.clientCertificate need an https:// url"))]
pub struct HttpHandler {
    /// The service's address, such as `http://handler.tenant-123:8080/`. A 2xx answer is success; 400, 410, 413, 415
    /// and 422 mean that the event will never be taken; everything else is tried again.
    #[schemars(length(min = 8, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && (url(self).getScheme() == 'http' || url(self).getScheme() == 'https') && url(self).getHost() != ''").message("must be an http:// or https:// URL with a host"))]
    pub url: String,
    /// The port that the pods of the service listen on, as a number or a name: the worker's NetworkPolicy opens it. Default: that
    /// of the Kubernetes Service in `url`, where it is one; else the port in `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("type(self) == int ? self >= 1 && self <= 65535 : string(self).matches('^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$')").message("must be a port, 1 to 65535, or a port's name of at most 15 of a-z 0-9 -"))]
    pub pod_port: Option<IntOrString>,
    /// How the worker proves itself to the service, and knows it, by Secrets in the tenant's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<HandlerAuth>,
    /// How long one call may take, 1s to 1h. Default: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('1h')").message("must be from 1s to 1h"))]
    pub timeout: Option<Span>,
}

/// How the worker proves itself to the service, and knows it. Its Secrets are in the tenant's namespace; the operator names them
/// to the kubelet and reads none. Their files are read again when they change.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.token) || has(self.ca) || has(self.clientCertificate)").message("at least one of token, ca and clientCertificate must be set"))]
pub struct HandlerAuth {
    /// A token that is sent as `Authorization: Bearer`. Default of its key: `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretKey>,
    /// The authority that signed the service's certificate, as PEM, instead of the system's. Default of its key: `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<SecretKey>,
    /// The worker's own certificate: a Secret of type `kubernetes.io/tls`, with the keys `tls.crt` and `tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SecretName>,
}

/// One key of a Secret in the tenant's namespace.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// The Secret's name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub secret_name: String,
    /// The key in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,
}

/// A Secret in the tenant's namespace.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretName {
    /// The Secret's name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub secret_name: String,
}

/// How many workers run. Without KEDA in the cluster there are always `max(min, 1)`, and one where idempotency keys are in
/// the worker's memory.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// The fewest workers. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub min: Option<i32>,
    /// The most workers. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<i32>,
    /// How many waiting messages one worker is wanted for. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub target_backlog: Option<i32>,
}

/// Requests and limits of a container.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// The most it may use, such as `{cpu: 1, memory: 2Gi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, IntOrString>,
    /// What is set aside for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, IntOrString>,
}
