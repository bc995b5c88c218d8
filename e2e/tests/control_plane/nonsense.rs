//! One object that the operator cannot understand, or fails over, stops nobody else.

use crds::Tenant;
use e2e::{
    control_plane::{ADMIN, ControlPlane},
    eventually::eventually,
    sabotage::Mode,
    stage::{install_crds, operate, play_kubelet},
    tenants::{PATIENCE, apply, ready},
    world::World,
};
use k8s_openapi::{
    api::events::v1::Event, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use pubsub_emulator::Emulator;
use serde_json::{Value, json};

fn one() -> Value {
    json!({"subscriptions": [{"topic": "events"}]})
}

/// As another version of the operator may have left it, whose schema knew other fields.
async fn apply_past_the_schema(client: &Client, name: &str, spec: Value) {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let mut loose = Tenant::crd();
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    loose.spec.versions[0].schema = serde_json::from_value(schema).unwrap();
    let params = PatchParams::apply("test").force();
    definitions
        .patch(Tenant::crd_name(), &params, &Patch::Apply(&loose))
        .await
        .unwrap();
    // The API server takes a moment to believe it.
    let tenant = json!({
        "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec,
    });
    let tenants = Api::<kube::api::DynamicObject>::all_with(client.clone(), &Tenant::api_resource());
    eventually("it is stored", PATIENCE, async || {
        tenants.patch(name, &params, &Patch::Apply(&tenant)).await
    })
    .await;
    install_crds(client).await.unwrap();
}

#[tokio::test]
async fn what_makes_no_sense_stops_nobody_and_may_be_corrected() {
    let plane = ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    apply_past_the_schema(&client, "nonsense", json!({"subscriptions": "many"})).await;
    let emulator = Emulator::builder().start().await.unwrap();
    let operator = operate(&plane, &emulator, json!({}), |_| ()).await.unwrap();
    let kubelet = tokio::spawn(play_kubelet(client.clone()));
    apply(&client, "sound", one()).await;
    ready(&client, "sound").await;
    // While it runs, too.
    apply_past_the_schema(&client, "more-nonsense", json!({"worker": 7})).await;
    apply(&client, "sound-too", one()).await;
    ready(&client, "sound-too").await;
    // Not by apply, which the API server refuses: it does not understand what is there either.
    let corrected = Patch::Merge(json!({"spec": one()}));
    let tenants = Api::<Tenant>::all(client.clone());
    tenants
        .patch("nonsense", &PatchParams::default(), &corrected)
        .await
        .unwrap();
    ready(&client, "nonsense").await;
    operator.abort();
    kubelet.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_panics_over_stops_nobody_and_is_said() {
    let world = World::new().await;
    // Its finalizer, its first status, and then its namespace.
    world.saboteur.plan(vec![(3, Mode::Panics)]);
    let story = async {
        apply(&world.client, "unlucky", one()).await;
        let events = Api::<Event>::all(world.client.clone());
        let params = ListParams::default().fields("regarding.name=unlucky,reason=InternalError");
        eventually("it is said", PATIENCE, async || {
            let found = events.list(&params).await.unwrap().items;
            found
                .first()
                .and_then(|event| event.note.clone())
                .ok_or("no event")
        })
        .await;
        apply(&world.client, "lucky", one()).await;
        ready(&world.client, "lucky").await;
        // Whoever corrects it need not wait.
        apply(
            &world.client,
            "unlucky",
            json!({"subscriptions": [{"topic": "events", "ackDeadline": "90s"}]}),
        )
        .await;
        ready(&world.client, "unlucky").await;
    };
    tokio::select! {
        () = story => {}
        () = world.operate("panic-topics") => unreachable!("it begins anew for ever"),
    }
}
