//! Somebody installs the operator twice: the second release says so, and writes nothing until the first is gone.

use e2e::{
    control_plane::{ADMIN, ControlPlane, OPERATOR, SECOND_OPERATOR},
    eventually::eventually,
    process::Operator,
    stage::{install_crds, play_kubelet},
    tenants::{PATIENCE, apply, ready},
};
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use pubsub_emulator::Emulator;
use serde_json::json;

#[tokio::test]
async fn of_two_releases_one_writes_and_the_other_says_who() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let kubelet = tokio::spawn(play_kubelet(client.clone()));
    let emulator = Emulator::builder().start().await.unwrap();
    let first = Operator::start(plane, OPERATOR, &emulator, "release-one").unwrap();
    let spec = json!({"subscriptions": [{"topic": "user-events"}]});
    apply(&client, "of-one", spec.clone()).await;
    ready(&client, "of-one").await;

    let second = Operator::start(plane, SECOND_OPERATOR, &emulator, "release-two").unwrap();
    let get = async |path: &str| {
        let answer = reqwest::get(second.url(path)).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    };
    eventually(
        "the second release is not ready and says why",
        PATIENCE,
        async || match get("/readyz").await {
            Some((503, text)) if text.contains("default/release-one") => Ok(()),
            other => Err((other, second.log())),
        },
    )
    .await;
    let (_, metrics) = get("/metrics").await.unwrap();
    assert!(
        metrics.contains("event_operator_yields_to_release{release=\"default/release-one\"} 1"),
        "{metrics}"
    );
    assert!(
        second.log().contains("Another release of the operator writes"),
        "{}",
        second.log()
    );
    let events = Api::<Event>::namespaced(client.clone(), "default");
    let of_the_second =
        ListParams::default().fields("involvedObject.kind=Lease,involvedObject.name=release-two");
    eventually("an event of its Lease says so", PATIENCE, async || {
        let notes: Vec<_> = events.list(&of_the_second).await.unwrap().into_iter().collect();
        let says = |one: &Event| {
            one.reason.as_deref() == Some("YieldsToRelease")
                && one
                    .message
                    .as_deref()
                    .unwrap_or_default()
                    .contains("default/release-one")
        };
        if notes.iter().any(says) {
            Ok(())
        } else {
            Err(notes)
        }
    })
    .await;
    apply(&client, "of-both", spec.clone()).await;
    ready(&client, "of-both").await;
    assert_eq!(plane.writes(SECOND_OPERATOR).unwrap(), Vec::<String>::new());

    // The first is uninstalled: the second goes on where it was.
    first.signal("TERM").unwrap();
    apply(&client, "of-two", spec).await;
    ready(&client, "of-two").await;
    eventually("it is ready", PATIENCE, async || match get("/readyz").await {
        Some((200, _)) => Ok(()),
        other => Err(other),
    })
    .await;
    let (_, metrics) = get("/metrics").await.unwrap();
    assert!(
        !metrics.contains("event_operator_yields_to_release{"),
        "{metrics}"
    );
    kubelet.abort();
}
