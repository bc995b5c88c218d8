//! What is there of a Tenant in Kubernetes and Pub/Sub, without what differs from run to run: two portraits are equal
//! when the same was made.

use std::collections::BTreeMap;

use anyhow::Context as _;
use crds::{EventSubscription, Tenant};
use event_operator::{
    subscription::ownership::{id_label, key::MADE_AT},
    tenant::rollout::annotation::LAST_READY,
};
use events::TenantId;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{Api, Client, Resource, ResourceExt as _, api::ListParams, core::NamespaceResourceScope};
use pubsub_emulator::Emulator;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{eventually::eventually, tenants::PATIENCE};

/// Every object by kind and name.
pub type Portrait = BTreeMap<String, Value>;

/// Takes it: everything in the Tenant's namespace that the operator makes, and everything in Pub/Sub with this prefix.
///
/// # Errors
/// When something cannot be read.
pub async fn portrait(
    client: &Client,
    emulator: &Emulator,
    tenant: &str,
    prefix: &str,
) -> anyhow::Result<Portrait> {
    let mut objects = Portrait::new();
    let mut names = vec![
        (tenant.to_owned(), "TENANT"),
        (prefix.to_owned(), "PREFIX"),
        (id_label(&TenantId::parse(tenant)?), "TENANT-ID"),
        // Stands in JSON as a number too.
        (emulator.address().port().to_string(), "8085"),
    ];
    if let Some(one) = Api::<Tenant>::all(client.clone()).get_opt(tenant).await? {
        names.extend(one.uid().map(|uid| (uid, "TENANT-UID")));
        objects.insert("Tenant".into(), serde_json::to_value(&one)?);
    }
    if let Some(one) = Api::<Namespace>::all(client.clone()).get_opt(tenant).await? {
        objects.insert("Namespace".into(), serde_json::to_value(&one)?);
    }
    all::<EventSubscription>(client, tenant, &mut objects).await?;
    all::<ServiceAccount>(client, tenant, &mut objects).await?;
    all::<ConfigMap>(client, tenant, &mut objects).await?;
    all::<NetworkPolicy>(client, tenant, &mut objects).await?;
    all::<PodDisruptionBudget>(client, tenant, &mut objects).await?;
    all::<Deployment>(client, tenant, &mut objects).await?;
    let account = objects
        .get("ServiceAccount event-worker")
        .and_then(|one| one.pointer("/metadata/uid")?.as_str());
    names.extend(account.map(|uid| (uid.to_owned(), "WORKER-UID")));
    pubsub(emulator, prefix, &mut objects)?;
    // Longer names first, so that no name is cut out of another.
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    objects
        .into_iter()
        .map(|(name, mut object)| {
            strip(&mut object);
            let mut text = serde_json::to_string(&json!([name, object]))?;
            for (own, mask) in &names {
                text = text.replace(own, mask);
            }
            serde_json::from_str::<(String, Value)>(&text).context("a portrait is JSON")
        })
        .collect()
}

/// Takes it once nothing changes any more, and nothing is still to go.
///
/// # Panics
/// When something cannot be read, or changes for ever.
#[allow(clippy::unwrap_used, reason = "this is how a test fails")]
pub async fn at_rest(client: &Client, emulator: &Emulator, tenant: &str, prefix: &str) -> Portrait {
    let mut before = None;
    eventually("nothing changes any more", PATIENCE, async || {
        let now = portrait(client, emulator, tenant, prefix).await.unwrap();
        let goes = now
            .values()
            .any(|object| object.pointer("/metadata/deletionTimestamp").is_some());
        if before.as_ref() == Some(&now) && !goes {
            return Ok(now);
        }
        before = Some(now.clone());
        Err(now)
    })
    .await
}

async fn all<K>(client: &Client, namespace: &str, objects: &mut Portrait) -> anyhow::Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + std::fmt::Debug,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    for one in api.list(&ListParams::default()).await?.items {
        // Kubernetes' own.
        if matches!(one.name_any().as_str(), "default" | "kube-root-ca.crt") {
            continue;
        }
        let name = format!("{} {}", K::kind(&()), one.name_any());
        let mut object = serde_json::to_value(&one)?;
        // The status of Kubernetes' own kinds is their controllers' business.
        if K::kind(&()) != "EventSubscription" {
            object.as_object_mut().and_then(|fields| fields.remove("status"));
        }
        objects.insert(name, object);
    }
    Ok(())
}

fn pubsub(emulator: &Emulator, prefix: &str, objects: &mut Portrait) -> anyhow::Result<()> {
    let own = |name: &String| name.rsplit('/').next().is_some_and(|id| id.starts_with(prefix));
    let described = |value: &dyn std::fmt::Debug| json!(format!("{value:?}"));
    for name in emulator.topics().into_iter().filter(own) {
        let topic = emulator.topic(&name).context("a topic that is listed exists")?;
        let members = members(emulator, &name);
        let labels: BTreeMap<_, _> = topic.labels.iter().collect();
        objects.insert(
            format!("topic {name}"),
            json!({"labels": labels, "members": members}),
        );
    }
    for name in emulator.subscriptions().into_iter().filter(own) {
        let one = emulator
            .subscription(&name)
            .context("a subscription that is listed exists")?;
        let mut labels: BTreeMap<_, _> = one.labels.iter().collect();
        // It differs from run to run.
        labels.remove(&MADE_AT.to_owned());
        objects.insert(
            format!("subscription {name}"),
            json!({
                "topic": one.topic, "filter": one.filter, "ack": one.ack_deadline_seconds, "labels": labels,
                "retention": described(&one.message_retention_duration), "retry": described(&one.retry_policy),
                "deadLetter": described(&one.dead_letter_policy), "expiration": described(&one.expiration_policy),
                "members": members(emulator, &name),
            }),
        );
    }
    Ok(())
}

fn members(emulator: &Emulator, resource: &str) -> Vec<String> {
    let bindings = emulator
        .policy(resource)
        .map(|policy| policy.bindings)
        .unwrap_or_default();
    let mut members: Vec<_> = bindings
        .into_iter()
        .flat_map(|binding| {
            let role = binding.role;
            binding
                .members
                .into_iter()
                .map(move |member| format!("{role} {member}"))
        })
        .collect();
    members.sort();
    members
}

/// Takes out what differs from run to run: times, versions, uids, and what Kubernetes' own controllers say.
fn strip(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        for gone in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            metadata.remove(gone);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("deployment.kubernetes.io/revision");
            // Hashes of objects in which names stand; the objects are compared themselves.
            annotations.remove("events.livingtwin.io/applied");
            annotations.remove("events.livingtwin.io/fleet-version");
            // Whether the worker was ready when it was written last: history, and not what is asked for.
            annotations.remove(LAST_READY);
        }
        // How often a spec was written is no part of what it says.
        metadata.remove("generation");
    }
    let Some(status) = fields.get_mut("status").and_then(Value::as_object_mut) else {
        return;
    };
    status.remove("observedGeneration");
    // A time, and a hash of when the subscription was made.
    if let Some(seen) = status.get_mut("accessVerified") {
        *seen = json!("at some time");
    }
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        if let Some(condition) = condition.as_object_mut() {
            for gone in ["lastTransitionTime", "lastUpdateTime", "observedGeneration"] {
                condition.remove(gone);
            }
        }
    }
}

/// Without what all tenants share, and what others have in Pub/Sub.
#[must_use]
pub fn own(mut portrait: Portrait) -> Portrait {
    portrait.retain(|name, _| {
        let is_shared = name.starts_with("topic ");
        let is_somebodys = name.starts_with("subscription ");
        !is_shared && (!is_somebodys || name.contains("TENANT"))
    });
    portrait
}

/// What differs, one line for each place.
#[must_use]
pub fn differences(wanted: &Portrait, found: &Portrait) -> Vec<String> {
    let mut lines = Vec::new();
    let whole = |portrait: &Portrait| {
        portrait
            .iter()
            .map(|(name, one)| (name.clone(), one.clone()))
            .collect()
    };
    compare(
        "",
        &Value::Object(whole(wanted)),
        &Value::Object(whole(found)),
        &mut lines,
    );
    lines
}

fn compare(path: &str, wanted: &Value, found: &Value, lines: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let at =
                    |fields: &serde_json::Map<String, Value>| fields.get(key).cloned().unwrap_or(Value::Null);
                compare(&format!("{path}/{key}"), &at(one), &at(other), lines);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (number, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{path}/{number}"), one, other, lines);
            }
        }
        (one, other) if one == other => {}
        (one, other) => lines.push(format!("{path}: wanted {one}, found {other}")),
    }
}
