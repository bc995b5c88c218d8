//! What a platform engineer does with Tenants, and waits for.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "this is how a test fails"
)]

use std::time::Duration;

use crds::{ConditionType, Tenant, condition};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::eventually::eventually;

/// How long a change may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Applies a Tenant.
pub async fn apply(client: &Client, name: &str, spec: Value) {
    let tenant = json!({
        "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant",
        "metadata": {"name": name}, "spec": spec,
    });
    let api = Api::<Tenant>::all(client.clone());
    api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(tenant))
        .await
        .unwrap();
}

/// Waits until a condition is true of the Tenant's newest generation, for this reason where one is given.
pub async fn tenant_is(client: &Client, name: &str, what: ConditionType, reason: Option<&str>) -> Tenant {
    let api = Api::<Tenant>::all(client.clone());
    eventually(&format!("Tenant {name} is {what}"), PATIENCE, async || {
        let tenant = api.get(name).await.unwrap();
        let conditions = tenant.status.clone().unwrap_or_default().conditions;
        let as_wanted = condition::holds(&conditions, what, tenant.metadata.generation)
            && reason.is_none_or(|reason| condition::find(&conditions, what).unwrap().reason == reason);
        if as_wanted { Ok(tenant) } else { Err(conditions) }
    })
    .await
}

/// Waits until a condition of the Tenant is as wanted, of whatever generation that is said, and gives it; `so` says what is
/// waited for.
pub async fn condition_of(
    client: &Client,
    name: &str,
    what: ConditionType,
    so: &str,
    is_wanted: impl Fn(&Condition) -> bool,
) -> Condition {
    let api = Api::<Tenant>::all(client.clone());
    eventually(&format!("Tenant {name}: {what} {so}"), PATIENCE, async || {
        let conditions = api.get(name).await.unwrap().status.unwrap_or_default().conditions;
        match condition::find(&conditions, what) {
            Some(found) if is_wanted(found) => Ok(found.clone()),
            _ => Err(conditions),
        }
    })
    .await
}

/// Waits until it is Ready.
pub async fn ready(client: &Client, name: &str) -> Tenant {
    tenant_is(client, name, ConditionType::Ready, None).await
}

/// Deletes it, and waits until it is gone.
pub async fn delete(client: &Client, name: &str) {
    let api = Api::<Tenant>::all(client.clone());
    api.delete(name, &DeleteParams::default()).await.unwrap();
    gone(client, name).await;
}

/// Waits until it is gone.
pub async fn gone(client: &Client, name: &str) {
    let api = Api::<Tenant>::all(client.clone());
    eventually(&format!("Tenant {name} is gone"), PATIENCE, async || {
        match api.get_opt(name).await.unwrap() {
            None => Ok(()),
            Some(tenant) => Err(tenant.status),
        }
    })
    .await;
}

/// Waits until whatever is made from now on is younger. Ages are told in seconds, and of two of the same age nobody can say
/// which wins.
pub async fn is_older_than_all_to_come<K: Resource>(object: &K) {
    let made = object
        .meta()
        .creation_timestamp
        .as_ref()
        .map(|time| time.0.as_second());
    eventually("another second begins", PATIENCE, async || {
        let now = Timestamp::now().as_second();
        if made < Some(now) { Ok(()) } else { Err(now) }
    })
    .await;
}
