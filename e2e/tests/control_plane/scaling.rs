//! KEDA comes and goes while the operator runs; how many workers there are is then KEDA's business, and by how many messages
//! wait is what the operator tells it.

use std::{sync::Arc, time::Duration};

use crds::{ConditionType, condition};
use e2e::{
    control_plane::{ADMIN, ControlPlane, OPERATOR},
    eventually::eventually,
    pubsub::{resyncs, take},
    stage::{PROJECT, install_crds, operate, play_kubelet, settings_on},
    tenants::{PATIENCE, apply, ready},
};
use event_operator::{
    kubernetes::Kind,
    monitoring::{backlog::Backlogs, google::GoogleMonitoring},
    scaler::{
        Scaler,
        protocol::{GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient},
    },
};
use events::Connection;
use k8s_openapi::{
    api::{apps::v1::Deployment, autoscaling::v1::Scale},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use pubsub_emulator::{Emulator, pb};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::transport::Channel;

const TENANT: &str = "scaled";
const DEFINITION: &str = "scaledobjects.keda.sh";

/// What KEDA's definition is to us: a kind that takes anything.
async fn install_keda(client: &Client) {
    let definition: CustomResourceDefinition = serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": DEFINITION},
        "spec": {
            "group": "keda.sh", "scope": "Namespaced",
            "names": {"kind": "ScaledObject", "listKind": "ScaledObjectList", "plural": "scaledobjects", "singular": "scaledobject"},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    }))
    .unwrap();
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    api.create(&PostParams::default(), &definition).await.unwrap();
}

async fn remove_keda(client: &Client) {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    api.delete(DEFINITION, &DeleteParams::default()).await.unwrap();
}

fn spec(scaling: &Value, suspended: bool) -> Value {
    let mut worker = json!({"maxConcurrentMessages": 5});
    if !scaling.is_null() {
        worker["scaling"] = scaling.clone();
    }
    json!({"subscriptions": [{"topic": "user-events"}], "worker": worker, "suspended": suspended})
}

fn scaled_objects(client: &Client) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), TENANT, &Kind::ScaledObject.api_resource())
}

async fn scaled_object(client: &Client, wanted: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(wanted, PATIENCE, async || {
        // Not found is also what a kind that is not there says.
        let found = scaled_objects(client).get("event-worker").await.ok();
        let found = serde_json::to_value(found).unwrap();
        if is(&found) { Ok(found) } else { Err(found) }
    })
    .await
}

async fn replicas(client: &Client) -> i32 {
    let api = Api::<Deployment>::namespaced(client.clone(), TENANT);
    let deployment = api.get("event-worker").await.unwrap();
    deployment.spec.unwrap().replicas.unwrap()
}

/// As KEDA and the autoscaler that it makes do it.
async fn scale(client: &Client, replicas: i32) {
    let api = Api::<Deployment>::namespaced(client.clone(), TENANT);
    let scale = json!({"spec": {"replicas": replicas}});
    let _: Scale = api
        .patch_scale("event-worker", &PatchParams::default(), &Patch::Merge(scale))
        .await
        .unwrap();
}

async fn worker_says(client: &Client, what: &str) {
    eventually(&format!("the Tenant says: {what}"), PATIENCE, async || {
        let tenant = ready(client, TENANT).await;
        let conditions = tenant.status.unwrap_or_default().conditions;
        let said = condition::find(&conditions, ConditionType::WorkerReady)
            .unwrap()
            .message
            .clone();
        if said.contains(what) { Ok(()) } else { Err(said) }
    })
    .await;
}

async fn replicas_are(client: &Client, wanted: i32) {
    eventually(
        &format!("{wanted} replicas"),
        PATIENCE,
        async || match replicas(client).await {
            found if found == wanted => Ok(()),
            found => Err(found),
        },
    )
    .await;
}

fn deployment_writes(plane: &ControlPlane) -> usize {
    let entries = plane.audit().unwrap().into_iter();
    entries
        .filter(|entry| entry.user.username == OPERATOR && entry.is_write())
        .filter(|entry| entry.request_uri.contains("/deployments/"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keda_comes_and_goes_and_the_number_of_workers_with_it() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    tokio::spawn(play_kubelet(client.clone()));
    let emulator = Emulator::builder().start().await.unwrap();
    let keys = json!({
        "scalerAddress": "event-operator.event-operator.svc:8081",
        "worker": {"image": "event-worker:1", "idempotency": {"url": "redis://redis:6379"}},
    });
    let operator = operate(plane, &emulator, keys.clone(), |_| ()).await.unwrap();
    let scaling = json!({"min": 2, "max": 8, "targetBacklog": 20});
    apply(&client, TENANT, spec(&scaling, false)).await;
    ready(&client, TENANT).await;
    replicas_are(&client, 2).await;
    worker_says(&client, "there is no KEDA in this cluster").await;

    // It comes: the number stays as it was, and is whoever's from then on.
    install_keda(&client).await;
    let scaled = scaled_object(&client, "a ScaledObject", |one| !one.is_null()).await;
    assert_eq!(scaled["spec"]["triggers"][0]["metadata"]["tenant"], TENANT);
    assert_eq!(scaled["spec"]["minReplicaCount"], 2);
    worker_says(&client, "KEDA runs 2 to 8 of them").await;
    assert_eq!(replicas(&client).await, 2);
    resyncs(&emulator, 1).await;
    let writes = deployment_writes(plane);
    for number in [5, 0, 3] {
        scale(&client, number).await;
        resyncs(&emulator, 2).await;
        assert_eq!(replicas(&client).await, number, "nobody put it back");
    }
    assert_eq!(deployment_writes(plane), writes, "nor tried to");

    // Somebody deletes the ScaledObject by hand: it is made again.
    scaled_objects(&client)
        .delete("event-worker", &DeleteParams::default())
        .await
        .unwrap();
    scaled_object(&client, "another ScaledObject", |one| {
        !one.is_null() && one["metadata"]["uid"] != scaled["metadata"]["uid"]
    })
    .await;

    // Stopped on request, and started again: the operator holds it at zero, and then lets go of the zero.
    let paused = "autoscaling.keda.sh/paused-replicas";
    apply(&client, TENANT, spec(&scaling, true)).await;
    scaled_object(&client, "a paused one", |one| {
        one["metadata"]["annotations"][paused] == "0"
    })
    .await;
    replicas_are(&client, 0).await;
    apply(&client, TENANT, spec(&scaling, false)).await;
    scaled_object(&client, "one that goes on", |one| {
        !one.is_null() && one["metadata"]["annotations"][paused].is_null()
    })
    .await;
    scale(&client, 4).await;
    resyncs(&emulator, 2).await;
    assert_eq!(replicas(&client).await, 4);

    // Not wanted any more, then wanted again.
    apply(&client, TENANT, spec(&Value::Null, false)).await;
    scaled_object(&client, "no ScaledObject", Value::is_null).await;
    replicas_are(&client, 1).await;
    apply(&client, TENANT, spec(&scaling, false)).await;
    scaled_object(&client, "a ScaledObject once more", |one| !one.is_null()).await;
    scale(&client, 6).await;

    // It goes: the number is the operator's again. And comes once more, all without a restart.
    remove_keda(&client).await;
    replicas_are(&client, 2).await;
    worker_says(&client, "there is no KEDA in this cluster").await;
    eventually("its definition is gone", PATIENCE, async || {
        let api = Api::<CustomResourceDefinition>::all(client.clone());
        match api.get_opt(DEFINITION).await.unwrap() {
            None => Ok(()),
            Some(one) => Err(one.status),
        }
    })
    .await;
    install_keda(&client).await;
    scaled_object(&client, "a ScaledObject after all", |one| !one.is_null()).await;
    scale(&client, 7).await;
    resyncs(&emulator, 2).await;
    assert_eq!(replicas(&client).await, 7);

    // An operator that starts anew, and does not know yet that there is KEDA, leaves the number alone.
    operator.abort();
    let writes = deployment_writes(plane);
    let again = operate(plane, &emulator, keys, |_| ()).await.unwrap();
    resyncs(&emulator, 3).await;
    assert_eq!((replicas(&client).await, deployment_writes(plane)), (7, writes));
    again.abort();
}

async fn backlog(keda: &mut ExternalScalerClient<Channel>, about: &ScaledObjectRef) -> Result<i64, String> {
    let request = GetMetricsRequest {
        scaled_object_ref: Some(about.clone()),
        metric_name: "backlog".into(),
    };
    match keda.get_metrics(request).await {
        Ok(answer) => Ok(answer.into_inner().metric_values[0].metric_value),
        Err(status) => Err(status.to_string()),
    }
}

async fn backlog_is(keda: &mut ExternalScalerClient<Channel>, about: &ScaledObjectRef, wanted: i64) {
    eventually(
        &format!("a backlog of {wanted}"),
        PATIENCE,
        async || match backlog(keda, about).await {
            Ok(found) if found == wanted => Ok(()),
            other => Err(other),
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keda_is_told_how_many_messages_wait() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    tokio::spawn(play_kubelet(client.clone()));
    let emulator = Emulator::builder().start().await.unwrap();
    let _operator = operate(plane, &emulator, json!({}), |_| ()).await.unwrap();
    apply(&client, TENANT, spec(&json!({"min": 0}), false)).await;
    ready(&client, TENANT).await;

    // As a replica that does not lead: it has nothing but its own watches, and its own look at Monitoring.
    let monitoring = GoogleMonitoring::connect(&Connection::emulator(&emulator.endpoint()))
        .await
        .unwrap();
    let backlogs = Backlogs::measuring(Arc::new(monitoring), Duration::from_millis(100));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = settings_on(&emulator, json!({}), |_| ()).unwrap();
    let scaler = Arc::new(Scaler::new(Arc::new(backlogs), &settings));
    tokio::spawn(Arc::clone(&scaler).serve(client.clone(), listener));
    let mut keda = ExternalScalerClient::connect(format!("http://{address}"))
        .await
        .unwrap();
    let about = ScaledObjectRef {
        name: "event-worker".into(),
        namespace: TENANT.into(),
        scaler_metadata: [("tenant", TENANT), ("targetBacklog", "100")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    };
    let publish = |tenant: &str, count: usize| {
        let attributes = [("tenant_id", tenant), ("event_type", "user.login")];
        let message = pb::PubsubMessage {
            attributes: attributes
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..pb::PubsubMessage::default()
        };
        let topic = format!("projects/{PROJECT}/topics/living-twin-user-events");
        emulator.publish(&topic, vec![message; count]).unwrap();
    };
    publish(TENANT, 3);
    publish("another", 5);
    backlog_is(&mut keda, &about, 3).await;
    assert!(keda.is_active(about.clone()).await.unwrap().into_inner().result);
    assert_eq!(scaler.known(), [(TENANT.to_owned(), 3)]);
    let subscription = format!("projects/{PROJECT}/subscriptions/living-twin-user-events-{TENANT}-worker");
    take(&emulator, &subscription).await;
    backlog_is(&mut keda, &about, 0).await;
    assert!(!keda.is_active(about.clone()).await.unwrap().into_inner().result);
}
