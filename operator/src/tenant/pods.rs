//! Which pods are the worker's. A label proves nothing: anybody's Job may carry it. The worker's pods are those of a ReplicaSet
//! of its Deployment, and those that have ended hold nothing.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{apps::v1::ReplicaSet, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{Api, Client, ResourceExt as _, api::ListParams, core::PartialObjectMeta};

use super::desired::WORKER;

/// I/O: whether a pod of a worker whose Deployment is gone still runs.
///
/// # Errors
/// What the API server says.
pub async fn run(client: &Client, namespace: &str) -> kube::Result<bool> {
    // Metadata does not hold the phase, so that the server picks by it.
    let running = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let pods = Api::<Pod>::namespaced(client.clone(), namespace)
        .list_metadata(&running)
        .await?;
    if pods.items.is_empty() {
        return Ok(false);
    }
    let sets = Api::<ReplicaSet>::namespaced(client.clone(), namespace)
        .list_metadata(&ListParams::default())
        .await?;
    let sets: BTreeMap<_, _> = sets
        .items
        .iter()
        .filter_map(|set| Some((set.uid()?, controller(set.owner_references()).cloned())))
        .collect();
    Ok(pods.items.iter().any(|pod| is_workers(pod, &sets)))
}

/// Pure: whether a pod is of a ReplicaSet of the worker's Deployment; `sets` are the owners of the ReplicaSets there are. One
/// whose ReplicaSet is gone already is collected by Kubernetes, and waited for when its ReplicaSet had the worker's name.
fn is_workers(pod: &PartialObjectMeta<Pod>, sets: &BTreeMap<String, Option<OwnerReference>>) -> bool {
    let Some(set) = controller(pod.owner_references()).filter(|owner| is(owner, "ReplicaSet")) else {
        return false;
    };
    match sets.get(&set.uid) {
        Some(owner) => owner
            .as_ref()
            .is_some_and(|owner| is(owner, "Deployment") && owner.name == WORKER),
        None => pod
            .labels()
            .get("pod-template-hash")
            .is_some_and(|hash| set.name == format!("{WORKER}-{hash}")),
    }
}

fn controller(owners: &[OwnerReference]) -> Option<&OwnerReference> {
    owners.iter().find(|owner| owner.controller == Some(true))
}

fn is(owner: &OwnerReference, kind: &str) -> bool {
    owner.kind == kind && owner.api_version == "apps/v1"
}

#[cfg(test)]
mod tests {
    use kube::api::{ObjectMeta, TypeMeta};

    use super::*;

    fn owner(kind: &str, name: &str, uid: &str) -> OwnerReference {
        OwnerReference {
            api_version: match kind {
                "Job" => "batch/v1",
                _ => "apps/v1",
            }
            .to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    fn pod(of: Option<OwnerReference>) -> PartialObjectMeta<Pod> {
        let labels = [("app.kubernetes.io/name", WORKER), ("pod-template-hash", "abc")];
        PartialObjectMeta {
            types: Some(TypeMeta::resource::<Pod>()),
            metadata: ObjectMeta {
                labels: Some(
                    labels
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .into(),
                ),
                owner_references: of.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            ..PartialObjectMeta::default()
        }
    }

    #[test]
    fn a_pod_is_the_workers_by_its_owners_and_never_by_its_label() {
        let sets = BTreeMap::from([
            ("ours".to_owned(), Some(owner("Deployment", WORKER, "gone"))),
            ("theirs".to_owned(), Some(owner("Deployment", "web", "web"))),
            ("by-hand".to_owned(), None),
        ]);
        let of = |kind, name, uid| Some(owner(kind, name, uid));
        for (of, expected) in [
            (of("ReplicaSet", "event-worker-abc", "ours"), true),
            (of("ReplicaSet", "event-worker-abc", "theirs"), false),
            (of("ReplicaSet", "event-worker-abc", "by-hand"), false),
            (of("ReplicaSet", "event-worker-abc", "collected"), true),
            (of("ReplicaSet", "web-abc", "collected"), false),
            (of("Job", "event-worker-abc", "ours"), false),
            (None, false),
        ] {
            assert_eq!(is_workers(&pod(of.clone()), &sets), expected, "{of:?}");
        }
    }
}
