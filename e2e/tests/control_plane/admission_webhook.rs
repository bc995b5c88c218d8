//! A mutating admission webhook as clusters have them: over HTTPS, with a certificate of an authority that the API server is
//! given with the configuration.

use std::sync::Arc;

use axum::{Json, Router, routing::post};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer},
    server::TlsStream,
};

/// What a webhook makes of an object: the operations of a JSON patch.
pub(crate) type Mutation = fn(&Value) -> Vec<Value>;

/// One that answers until it is dropped.
pub(crate) struct Webhook(tokio::task::JoinHandle<()>);

impl Drop for Webhook {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Webhook {
    /// Answers, and has the API server ask about all writes to these objects of namespaces with this label.
    pub(crate) async fn install(
        client: &Client,
        name: &str,
        rule: Value,
        namespaces: Value,
        mutation: Mutation,
    ) -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/mutate", listener.local_addr().unwrap());
        let secured = Secured {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        let answer = move |Json(review): Json<Value>| async move { Json(answered(&review, mutation)) };
        let app = Router::new().route("/mutate", post(answer));
        let webhook = Self(tokio::spawn(async move {
            axum::serve(secured, app).await.unwrap();
        }));
        configure(client, name, &url, &pem, rule, namespaces).await;
        webhook
    }
}

async fn configure(client: &Client, name: &str, url: &str, authority: &str, rule: Value, namespaces: Value) {
    let authority = k8s_openapi::ByteString(authority.as_bytes().to_vec());
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": format!("{name}.example.com"), "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"url": url, "caBundle": authority}, "rules": [rule],
            "namespaceSelector": {"matchLabels": namespaces}, "failurePolicy": "Fail",
        }],
    });
    Api::<MutatingWebhookConfiguration>::all(client.clone())
        .patch(name, &PatchParams::apply("test"), &Patch::Apply(configuration))
        .await
        .unwrap();
}

fn answered(review: &Value, mutation: Mutation) -> Value {
    let patch = mutation(&review["request"]["object"]);
    let patch = k8s_openapi::ByteString(serde_json::to_vec(&patch).unwrap());
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": patch},
    })
}

struct Secured {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // A client that does not trust it ends the handshake.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
