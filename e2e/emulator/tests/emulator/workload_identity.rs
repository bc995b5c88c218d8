//! A worker's own identity: the official credentials exchange a service account's token, which the
//! cluster signed, and policies are asked about whom it names.

use crate::support::cluster::{Cluster, Tls};
use google_cloud_auth::credentials::{Credentials, external_account};
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::client::Subscriber;
use pubsub_emulator::{Emulator, IamMode, KeySource, Settings, Trust, WorkloadIdentity, iam_pb, pb};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const POOL: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog";
const PROVIDER: &str =
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/providers/cluster";
const TOPIC: &str = "projects/p/topics/events";
const SUBSCRIPTION: &str = "projects/p/subscriptions/sub";
const UID: &str = "4f9d4e7c";

async fn emulator(identity: WorkloadIdentity) -> Emulator {
    let settings = Settings {
        iam: IamMode::Enforce,
        ..Settings::default()
    };
    Emulator::builder()
        .settings(settings)
        .workload_identity(identity)
        .start()
        .await
        .unwrap()
}

fn trust(keys: KeySource) -> WorkloadIdentity {
    WorkloadIdentity::Cluster(Trust {
        keys,
        issuer: ISSUER.to_owned(),
        audiences: vec!["p.svc.id.goog".to_owned()],
    })
}

/// What an API server puts into a projected token.
fn claims() -> Value {
    let now = jsonwebtoken::get_current_timestamp();
    json!({
        "iss": ISSUER,
        "aud": [format!("https:{PROVIDER}")],
        "sub": "system:serviceaccount:tenant-a:worker",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "kubernetes.io": {"namespace": "tenant-a", "serviceaccount": {"name": "worker", "uid": UID}},
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[field] = value;
    claims
}

/// Status and body of a token exchange.
async fn exchange(emulator: &Emulator, token: &str) -> (u16, Value) {
    let body = json!({
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
        "audience": PROVIDER,
        "subjectToken": token,
    });
    let response = reqwest::Client::new()
        .post(format!("{}/v1/token", emulator.endpoint()))
        .json(&body)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn refusal(emulator: &Emulator, token: &str) -> String {
    let (status, body) = exchange(emulator, token).await;
    assert_eq!(status, 400, "{body}");
    assert!(!body.to_string().contains(token), "the token is in the answer");
    body["error"].as_str().unwrap().to_owned()
}

/// As a pod has them: a configuration, and a file with the projected token.
fn credentials(emulator: &Emulator, token_file: &Path) -> Credentials {
    external_account::Builder::new(json!({
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/v1/token", emulator.endpoint()),
        "credential_source": {"file": token_file},
    }))
    .build()
    .unwrap()
}

fn grant(emulator: &Emulator, resource: &str, role: &str, member: &str) {
    let bindings = vec![iam_pb::Binding {
        role: role.to_owned(),
        members: vec![member.to_owned()],
        condition: None,
    }];
    let policy = iam_pb::Policy {
        bindings,
        ..iam_pb::Policy::default()
    };
    emulator.set_policy(resource, policy).unwrap();
}

async fn put(emulator: &Emulator, name: &str, body: Value) {
    let request = reqwest::Client::new()
        .put(format!("{}/v1/{name}", emulator.endpoint()))
        .bearer_auth("user:admin")
        .json(&body);
    assert_eq!(request.send().await.unwrap().status(), 200, "{name}");
}

#[tokio::test]
async fn a_worker_pulls_as_its_service_account_and_nobody_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::rsa("key-1");
    let jwks = directory.path().join("jwks.json");
    std::fs::write(&jwks, cluster.jwks()).unwrap();
    let emulator = emulator(trust(KeySource::File(jwks))).await;
    grant(&emulator, "projects/p", "roles/pubsub.admin", "user:admin");
    put(&emulator, TOPIC, json!({})).await;
    put(&emulator, SUBSCRIPTION, json!({"topic": TOPIC})).await;
    let worker = format!("principal:{POOL}/kubernetes.serviceaccount.uid/{UID}");
    grant(&emulator, SUBSCRIPTION, "roles/pubsub.subscriber", &worker);
    let message = pb::PubsubMessage {
        data: b"x".to_vec().into(),
        ..pb::PubsubMessage::default()
    };
    emulator.publish(TOPIC, vec![message]).unwrap();

    let mut others = claims();
    others["kubernetes.io"]["serviceaccount"]["uid"] = json!("another");
    for (who, claims, may) in [("another", others, false), ("worker", claims(), true)] {
        let file = directory.path().join(who);
        std::fs::write(&file, cluster.token(&claims)).unwrap();
        let subscriber = Subscriber::builder()
            .with_endpoint(emulator.endpoint())
            .with_credentials(credentials(&emulator, &file))
            .build()
            .await
            .unwrap();
        let next = subscriber.subscribe(SUBSCRIPTION).build().next().await.unwrap();
        match next {
            Ok((message, handler)) => {
                assert!(may && &message.data[..] == b"x", "{who} got it");
                handler.ack();
            }
            Err(error) => {
                assert_eq!(error.status().map(|s| s.code), Some(Code::PermissionDenied));
                assert!(!may, "{who}: {error}");
            }
        }
    }
    let caller = emulator.calls().last().unwrap().caller.clone().unwrap();
    assert_eq!(
        caller,
        format!("principal:{POOL}/subject/system:serviceaccount:tenant-a:worker")
    );
}

#[tokio::test]
async fn a_token_must_be_signed_by_the_cluster_for_us_and_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let jwks = directory.path().join("jwks.json");
    let (cluster, stranger) = (Cluster::ec("key-1"), Cluster::ec("key-1"));
    std::fs::write(&jwks, cluster.jwks()).unwrap();
    let emulator = emulator(trust(KeySource::File(jwks))).await;
    let now = jsonwebtoken::get_current_timestamp();
    for (why, token) in [
        ("another's signature", stranger.token(&claims())),
        ("an unknown key", Cluster::ec("key-2").token(&claims())),
        ("no signature", cluster.unsigned(&claims())),
        ("the public key as a secret", cluster.confused(&claims())),
        (
            "another's claims",
            cluster.spliced(&claims(), &with("sub", json!("system:serviceaccount:a:b"))),
        ),
        ("expired", cluster.token(&with("exp", json!(now - 60)))),
        ("not yet", cluster.token(&with("nbf", json!(now + 600)))),
        (
            "another cluster",
            cluster.token(&with("iss", json!("https://elsewhere"))),
        ),
        ("for the API server", cluster.token(&with("aud", json!([ISSUER])))),
        ("for nobody", cluster.token(&with("aud", Value::Null))),
        ("for ever", cluster.token(&with("exp", Value::Null))),
        ("not a token", "a.b.c".to_owned()),
    ] {
        assert_eq!(refusal(&emulator, &token).await, "invalid_grant", "{why}");
    }
    for (why, claims) in [
        ("the provider's name", claims()),
        ("without https:", with("aud", json!(PROVIDER))),
        ("an allowed audience", with("aud", json!(["p.svc.id.goog"]))),
    ] {
        let (status, body) = exchange(&emulator, &cluster.token(&claims)).await;
        assert_eq!(status, 200, "{why}: {body}");
        assert_eq!(body["expires_in"], 3600);
    }
}

#[tokio::test]
async fn keys_that_the_cluster_changed_are_asked_for_again() {
    let directory = tempfile::tempdir().unwrap();
    let jwks = directory.path().join("jwks.json");
    let (old, new) = (Cluster::ec("key-1"), Cluster::rsa("key-2"));
    std::fs::write(&jwks, old.jwks()).unwrap();
    let emulator = emulator(trust(KeySource::File(jwks.clone()))).await;
    assert_eq!(exchange(&emulator, &old.token(&claims())).await.0, 200);
    std::fs::write(&jwks, new.jwks()).unwrap();
    let changed = async {
        while exchange(&emulator, &new.token(&claims())).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), changed)
        .await
        .expect("the new key is known");
    assert_eq!(refusal(&emulator, &old.token(&claims())).await, "invalid_grant");
}

#[tokio::test]
async fn keys_come_from_an_api_server_by_its_own_authority_and_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::rsa("key-1");
    let server = Tls::serve(cluster.jwks(), "secret").await;
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (ca, token) = (file("ca.pem", &server.authority), file("token", "secret\n"));
    let wrong = file("wrong", "guess");
    let source = |ca: Option<_>, bearer_token: Option<_>| KeySource::parse(&server.url, ca, bearer_token);
    let trusted = emulator(trust(source(Some(ca.clone()), Some(token.clone())))).await;
    assert_eq!(exchange(&trusted, &cluster.token(&claims())).await.0, 200);
    for (why, source) in [
        ("an unknown authority", source(None, Some(token))),
        ("no token", source(Some(ca.clone()), None)),
        ("a wrong token", source(Some(ca), Some(wrong))),
    ] {
        let emulator = emulator(trust(source)).await;
        let refused = refusal(&emulator, &cluster.token(&claims())).await;
        assert_eq!(refused, "temporarily_unavailable", "{why}");
    }
}

#[tokio::test]
async fn nobody_is_trusted_unless_asked_for_and_anybody_if_so() {
    let cluster = Cluster::ec("key-1");
    let refusing = emulator(WorkloadIdentity::default()).await;
    assert_eq!(
        refusal(&refusing, &cluster.token(&claims())).await,
        "invalid_grant"
    );
    let insecure = emulator(WorkloadIdentity::Insecure).await;
    assert_eq!(exchange(&insecure, &cluster.unsigned(&claims())).await.0, 200);
}

#[test]
fn the_command_line_says_what_is_missing() {
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_pubsub-emulator"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(run(&["--workload-identity", ISSUER]).contains("--workload-identity-jwks"));
    assert!(run(&["--workload-identity-jwks", "keys.json"]).contains("--workload-identity"));
    let both = ["--workload-identity", "insecure", "--workload-identity-jwks", "x"];
    assert!(run(&both).contains("nothing would be checked"));
}
