//! Watches of our own kinds that go on when an object makes no sense: written under another version of its CRD, or past it.
//! Of such an object the parts are taken that do decode, with a mark of what does not. Nothing is enforced for it, its status
//! says why, and it can be deleted: that needs its metadata, and whatever else could be read.

use std::{borrow::Cow, fmt};

use crds::{EventSubscription, Reason, Tenant, label};
use futures::{Stream, TryStreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{field_owners::keep_others_specs, watch::PAGE};
use crate::failure::Failure;

/// In memory only, among an object's annotations: what of it does not decode. It is taken off whatever comes with it.
const UNDECODED: &str = "events.livingtwin.io/undecoded";

/// The same for the fields of its spec, by name.
const UNREAD: &str = "events.livingtwin.io/unread-fields";

/// One of our kinds, which can be taken in parts.
pub trait Partial: Resource<DynamicType = ()> + DeserializeOwned {
    /// The fields that a spec cannot be without, as far as they can be found.
    fn least(raw: &Value) -> Value;
}

impl Partial for Tenant {
    fn least(_: &Value) -> Value {
        json!({})
    }
}

impl Partial for EventSubscription {
    fn least(raw: &Value) -> Value {
        let text = |pointer: &str| raw.pointer(pointer).and_then(Value::as_str);
        let label = || raw.pointer("/metadata/labels")?.get(label::TENANT)?.as_str();
        let tenant = text("/spec/tenantRef/name").or_else(label).unwrap_or_default();
        // One that its Tenant made is called as its topic.
        let topic = text("/spec/topic")
            .or_else(|| text("/metadata/name"))
            .unwrap_or_default();
        json!({"tenantRef": {"name": tenant}, "topic": topic})
    }
}

/// What of an object does not decode.
#[must_use]
pub fn problem(object: &impl Resource) -> Option<&str> {
    let annotations = object.meta().annotations.as_ref()?;
    annotations.get(UNDECODED).map(String::as_str)
}

/// The fields of an object's spec that do not decode.
#[must_use]
pub fn unread(object: &impl Resource) -> Vec<&str> {
    let annotations = object.meta().annotations.as_ref();
    let named = annotations.and_then(|annotations| annotations.get(UNREAD));
    named.map_or_else(Vec::new, |names| names.split(',').collect())
}

/// Whether an object decodes as a whole; without that nothing is written for it.
///
/// # Errors
/// Names the fields that do not.
pub fn understood(object: &impl Resource) -> Result<(), Failure> {
    problem(object).map_or(Ok(()), |problem| {
        Err(Failure::invalid(
            Reason::InvalidSpec,
            format!(
                "This operator cannot read {problem}. Nothing is written for it until that is corrected, or until the operator and the CRDs are of one version; it may be deleted."
            ),
        ))
    })
}

/// All objects of a kind in the cluster.
pub fn watch<K>(client: &Client) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static
where
    K: Partial + Clone + fmt::Debug + Send + 'static,
{
    let api = Api::<Taken<K>>::all(client.clone());
    watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .map_ok(|event| match event {
            Event::Apply(one) => Event::Apply(one.0),
            Event::Delete(one) => Event::Delete(one.0),
            Event::InitApply(one) => Event::InitApply(one.0),
            Event::Init => Event::Init,
            Event::InitDone => Event::InitDone,
        })
}

/// An object as a whole, or in parts.
#[derive(Debug, Clone)]
struct Taken<K>(K);

impl<'de, K: Partial> Deserialize<'de> for Taken<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Value::deserialize(deserializer)?;
        let mut object = taken::<K>(&raw).map_err(serde::de::Error::custom)?;
        keep_others_specs(object.meta_mut());
        Ok(Self(object))
    }
}

impl<K: Partial> Resource for Taken<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

fn taken<K: Partial>(raw: &Value) -> serde_json::Result<K> {
    let mut object = match K::deserialize(raw) {
        Ok(whole) => whole,
        Err(error) => return in_parts(raw, &error),
    };
    if let Some(annotations) = &mut object.meta_mut().annotations {
        annotations.remove(UNDECODED);
        annotations.remove(UNREAD);
    }
    Ok(object)
}

/// What decodes with everything that decoded before it.
fn in_parts<K: Partial>(raw: &Value, error: &serde_json::Error) -> serde_json::Result<K> {
    let metadata = raw.get("metadata").cloned().unwrap_or_default();
    let with = |spec: &Map<String, Value>| json!({"metadata": metadata, "spec": spec});
    let (mut problems, mut unread) = (Vec::new(), Vec::new());
    let mut spec = K::least(raw).as_object().cloned().unwrap_or_default();
    for (key, value) in raw.get("spec").and_then(Value::as_object).into_iter().flatten() {
        let mut more = spec.clone();
        more.insert(key.clone(), value.clone());
        match K::deserialize(with(&more)) {
            Ok(_) => spec = more,
            Err(error) => {
                problems.push(format!("spec.{key} ({error})"));
                unread.push(key.as_str());
            }
        }
    }
    let mut object = with(&spec);
    if let (Some(status), Some(fields)) = (raw.get("status"), object.as_object_mut()) {
        fields.insert("status".to_owned(), status.clone());
    }
    let mut object = match K::deserialize(&object) {
        Ok(object) => object,
        Err(error) => {
            problems.push(format!("status ({error})"));
            K::deserialize(with(&spec))?
        }
    };
    if problems.is_empty() {
        problems.push(format!("its spec ({error})"));
    }
    let annotations = object.meta_mut().annotations.get_or_insert_default();
    annotations.insert(UNDECODED.to_owned(), problems.join(", "));
    annotations.remove(UNREAD);
    if !unread.is_empty() {
        annotations.insert(UNREAD.to_owned(), unread.join(","));
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use crds::DeletionPolicy;

    use super::*;

    fn tenant(spec: &Value) -> Tenant {
        let raw = json!({
            "metadata": {"name": "acme", "annotations": {UNDECODED: "forged", "other": "kept"}},
            "spec": spec, "status": {"id": "acme"},
        });
        taken(&raw).unwrap()
    }

    #[test]
    fn what_decodes_is_whole_and_nobody_marks_it_from_outside() {
        let whole = tenant(&json!({"suspended": true}));
        assert_eq!(problem(&whole), None);
        assert!(unread(&whole).is_empty());
        assert_eq!(understood(&whole), Ok(()));
        assert_eq!(whole.metadata.annotations.unwrap().len(), 1);
    }

    #[test]
    fn the_parts_that_decode_are_taken_and_those_that_do_not_are_named() {
        let parts = tenant(&json!({"id": "acme-1", "subscriptions": "many", "deletionPolicy": "Archive"}));
        let said = problem(&parts).unwrap();
        assert!(
            said.contains("spec.subscriptions (")
                && said.contains("spec.deletionPolicy (")
                && !said.contains("spec.id"),
            "{said}"
        );
        assert_eq!(unread(&parts), ["deletionPolicy", "subscriptions"]);
        assert_eq!(parts.spec.id.as_deref(), Some("acme-1"));
        assert_eq!(
            parts.spec.deletion_policy.unwrap_or_default(),
            DeletionPolicy::Retain
        );
        assert_eq!(parts.status.unwrap().id.as_deref(), Some("acme"));
        assert_eq!(
            understood(&tenant(&json!(7))).unwrap_err().reason,
            Reason::InvalidSpec
        );
    }

    #[test]
    fn a_status_that_does_not_decode_is_left_out() {
        let raw = json!({"metadata": {"name": "acme"}, "spec": {}, "status": {"conditions": 7}});
        let parts: Tenant = taken(&raw).unwrap();
        assert!(problem(&parts).unwrap().starts_with("status ("));
        assert_eq!(parts.status, None);
    }

    #[test]
    fn an_event_subscription_is_known_by_its_tenant_and_topic_at_least() {
        let raw = |spec: Value| json!({"metadata": {"name": "events", "labels": {label::TENANT: "acme"}}, "spec": spec});
        for (spec, tenant, topic) in [
            (
                json!({"tenantRef": {"name": "other"}, "topic": "user-events", "ackDeadline": []}),
                "other",
                "user-events",
            ),
            (json!({"tenantRef": 7, "topic": {}}), "acme", "events"),
            (json!(null), "acme", "events"),
        ] {
            let parts: EventSubscription = taken(&raw(spec)).unwrap();
            assert!(problem(&parts).is_some());
            assert_eq!(parts.spec.tenant_ref.name, tenant);
            assert_eq!(parts.spec.settings.topic, topic);
        }
    }
}
