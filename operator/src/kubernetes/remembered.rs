//! What the caches of made objects keep: who an object is, and all that it says as JSON text. A tree of values takes ten times
//! as much, a fleet has thousands of objects, and most are only looked at to find that nothing changed.

use std::{borrow::Cow, sync::Arc};

use crds::label;
use kube::{
    api::DynamicObject,
    runtime::{reflector::Lookup, watcher::Event},
};
use serde_json::Value;

use super::{Kind, field_owners::keep_ours};

/// One object.
#[derive(Debug, Clone)]
pub struct Remembered {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    tenant: Option<String>,
    json: Arc<[u8]>,
}

impl Remembered {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Its namespace, if it is in one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    /// The Tenant that its label names.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// All that it says.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.json).ok()
    }
}

impl From<DynamicObject> for Remembered {
    fn from(mut object: DynamicObject) -> Self {
        keep_ours(&mut object.metadata);
        // What came as JSON has a JSON form.
        let json = serde_json::to_vec(&object).unwrap_or_default().into();
        let mut metadata = object.metadata;
        Self {
            name: metadata.name,
            namespace: metadata.namespace,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            tenant: metadata
                .labels
                .as_mut()
                .and_then(|labels| labels.remove(label::TENANT)),
            json,
        }
    }
}

/// What a watch tells, made small.
#[must_use]
pub fn remembered(event: Event<DynamicObject>) -> Event<Remembered> {
    match event {
        Event::Apply(object) => Event::Apply(object.into()),
        Event::Delete(object) => Event::Delete(object.into()),
        Event::InitApply(object) => Event::InitApply(object.into()),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    }
}

/// So that it can be found again.
impl Lookup for Remembered {
    type DynamicType = Kind;

    fn kind(kind: &Kind) -> Cow<'_, str> {
        kind.api_resource().kind.into()
    }

    fn group(kind: &Kind) -> Cow<'_, str> {
        kind.api_resource().group.into()
    }

    fn version(kind: &Kind) -> Cow<'_, str> {
        kind.api_resource().version.into()
    }

    fn plural(kind: &Kind) -> Cow<'_, str> {
        kind.api_resource().plural.into()
    }

    fn name(&self) -> Option<Cow<'_, str>> {
        self.name.as_deref().map(Cow::Borrowed)
    }

    fn namespace(&self) -> Option<Cow<'_, str>> {
        self.namespace.as_deref().map(Cow::Borrowed)
    }

    fn resource_version(&self) -> Option<Cow<'_, str>> {
        self.resource_version.as_deref().map(Cow::Borrowed)
    }

    fn uid(&self) -> Option<Cow<'_, str>> {
        self.uid.as_deref().map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_says_what_the_object_said() {
        let said = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "event-worker", "namespace": "acme", "uid": "u", "labels": {label::TENANT: "acme", "a": "b"}},
            "spec": {"replicas": 2},
        });
        let object: DynamicObject = serde_json::from_value(said.clone()).unwrap();
        let kept = Remembered::from(object);
        assert_eq!(kept.value(), Some(said));
        assert_eq!(
            (kept.name(), kept.namespace(), kept.uid(), kept.tenant()),
            (Some("event-worker"), Some("acme"), Some("u"), Some("acme"))
        );
    }
}
