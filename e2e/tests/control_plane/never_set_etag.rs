//! Google documents no etag for a policy that was never set. Where it is another one than the operator assumes, one write is
//! refused, one policy is read, and the next first write has it.

use e2e::{
    stage::operate,
    tenants::{apply, ready},
    world::World,
};
use pubsub_emulator::Base64;
use serde_json::json;

/// The calls about policies, with their codes where they failed.
fn calls(world: &World) -> Vec<String> {
    let calls = world.emulator.calls().into_iter();
    calls
        .filter(|call| call.method.starts_with("IAMPolicy."))
        .map(|call| match call.code {
            Some(code) => format!("{} {code:?}", call.method),
            None => call.method.to_owned(),
        })
        .collect()
}

#[tokio::test]
async fn another_etag_of_policies_never_set_costs_one_refusal_and_one_read() {
    let world = World::new().await;
    let etag: [u8; 5] = rand::random();
    world
        .emulator
        .change_settings(|settings| settings.never_set_etag = Some(Base64(etag.to_vec())));
    let operator = operate(&world.plane, &world.emulator, json!({}), |_| ())
        .await
        .unwrap();
    let spec = json!({"topics": "Listed", "subscriptions": [{"topic": "user-events"}], "suspended": true});
    apply(&world.client, "first", spec.clone()).await;
    ready(&world.client, "first").await;
    // The topic of the dead letters comes first; its refusal teaches what the subscription's policy needs.
    let first = [
        "IAMPolicy.SetIamPolicy Aborted",
        "IAMPolicy.GetIamPolicy",
        "IAMPolicy.SetIamPolicy",
        "IAMPolicy.SetIamPolicy",
    ];
    assert_eq!(calls(&world), first, "etag {etag:?}");
    apply(&world.client, "second", spec).await;
    ready(&world.client, "second").await;
    assert_eq!(
        calls(&world)[first.len()..],
        ["IAMPolicy.SetIamPolicy"],
        "etag {etag:?}"
    );
    operator.abort();
}
