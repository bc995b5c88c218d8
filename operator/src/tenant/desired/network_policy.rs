//! What a worker may talk to: names, Google, its handler, and nothing else of the cluster.

use std::collections::{BTreeMap, BTreeSet};

use crds::label;
use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
        util::intstr::IntOrString,
    },
};
use serde_json::Result;

use super::{Valid, WORKER, deployment::HTTP_PORT, metadata, selector, strings};
use crate::{
    kubernetes::{Kind, Manifest},
    settings::Settings,
    tenant::handler::{Behind, Pods, host_and_port},
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

/// Where a worker sends its traces, in the order in which they count
/// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).
const TRACES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// On each namespace, by Kubernetes.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

pub(super) fn manifest(valid: &Valid, settings: &Settings) -> Result<Manifest> {
    let policy = NetworkPolicy {
        metadata: metadata(valid, WORKER),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labelled(selector())),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(metrics_from(settings)),
                ports: Some(vec![port("TCP", i32::from(HTTP_PORT))]),
            }]),
            egress: Some(egress(valid, settings)),
        }),
    };
    Manifest::new(Kind::NetworkPolicy, Some(&valid.namespace), WORKER, &policy)
}

/// Who reads the metrics; the kubelet's probes come from the pod's own node, which no policy keeps away. Where the settings
/// name nobody, other tenants' pods are kept out.
fn metrics_from(settings: &Settings) -> Vec<NetworkPolicyPeer> {
    let given = &settings.worker.pods.metrics_from;
    if !given.is_empty() {
        return given.clone();
    }
    let of_no_tenant = LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: label::TENANT.to_owned(),
            operator: "DoesNotExist".to_owned(),
            values: None,
        }]),
        ..LabelSelector::default()
    };
    vec![
        NetworkPolicyPeer {
            pod_selector: Some(LabelSelector::default()),
            ..NetworkPolicyPeer::default()
        },
        NetworkPolicyPeer {
            namespace_selector: Some(of_no_tenant),
            ..NetworkPolicyPeer::default()
        },
    ]
}

fn egress(valid: &Valid, settings: &Settings) -> Vec<NetworkPolicyEgressRule> {
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
    if let Behind::Pods(pods) = &valid.worker.behind {
        egress.extend(to_the_handler(valid, pods));
    }
    // Elsewhere than on GKE that address may hand out what the node itself may do.
    let on_gke = settings.identity.federation.is_none();
    for (cidr, number) in METADATA_SERVERS.into_iter().filter(|_| on_gke) {
        egress.push(NetworkPolicyEgressRule {
            ports: Some(vec![port("TCP", number)]),
            to: Some(vec![block(cidr.to_owned())]),
        });
    }
    egress.extend(settings.worker.pods.extra_egress.iter().cloned());
    egress
}

/// To the handler's pods on their own port; and to the Service on its, for networks that ask before the address is rewritten.
fn to_the_handler(valid: &Valid, pods: &Pods) -> Vec<NetworkPolicyEgressRule> {
    let peer = NetworkPolicyPeer {
        namespace_selector: Some(labelled(strings([(NAMESPACE_NAME, &pods.namespace)]))),
        pod_selector: Some(labelled(pods.selector.clone())),
        ip_block: None,
    };
    let mut rules = vec![NetworkPolicyEgressRule {
        ports: Some(vec![NetworkPolicyPort {
            port: Some(pods.port.clone()),
            protocol: Some("TCP".to_owned()),
            end_port: None,
        }]),
        to: Some(vec![peer]),
    }];
    let addresses = pods.addresses.iter().map(|ip| match ip.contains(':') {
        true => block(format!("{ip}/128")),
        false => block(format!("{ip}/32")),
    });
    let addresses: Vec<_> = addresses.collect();
    if let Some(number) = handler_port(valid).filter(|_| !addresses.is_empty()) {
        rules.push(NetworkPolicyEgressRule {
            ports: Some(vec![port("TCP", number)]),
            to: Some(addresses),
        });
    }
    rules
}

/// Ports open to everywhere: HTTPS for Google, the handler's where its pods are not known, the emulator's, the idempotency
/// store's, that of the collector of traces, and that of the service which exchanges the worker's token.
fn open_ports(valid: &Valid, settings: &Settings) -> Vec<NetworkPolicyPort> {
    let (handler, said) = match &valid.worker.behind {
        Behind::Address => (handler_port(valid), None),
        Behind::Port(said) => (handler_port(valid), Some(said)),
        Behind::Pods(_) => (None, None),
    };
    let (number, name) = match said {
        Some(IntOrString::Int(number)) => (Some(*number), None),
        Some(IntOrString::String(name)) => (None, Some(name)),
        None => (None, None),
    };
    let emulator = settings.worker_emulator.as_deref().and_then(port_of);
    let federation = settings.identity.federation.as_ref();
    let exchange = federation.and_then(|one| port_of(&one.token_url));
    let store = settings.worker.idempotency.ports.iter().copied().map(i32::from);
    let ports: BTreeSet<i32> = [Some(443), handler, number, emulator, exchange, traces(valid)]
        .into_iter()
        .flatten()
        .chain(store)
        .collect();
    let named = name.map(|name| NetworkPolicyPort {
        port: Some(IntOrString::String(name.clone())),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    });
    ports
        .into_iter()
        .map(|number| port("TCP", number))
        .chain(named)
        .collect()
}

fn handler_port(valid: &Valid) -> Option<i32> {
    port_of(&valid.worker.handler.http.as_ref()?.url)
}

/// What is taken out of a Secret or a ConfigMap the operator does not see.
fn traces(valid: &Valid) -> Option<i32> {
    let given = |name: &&str| {
        let found = valid.worker.env.iter().find(|one| one.name == **name);
        found?.value.as_deref().filter(|value| !value.is_empty())
    };
    port_of(TRACES.iter().find_map(given)?)
}

fn port_of(address: &str) -> Option<i32> {
    host_and_port(address).map(|(_, number)| i32::from(number))
}

fn labelled(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels),
        ..LabelSelector::default()
    }
}

fn block(cidr: String) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr, except: None }),
        ..NetworkPolicyPeer::default()
    }
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some(protocol.to_owned()),
        end_port: None,
    }
}
