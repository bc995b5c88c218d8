//! A cluster that is not GKE: its API server signs a worker's token, the emulator trusts the keys that this API server
//! shows, and Google's own library finds its way with nothing but the file that the operator wrote.

use std::path::Path;

use e2e::{
    control_plane::{ADMIN, ControlPlane, ISSUER},
    eventually::eventually,
    stage::{PROJECT, install_crds, operate, play_kubelet},
    tenants::{PATIENCE, apply, ready},
};
use google_cloud_auth::credentials::{Credentials, external_account};
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::client::Subscriber;
use k8s_openapi::api::{
    apps::v1::Deployment,
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, ServiceAccount},
};
use kube::{Api, Client, api::PostParams};
use pubsub_emulator::{Emulator, IamMode, KeySource, Trust, WorkloadIdentity, pb};
use serde_json::{Value, json};

const POOL: &str = "tenants";
const OWN: &str = "federated";
const OTHER: &str = "federated-other";

/// One that exchanges the tokens which this cluster's API server signs; it reads the keys there, as Google does.
async fn emulator(plane: &ControlPlane, folder: &Path) -> Emulator {
    let token = folder.join("reader");
    std::fs::write(&token, ADMIN).unwrap();
    let keys = format!("{}/openid/v1/jwks", plane.url().await.unwrap());
    let trust = Trust {
        keys: KeySource::parse(&keys, Some(plane.authority_path()), Some(token)),
        issuer: ISSUER.to_owned(),
        audiences: vec![],
    };
    Emulator::builder()
        .workload_identity(WorkloadIdentity::Cluster(trust))
        .start()
        .await
        .unwrap()
}

fn subscription(tenant: &str) -> String {
    format!("projects/{PROJECT}/subscriptions/living-twin-user-events-{tenant}-worker")
}

fn publish(emulator: &Emulator, tenant: &str) {
    let attributes = [("tenant_id", tenant), ("event_type", "user.login")];
    let message = pb::PubsubMessage {
        data: tenant.as_bytes().to_vec().into(),
        attributes: attributes
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..pb::PubsubMessage::default()
    };
    let topic = format!("projects/{PROJECT}/topics/living-twin-user-events");
    emulator.publish(&topic, vec![message]).unwrap();
}

/// What the kubelet would do for the worker's pod: have the token signed that the pod's volume asks for, and put the
/// ConfigMap's file beside it.
async fn credentials(client: &Client, tenant: &str, folder: &Path, audience: Option<&str>) -> Credentials {
    let deployments = Api::<Deployment>::namespaced(client.clone(), tenant);
    let pod = deployments
        .get("event-worker")
        .await
        .unwrap()
        .spec
        .unwrap()
        .template;
    let pod = serde_json::to_value(pod.spec.unwrap()).unwrap();
    let volumes = pod["volumes"].as_array().unwrap();
    let wanted = volumes
        .iter()
        .find_map(|one| one.pointer("/projected/sources/0/serviceAccountToken"))
        .unwrap();
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: vec![
                audience
                    .unwrap_or_else(|| wanted["audience"].as_str().unwrap())
                    .to_owned(),
            ],
            expiration_seconds: wanted["expirationSeconds"].as_i64(),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), tenant);
    let signed = accounts
        .create_token_request("event-worker", &PostParams::default(), &request)
        .await
        .unwrap();
    let token = folder.join(format!("token-{tenant}"));
    std::fs::write(&token, signed.status.unwrap().token).unwrap();

    let maps = Api::<ConfigMap>::namespaced(client.clone(), tenant);
    let data = maps.get("event-worker").await.unwrap().data.unwrap();
    let mut file: Value = serde_json::from_str(&data["credentials.json"]).unwrap();
    // The pod's path is not this machine's.
    let directory = pod["containers"][0]["volumeMounts"][1]["mountPath"]
        .as_str()
        .unwrap();
    assert_eq!(
        file["credential_source"]["file"],
        format!("{directory}/{}", wanted["path"].as_str().unwrap())
    );
    file["credential_source"]["file"] = json!(token);
    external_account::Builder::new(file).build().unwrap()
}

/// What a worker with these credentials gets from a tenant's subscription.
async fn pull(emulator: &Emulator, credentials: Credentials, tenant: &str) -> Result<Vec<u8>, Option<Code>> {
    let subscriber = Subscriber::builder()
        .with_endpoint(emulator.endpoint())
        .with_credentials(credentials)
        .build()
        .await
        .unwrap();
    let mut stream = subscriber.subscribe(subscription(tenant)).build();
    match tokio::time::timeout(PATIENCE, stream.next())
        .await
        .unwrap()
        .unwrap()
    {
        Ok((message, handler)) => {
            handler.ack();
            Ok(message.data.to_vec())
        }
        Err(error) => Err(error.status().map(|status| status.code)),
    }
}

fn grants(emulator: &Emulator) -> String {
    format!("{:?}", emulator.policy(&subscription(OWN)).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_pulls_its_own_with_a_token_that_the_cluster_signed_and_nobody_else_s() {
    let plane = &ControlPlane::alone();
    let client = plane.client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    tokio::spawn(play_kubelet(client.clone()));
    let folder = tempfile::tempdir().unwrap();
    let emulator = emulator(plane, folder.path()).await;
    let uid = async || {
        let api = Api::<ServiceAccount>::namespaced(client.clone(), OWN);
        api.get("event-worker").await.unwrap().metadata.uid.unwrap()
    };
    for (attribute, by_uid) in [("subject", false), ("uid", true)] {
        // The operator itself has no token here, so that policies are asked only when it has done its work.
        emulator.change_settings(|settings| settings.iam = IamMode::Off);
        let identity = json!({
            "mode": "federation", "pool": POOL, "provider": "test-cluster", "subjectAttribute": attribute,
            "tokenUrl": format!("{}/v1/token", emulator.endpoint()),
        });
        let operator = operate(plane, &emulator, json!({"identity": identity}), |_| ())
            .await
            .unwrap();
        for tenant in [OWN, OTHER] {
            apply(
                &client,
                tenant,
                json!({"subscriptions": [{"topic": "user-events"}]}),
            )
            .await;
            ready(&client, tenant).await;
        }
        let account = match by_uid {
            false => format!("/subject/system:serviceaccount:{OWN}:event-worker\""),
            true => format!("/attribute.uid/{}\"", uid().await),
        };
        eventually(
            "the worker is known by what was asked for",
            PATIENCE,
            async || match grants(&emulator) {
                grants if grants.contains(&account) => Ok(()),
                grants => Err(grants),
            },
        )
        .await;
        assert_eq!(
            by_uid,
            !grants(&emulator).contains("/subject/"),
            "{}",
            grants(&emulator)
        );
        operator.abort();

        emulator.change_settings(|settings| settings.iam = IamMode::Enforce);
        for tenant in [OWN, OTHER] {
            publish(&emulator, tenant);
        }
        let own = credentials(&client, OWN, folder.path(), None).await;
        assert_eq!(
            pull(&emulator, own.clone(), OWN).await,
            Ok(OWN.as_bytes().to_vec())
        );
        assert_eq!(
            pull(&emulator, own, OTHER).await,
            Err(Some(Code::PermissionDenied)),
            "another tenant's subscription"
        );
        let for_the_api_server = credentials(&client, OWN, folder.path(), Some(ISSUER)).await;
        assert!(
            pull(&emulator, for_the_api_server, OWN).await.is_err(),
            "a token for somebody else is not taken"
        );
    }
}
