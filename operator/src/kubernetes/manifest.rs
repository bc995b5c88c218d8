//! Pure: an object that is wanted, and whether one that is there already is as wanted.

use std::fmt;

use kube::{core::GroupVersionKind, discovery::ApiResource};
use serde::Serialize;
use serde_json::Value;

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

    /// Whether a live object says all that this one says. What the server or others added does not matter.
    #[must_use]
    pub fn is_applied(&self, live: &Value) -> bool {
        contains(live, &self.body)
    }
}

/// 16 hexadecimal digits that change with the value.
#[must_use]
pub fn hash(value: &Value) -> String {
    use sha2::{Digest as _, Sha256};

    let digest = Sha256::digest(value.to_string().as_bytes());
    let number = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{number:016x}")
}

/// A list that is a set to the server: others add to it what is theirs.
const FINALIZERS: &str = "finalizers";

fn contains(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| match (live.get(key), value) {
                (Some(Value::Array(live)), Value::Array(wanted)) if key == FINALIZERS => {
                    wanted.iter().all(|one| live.contains(one))
                }
                (Some(found), value) => contains(found, value),
                // The server leaves out what is empty.
                (None, value) => is_empty(value),
            })
        }
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live
                    .iter()
                    .zip(wanted)
                    .all(|(live, wanted)| contains(live, wanted))
        }
        (Value::String(live), Value::String(wanted)) => {
            live == wanted || quantity(live).is_some_and(|live| quantity(wanted) == Some(live))
        }
        (live, wanted) => live == wanted,
    }
}

/// The amount in thousandths, for the suffixes of
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>: the server rewrites `0.5` to
/// `500m` and `1024Mi` to `1Gi`, which is no difference.
fn quantity(text: &str) -> Option<u128> {
    const SUFFIXES: [(&str, u128); 12] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("m", 0),
        ("", 1),
    ];
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let number: u128 = format!("{whole}{fraction}").parse().ok()?;
    // A factor of 0 stands for thousandths, the unit of the answer.
    let thousandths = if factor == 0 {
        number
    } else {
        number.checked_mul(factor)?.checked_mul(1000)?
    };
    Some(thousandths / scale)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(body: &Value) -> Manifest {
        Manifest::new(Kind::ConfigMap, Some("ns"), "name", body).unwrap()
    }

    #[test]
    fn what_others_add_does_not_matter() {
        let wanted = manifest(
            &json!({"metadata": {"name": "a", "finalizers": ["ours"]}, "data": {"k": "v"}, "list": [{"x": 1}]}),
        );
        let mut live = wanted.body.clone();
        live["metadata"]["uid"] = json!("u");
        live["list"][0]["defaulted"] = json!(true);
        live["metadata"]["finalizers"] = json!(["theirs", "ours"]);
        assert!(wanted.is_applied(&live));
        live["data"]["k"] = json!("changed");
        assert!(!wanted.is_applied(&live));
        live["data"]["k"] = json!("v");
        live["metadata"]["finalizers"] = json!(["theirs"]);
        assert!(!wanted.is_applied(&live));
    }

    #[test]
    fn an_object_out_of_a_list_is_no_difference() {
        let wanted = manifest(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}));
        let mut listed = wanted.body.clone();
        assert!(wanted.is_applied(&listed), "lists leave out what their items are");
        listed["apiVersion"] = json!("v1");
        listed["kind"] = json!("ConfigMap");
        assert!(wanted.is_applied(&listed));
    }

    #[test]
    fn the_servers_spelling_of_an_amount_is_no_difference() {
        for (ours, servers) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1000m", "1"),
            ("1.5Gi", "1536Mi"),
            ("1", "1"),
        ] {
            assert_eq!(quantity(ours), quantity(servers), "{ours} {servers}");
        }
        assert_ne!(quantity("1"), quantity("1Gi"));
        assert_eq!(quantity("tenant-1"), None);
        assert_eq!(quantity(""), None);
    }

    #[test]
    fn a_field_that_is_no_longer_said_is_noticed() {
        let before = manifest(&json!({"metadata": {"name": "a"}, "data": {"k": "v", "old": "v"}}));
        let after = manifest(&json!({"metadata": {"name": "a"}, "data": {"k": "v"}}));
        assert!(!after.is_applied(&before.body));
    }
}
