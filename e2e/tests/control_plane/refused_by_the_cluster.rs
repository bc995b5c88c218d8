//! The cluster itself stands in a Tenant's way: a quota, a policy, a namespace that cannot end. The Tenant says so in the
//! cluster's own words, and recovers by itself.

use std::time::Duration;

use crds::{ConditionType, Tenant, condition, label};
use e2e::{
    eventually::eventually,
    stage::Stage,
    tenants::{PATIENCE, apply, condition_of, delete, ready, tenant_is},
};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, ResourceQuota},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

fn one() -> Value {
    json!({"subscriptions": [{"topic": "user-events"}], "deletionPolicy": "Delete"})
}

fn by_hand() -> PatchParams {
    PatchParams::apply("somebody")
}

/// Waits until its Ready condition says this, and gives the reason.
async fn says(client: &Client, tenant: &str, words: &str) -> String {
    let so = format!("says: {words}");
    let ready = condition_of(client, tenant, ConditionType::Ready, &so, |one| {
        one.status == "False" && one.message.contains(words)
    });
    ready.await.reason
}

#[tokio::test]
async fn a_quota_that_leaves_no_pods_is_named_at_once() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let name = "no-pods";
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {label::TENANT: name}}});
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces
        .patch(name, &by_hand(), &Patch::Apply(namespace))
        .await
        .unwrap();
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}});
    let quotas = Api::<ResourceQuota>::namespaced(client.clone(), name);
    quotas
        .patch("none", &by_hand(), &Patch::Apply(quota))
        .await
        .unwrap();
    eventually("the quota is counted", PATIENCE, async || {
        let status = quotas.get("none").await.unwrap().status.unwrap_or_default();
        if status.hard.is_some() {
            Ok(())
        } else {
            Err(status)
        }
    })
    .await;
    apply(&client, name, one()).await;
    assert_eq!(
        says(&client, name, "exceeded quota: none").await,
        "WorkerNotReady"
    );

    // Its ReplicaSet backs off for long; a restart makes another one.
    quotas.delete("none", &DeleteParams::default()).await.unwrap();
    let deployments = Api::<Deployment>::namespaced(client.clone(), name);
    deployments.restart("event-worker").await.unwrap();
    ready(&client, name).await;
}

#[tokio::test]
async fn a_policys_words_are_said_and_without_it_the_tenant_recovers_by_itself() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let name = "needs-a-label";
    let policies = Api::<ValidatingAdmissionPolicy>::all(client.clone());
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(client.clone());
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["namespaces"]},
            ]},
            "matchConditions": [{"name": "ours", "expression": format!("object.metadata.name.startsWith('{name}')")}],
            "validations": [{
                "expression": "has(object.metadata.labels) && 'cost-center' in object.metadata.labels",
                "message": "every namespace must carry the label cost-center",
            }],
        },
    });
    policies
        .patch(name, &by_hand(), &Patch::Apply(policy))
        .await
        .unwrap();
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    bindings
        .patch(name, &by_hand(), &Patch::Apply(binding))
        .await
        .unwrap();
    let namespaces = Api::<Namespace>::all(client.clone());
    let probe = format!("{name}-probe");
    let probing = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": probe}});
    eventually("the policy is in force", PATIENCE, async || {
        let dry = by_hand().dry_run();
        match namespaces.patch(&probe, &dry, &Patch::Apply(&probing)).await {
            Err(refused) => Ok(refused),
            Ok(taken) => Err(taken),
        }
    })
    .await;
    apply(&client, name, one()).await;
    let reason = says(&client, name, "every namespace must carry the label cost-center").await;
    assert_eq!(reason, "AdmissionDenied");
    tenant_is(&client, name, ConditionType::Stalled, Some("AdmissionDenied")).await;

    // It is tried again by itself: first after half a minute, and never later than after five (see the table of failures).
    bindings.delete(name, &DeleteParams::default()).await.unwrap();
    policies.delete(name, &DeleteParams::default()).await.unwrap();
    let tenants = Api::<Tenant>::all(client.clone());
    eventually("it recovers by itself", Duration::from_secs(300), async || {
        let tenant = tenants.get(name).await.unwrap();
        let conditions = tenant.status.unwrap_or_default().conditions;
        match condition::holds(&conditions, ConditionType::Ready, tenant.metadata.generation) {
            true => Ok(()),
            false => Err(conditions),
        }
    })
    .await;
}

#[tokio::test]
async fn a_namespace_that_cannot_end_says_what_holds_it() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let name = "held";
    apply(&client, name, one()).await;
    ready(&client, name).await;
    delete(&client, name).await;
    // The namespace stays, and somebody removes it in which something is held.
    let namespaces = Api::<Namespace>::all(client.clone());
    let maps = Api::<ConfigMap>::namespaced(client.clone(), name);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["finalizer.example.com/hold"]},
    });
    maps.patch("held", &by_hand(), &Patch::Apply(map)).await.unwrap();
    namespaces.delete(name, &DeleteParams::default()).await.unwrap();
    apply(&client, name, one()).await;
    assert_eq!(
        says(&client, name, "finalizer.example.com/hold").await,
        "Terminating"
    );

    let none = json!({"metadata": {"finalizers": null}});
    maps.patch("held", &PatchParams::default(), &Patch::Merge(none))
        .await
        .unwrap();
    ready(&client, name).await;
}
