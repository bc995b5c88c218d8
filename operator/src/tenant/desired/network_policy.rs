//! What a worker may talk to: names, Google, its handler, and nothing else of the cluster.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use serde_json::Result;

use super::{Valid, WORKER, deployment::HTTP_PORT, metadata, selector};
use crate::{
    kubernetes::{Kind, Manifest},
    settings::Settings,
};

/// The metadata servers of GKE and of its workload identity, which workers get their tokens from
/// (<https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy#network-policy-and-workload-identity>).
const METADATA_SERVERS: [(&str, i32); 3] = [
    ("169.254.169.254/32", 80),
    ("169.254.169.252/32", 988),
    ("169.254.169.254/32", 8080),
];

/// What listens on its own address on each node where NodeLocal DNSCache is used
/// (<https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/>).
const DNS_PORT: i32 = 53;

pub(super) fn manifest(valid: &Valid, settings: &Settings) -> Result<Manifest> {
    let mut egress = vec![
        NetworkPolicyEgressRule {
            ports: Some(vec![port("UDP", DNS_PORT), port("TCP", DNS_PORT)]),
            to: None,
        },
        NetworkPolicyEgressRule {
            ports: Some(open_ports(valid, settings)),
            to: None,
        },
    ];
    // Elsewhere than on GKE that address may hand out what the node itself may do.
    let on_gke = settings.identity.federation.is_none();
    for (cidr, number) in METADATA_SERVERS.into_iter().filter(|_| on_gke) {
        let block = IPBlock {
            cidr: cidr.to_owned(),
            except: None,
        };
        egress.push(NetworkPolicyEgressRule {
            ports: Some(vec![port("TCP", number)]),
            to: Some(vec![NetworkPolicyPeer {
                ip_block: Some(block),
                ..NetworkPolicyPeer::default()
            }]),
        });
    }
    let policy = NetworkPolicy {
        metadata: metadata(valid, WORKER),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(selector()),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: None,
                ports: Some(vec![port("TCP", i32::from(HTTP_PORT))]),
            }]),
            egress: Some(egress),
        }),
    };
    Manifest::new(Kind::NetworkPolicy, Some(&valid.namespace), WORKER, &policy)
}

/// Ports open to everywhere: HTTPS for Google, the handler's, the emulator's, the idempotency store's, and that of the
/// service which exchanges the worker's token.
fn open_ports(valid: &Valid, settings: &Settings) -> Vec<NetworkPolicyPort> {
    let handler = valid
        .worker
        .handler
        .http
        .as_ref()
        .and_then(|http| port_of(&http.url));
    let emulator = settings.worker_emulator.as_deref().and_then(port_of);
    let federation = settings.identity.federation.as_ref();
    let exchange = federation.and_then(|one| port_of(&one.token_url));
    let store = settings.worker.idempotency.ports.iter().copied().map(i32::from);
    let ports: BTreeSet<i32> = [Some(443), handler, emulator, exchange]
        .into_iter()
        .flatten()
        .chain(store)
        .collect();
    ports.into_iter().map(|number| port("TCP", number)).collect()
}

/// The port of `scheme://host:port/path` or `host:port`.
fn port_of(address: &str) -> Option<i32> {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let authority = rest.split(['/', '?', '#']).next()?;
    let after_user = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match after_user.rsplit_once(':') {
        Some((_, number)) => number.parse().ok(),
        None => match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        },
    }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some(protocol.to_owned()),
        end_port: None,
    }
}

#[cfg(test)]
mod tests {
    use super::port_of;

    #[test]
    fn finds_the_port() {
        assert_eq!(port_of("http://handler.acme:8080/events"), Some(8080));
        assert_eq!(port_of("https://user:secret@example.com/x"), Some(443));
        assert_eq!(port_of("emulator:8085"), Some(8085));
        assert_eq!(port_of("nothing"), None);
    }
}
