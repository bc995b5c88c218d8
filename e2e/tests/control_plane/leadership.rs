//! Two replicas of the real operator, and a leader that is paused, stopped and killed. Who wrote what is taken from the API
//! server's audit log.

use std::time::Duration;

use e2e::{
    control_plane::{ADMIN, ControlPlane, OPERATOR, SECOND_OPERATOR},
    eventually::eventually,
    process::Operator,
    pubsub::resyncs,
    stage::{install_crds, play_kubelet},
    tenants::{apply, ready},
};
use event_operator::scaler::protocol::{
    GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use pubsub_emulator::Emulator;
use serde_json::json;

const LEASE: &str = "event-operator";
const PATIENCE: Duration = Duration::from_secs(60);

/// The pod that the Lease names.
async fn leader(client: &Client) -> Option<String> {
    let leases = Api::<Lease>::namespaced(client.clone(), "default");
    let holder = leases.get_opt(LEASE).await.unwrap()?.spec?.holder_identity?;
    holder
        .split('_')
        .next()
        .filter(|pod| !pod.is_empty())
        .map(str::to_owned)
}

async fn leads(client: &Client, pod: &str) {
    eventually(&format!("{pod} leads"), PATIENCE, async || {
        match leader(client).await {
            Some(one) if one == pod => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

/// Whether it leads or not, by its own watch: which may come later than what others saw, and who pulls nothing yet has no
/// backlog either. So it is asked until it has measured something.
async fn answers_keda(replica: &Operator) {
    let mut keda = ExternalScalerClient::connect(replica.scaler_url()).await.unwrap();
    let request = GetMetricsRequest {
        scaled_object_ref: Some(ScaledObjectRef {
            name: "event-worker".into(),
            namespace: "led".into(),
            scaler_metadata: [("tenant".to_owned(), "led".to_owned())].into(),
        }),
        metric_name: "backlog".into(),
    };
    eventually(
        "it says how many messages wait, to KEDA and in its metrics",
        PATIENCE,
        async || {
            let answer = keda
                .get_metrics(request.clone())
                .await
                .map_err(|status| status.to_string())?;
            let metrics = reqwest::get(replica.url("/metrics")).await.unwrap();
            let metrics = metrics.text().await.unwrap();
            match answer.get_ref().metric_values[0].metric_value {
                0 if metrics.contains("event_operator_backlog_messages{tenant=\"led\"} 0") => Ok(()),
                waiting => Err(format!("{waiting} to KEDA, and to others:\n{metrics}")),
            }
        },
    )
    .await;
}

#[tokio::test]
async fn one_replica_writes_and_the_other_takes_over() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    let kubelet = tokio::spawn(play_kubelet(client.clone()));
    let emulator = Emulator::builder().start().await.unwrap();
    let start = |user| Operator::start(plane, user, &emulator, LEASE).unwrap();

    let mut first = start(OPERATOR);
    leads(&client, OPERATOR).await;
    let second = start(SECOND_OPERATOR);
    let spec = json!({"subscriptions": [{"topic": "user-events"}]});
    apply(&client, "led", spec.clone()).await;
    ready(&client, "led").await;
    eventually("the second replica waits", PATIENCE, async || {
        let log = second.log();
        if log.contains("Another replica leads") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    assert_eq!(plane.writes(SECOND_OPERATOR).unwrap(), Vec::<String>::new());
    for replica in [&first, &second] {
        answers_keda(replica).await;
    }

    // Paused for longer than its lease lasts: the other one goes on.
    first.signal("STOP").unwrap();
    leads(&client, SECOND_OPERATOR).await;
    apply(&client, "after-the-pause", spec.clone()).await;
    ready(&client, "after-the-pause").await;

    // When it goes on, it finds itself replaced before it has written anything, and ends.
    let before = plane.writes(OPERATOR).unwrap();
    first.signal("CONT").unwrap();
    let status = eventually("the old leader ends", PATIENCE, async || {
        first.ended().unwrap().ok_or("it still runs")
    })
    .await;
    assert_eq!(status.code(), Some(1), "{}", first.log());
    assert_eq!(plane.writes(OPERATOR).unwrap(), before, "{}", first.log());

    // Asked to stop, a leader gives the lease back, so that the next need not wait for its end.
    let mut second = second;
    let third = start(OPERATOR);
    eventually("the third replica waits", PATIENCE, async || {
        let log = third.log();
        if log.contains("Another replica leads") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let calls = emulator.calls().len();
    let asked = std::time::Instant::now();
    second.signal("TERM").unwrap();
    leads(&client, OPERATOR).await;
    let took = asked.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "a lease that was given back was taken after {took:?}"
    );
    let status = eventually("the second replica ends", PATIENCE, async || {
        second.ended().unwrap().ok_or("it still runs")
    })
    .await;
    assert_eq!(status.code(), Some(0), "{}", second.log());

    // It finds in status which rights the one before it saw, and asks for none of them again.
    resyncs(&emulator, 2).await;
    let since = emulator.calls().split_off(calls);
    let asked_for: Vec<_> = since
        .iter()
        .filter(|call| call.method.ends_with("GetIamPolicy") && call.resource.contains("/subscriptions/"))
        .map(|call| &call.resource)
        .collect();
    assert_eq!(asked_for, Vec::<&String>::new());

    // Killed, it leaves the lease behind, and the next takes it when it has ended.
    let fourth = start(SECOND_OPERATOR);
    third.signal("KILL").unwrap();
    leads(&client, SECOND_OPERATOR).await;
    apply(&client, "after-the-kill", spec).await;
    ready(&client, "after-the-kill").await;
    drop(fourth);
    kubelet.abort();
}
