//! Pure: an object that is wanted, and whether one that is there already is as wanted.

use std::fmt;

use kube::{core::GroupVersionKind, discovery::ApiResource};
use serde::Serialize;
use serde_json::{Value, json};

use super::field_owners;

/// The kinds of object the operator makes in Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Where a tenant's worker runs.
    Namespace,
    /// Whom the worker runs as.
    ServiceAccount,
    /// What the worker may talk to.
    NetworkPolicy,
    /// What the worker pulls.
    ConfigMap,
    /// The worker.
    Deployment,
    /// How many workers may go at a time.
    PodDisruptionBudget,
    /// How KEDA scales the worker; a cluster has this kind or not.
    ScaledObject,
    /// One subscription of the tenant.
    EventSubscription,
}

impl Kind {
    /// The kinds that every cluster has and that are watched for their own sake; EventSubscriptions have their own controller.
    pub const CHILDREN: [Self; 6] = [
        Self::Namespace,
        Self::ServiceAccount,
        Self::NetworkPolicy,
        Self::ConfigMap,
        Self::Deployment,
        Self::PodDisruptionBudget,
    ];

    /// What the API server calls it.
    #[must_use]
    pub fn api_resource(self) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Namespace => ("", "v1", "Namespace", "namespaces"),
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Self::ScaledObject => ("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"),
            Self::EventSubscription => (crds::GROUP, "v1alpha1", "EventSubscription", "eventsubscriptions"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }
}

/// Names one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; none for a Namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{:?} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{:?} {}", self.kind, self.name),
        }
    }
}

/// An object that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Which one.
    pub key: Key,
    /// All that the operator says of it, but for its `apiVersion` and `kind`, which the key says.
    pub body: Value,
}

/// On every manifest: a hash of it, so that a field that is no longer said is noticed too.
const HASH: &str = "events.livingtwin.io/applied";

impl Manifest {
    /// Makes one of a typed object, and puts the hash of it in its annotations.
    ///
    /// # Errors
    /// When the object has no JSON form, which would be a fault of this crate.
    pub fn new(
        kind: Kind,
        namespace: Option<&str>,
        name: &str,
        object: &impl Serialize,
    ) -> serde_json::Result<Self> {
        let mut body = serde_json::to_value(object)?;
        if let Some(fields) = body.as_object_mut() {
            // Which kind it is, the key says; a live object out of a list does not, and would always seem to differ.
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        let hash = hash(&body);
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            let annotations = metadata
                .entry("annotations")
                .or_insert_with(|| Value::Object(serde_json::Map::new()));
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert(HASH.to_owned(), Value::from(hash));
            }
        }
        let key = Key {
            kind,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        Ok(Self { key, body })
    }

    /// Whether a live object is as this one asks: it is noted on it that this was applied, and every field of it is still the
    /// operator's. What admission made of the values does not matter: a webhook that changes what was asked for would do so
    /// again. What others added does not matter either.
    #[must_use]
    pub fn is_applied(&self, live: &Value) -> bool {
        self.is_noted_on(live) && field_owners::lost(live, &self.body).is_none()
    }

    /// Whether it was this wish that was applied last.
    #[must_use]
    pub fn is_noted_on(&self, live: &Value) -> bool {
        noted_hash(live).is_some_and(|noted| noted == self.hash())
    }

    /// Changes with anything that it says.
    #[must_use]
    pub fn hash(&self) -> &str {
        noted_hash(&self.body).unwrap_or_default()
    }

    /// Of a live object: the merge patch that takes away its owners that were this one's owner before, in an earlier life:
    /// out of a backup an object comes back with the uid of a Tenant that is no more. Two controllers are refused by the API
    /// server, and where only such an owner is left, garbage collection deletes the object. None where there is none.
    #[must_use]
    pub fn without_former_owners(&self, live: &Value) -> Option<Value> {
        let owners = |object: &Value| {
            let owners = object.pointer("/metadata/ownerReferences");
            owners.and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let wanted = owners(&self.body);
        let is_former = |one: &Value| {
            wanted.iter().any(|own| {
                own["kind"] == one["kind"] && own["name"] == one["name"] && own["uid"] != one["uid"]
            })
        };
        let mut left = owners(live);
        let before = left.len();
        left.retain(|one| !is_former(one));
        (left.len() < before).then(|| json!({"metadata": {"ownerReferences": left}}))
    }
}

fn noted_hash(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(HASH)?.as_str()
}

/// 16 hexadecimal digits that change with the value.
#[must_use]
pub fn hash(value: &Value) -> String {
    use sha2::{Digest as _, Sha256};

    let digest = Sha256::digest(value.to_string().as_bytes());
    let number = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{number:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::field_owners::applied;

    fn manifest(body: &Value) -> Manifest {
        Manifest::new(Kind::ConfigMap, Some("ns"), "name", body).unwrap()
    }

    #[test]
    fn what_others_add_and_what_admission_makes_of_it_does_not_matter() {
        let wanted =
            manifest(&json!({"metadata": {"name": "a", "finalizers": ["ours"]}, "data": {"k": "v"}}));
        let mut live = applied(&wanted.body);
        live["metadata"]["uid"] = json!("u");
        live["metadata"]["finalizers"] = json!(["theirs", "ours"]);
        live["data"] = json!({"k": "made of it", "more": "theirs"});
        assert!(wanted.is_applied(&live));
        let mut taken = live.clone();
        taken["metadata"]["managedFields"][0]["fieldsV1"]["f:data"] = json!({"f:other": {}});
        assert!(
            !wanted.is_applied(&taken),
            "somebody wrote it in a name of their own"
        );
        let mut stripped = live.clone();
        stripped["metadata"]["annotations"] = json!({});
        assert!(!wanted.is_applied(&stripped), "nothing says what was applied");
    }

    #[test]
    fn an_object_out_of_a_list_is_no_difference() {
        let wanted = manifest(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}));
        let mut listed = applied(&wanted.body);
        assert!(wanted.is_applied(&listed), "lists leave out what their items are");
        listed["apiVersion"] = json!("v1");
        listed["kind"] = json!("ConfigMap");
        assert!(wanted.is_applied(&listed));
    }

    #[test]
    fn a_field_that_is_no_longer_said_is_noticed() {
        let before = manifest(&json!({"metadata": {"name": "a"}, "data": {"k": "v", "old": "v"}}));
        let after = manifest(&json!({"metadata": {"name": "a"}, "data": {"k": "v"}}));
        assert!(!after.is_applied(&applied(&before.body)));
    }

    #[test]
    fn an_owner_of_an_earlier_life_is_taken_away_and_nobody_else() {
        let owner = |kind: &str, name: &str, uid: &str| json!({"kind": kind, "name": name, "uid": uid});
        let wanted = manifest(&json!({"metadata": {"ownerReferences": [owner("Tenant", "acme", "new")]}}));
        let with =
            |owners: Value| wanted.without_former_owners(&json!({"metadata": {"ownerReferences": owners}}));
        let (own, former) = (owner("Tenant", "acme", "new"), owner("Tenant", "acme", "old"));
        let others = [
            owner("Tenant", "globex", "other"),
            owner("Application", "acme", "argo"),
        ];
        let [globex, argo] = others;
        assert_eq!(with(json!([own, globex, argo])), None);
        assert_eq!(with(json!([])), None);
        assert_eq!(
            with(json!([former, argo, own])),
            Some(json!({"metadata": {"ownerReferences": [argo, own]}}))
        );
        assert_eq!(
            with(json!([former])),
            Some(json!({"metadata": {"ownerReferences": []}}))
        );
    }
}
