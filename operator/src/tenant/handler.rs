//! Where a handler's pods are, for the worker's NetworkPolicy: a policy is about pods, and the address in a Tenant is most often
//! a Service's, whose port is another than its pods'.

use std::collections::BTreeMap;

use http::Uri;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{Api, Client};

use super::validate::Valid;

/// What the handler's address leads to.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Behind {
    /// Nothing that is known: its own port is what counts.
    #[default]
    Address,
    /// Pods that listen on this port, by the Tenant or by a Service that does not say which pods.
    Port(IntOrString),
    /// The pods of a Service.
    Pods(Pods),
}

/// The pods of a Service, and the Service itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Pods {
    /// Their namespace.
    pub namespace: String,
    /// Their labels.
    pub selector: BTreeMap<String, String>,
    /// The port that they listen on: a number, or what they call it.
    pub port: IntOrString,
    /// The addresses of the Service, for networks that ask before an address is rewritten.
    pub addresses: Vec<String>,
}

/// The host and the port of `scheme://host:port/path` or of `host:port`. An IPv6 address is in brackets.
#[must_use]
pub fn host_and_port(address: &str) -> Option<(String, u16)> {
    let uri: Uri = address.parse().ok()?;
    let port = uri.port_u16().or_else(|| match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })?;
    Some((uri.host()?.to_owned(), port))
}

/// A name that a Service may have.
#[derive(Debug, PartialEq, Eq)]
struct ServiceName {
    name: String,
    namespace: String,
    /// Whether it can be nothing else, so that one that is not there is still to come.
    is_certain: bool,
}

/// The Service that a host may be, as DNS finds it for a pod of this namespace
/// (<https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>).
fn service(host: &str, own: &str) -> Option<ServiceName> {
    if host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok() {
        return None;
    }
    let labels: Vec<_> = host.trim_end_matches('.').split('.').collect();
    let (name, namespace, is_certain) = match labels.as_slice() {
        [name] => (*name, own, true),
        [name, namespace] => (*name, *namespace, *namespace == own),
        [name, namespace, "svc", ..] => (*name, *namespace, true),
        _ => return None,
    };
    let is_label = |text: &str| {
        (1..=63).contains(&text.len())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    (is_label(name) && is_label(namespace)).then(|| ServiceName {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        is_certain,
    })
}

/// What a Service says of its pods, if the port is one of its own.
fn behind(service: &Service, namespace: &str, port: u16) -> Option<Behind> {
    let spec = service.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    let found = spec
        .ports
        .iter()
        .flatten()
        .find(|one| one.port == i32::from(port));
    // The name of a headless Service is its pods' addresses: nothing rewrites the port.
    let is_headless = spec.cluster_ip.as_deref() == Some("None");
    let port = match (is_headless, found) {
        (true, _) => IntOrString::Int(i32::from(port)),
        (false, Some(found)) => target(found),
        (false, None) => return None,
    };
    let Some(selector) = spec.selector.clone().filter(|selector| !selector.is_empty()) else {
        return Some(Behind::Port(port));
    };
    let addresses = spec.cluster_ips.iter().flatten().filter(|ip| *ip != "None");
    Some(Behind::Pods(Pods {
        namespace: namespace.to_owned(),
        selector,
        port,
        addresses: addresses.cloned().collect(),
    }))
}

fn target(port: &ServicePort) -> IntOrString {
    match &port.target_port {
        None | Some(IntOrString::Int(0)) => IntOrString::Int(port.port),
        Some(target) => target.clone(),
    }
}

/// I/O: looks for what the handler's address leads to, and says whether a Service is still to come. One that may not be looked
/// at is as good as none.
///
/// # Errors
/// When the API server does not answer well.
pub async fn find(valid: &mut Valid, client: &Client) -> kube::Result<bool> {
    let Some(http) = &valid.worker.handler.http else {
        return Ok(false);
    };
    if let Some(port) = &http.pod_port {
        valid.worker.behind = Behind::Port(port.clone());
        return Ok(false);
    }
    let Some((host, port)) = host_and_port(&http.url) else {
        return Ok(false);
    };
    let Some(asked) = service(&host, &valid.namespace) else {
        return Ok(false);
    };
    let api = Api::<Service>::namespaced(client.clone(), &asked.namespace);
    let found = match api.get_opt(&asked.name).await {
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            tracing::warn!(
                name = valid.name,
                "The Service of the handler may not be looked at, so its pods' port is not known; grant `get` on services, or set spec.worker.handler.http.podPort: {}",
                status.message
            );
            None
        }
        found => found?,
    };
    let known = found.and_then(|one| behind(&one, &asked.namespace, port));
    let is_to_come = known.is_none() && asked.is_certain;
    valid.worker.behind = known.unwrap_or_default();
    Ok(is_to_come)
}

#[cfg(test)]
mod tests;
