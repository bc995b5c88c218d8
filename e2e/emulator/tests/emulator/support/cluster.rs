//! A cluster's keys, the tokens that it signs, and an API server that shows its keys.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) struct Cluster {
    key: EncodingKey,
    algorithm: Algorithm,
    id: String,
}

impl Cluster {
    /// What `kubeadm` makes.
    pub(crate) fn rsa(id: &str) -> Self {
        use aws_lc_rs::{
            encoding::{AsDer as _, Pkcs8V1Der},
            rsa::{KeyPair, KeySize},
        };
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // The signer wants the PKCS#1 key, which stands behind a header of 26 bytes.
        Self {
            key: EncodingKey::from_rsa_der(&pkcs8.as_ref()[26..]),
            algorithm: Algorithm::RS256,
            id: id.to_owned(),
        }
    }

    pub(crate) fn ec(id: &str) -> Self {
        use aws_lc_rs::{
            rand::SystemRandom,
            signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
        };
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Self {
            key: EncodingKey::from_ec_der(pair.unwrap().as_ref()),
            algorithm: Algorithm::ES256,
            id: id.to_owned(),
        }
    }

    fn jwk(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        jwk
    }

    /// As `/openid/v1/jwks` answers.
    pub(crate) fn jwks(&self) -> String {
        json!({ "keys": [self.jwk()] }).to_string()
    }

    fn header(&self, algorithm: Algorithm) -> Header {
        Header {
            kid: Some(self.id.clone()),
            ..Header::new(algorithm)
        }
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(self.algorithm), claims, &self.key).unwrap()
    }

    /// `alg: none`
    pub(crate) fn unsigned(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!(
            "{}.{}.",
            part(&json!({"alg": "none", "kid": self.id})),
            part(claims)
        )
    }

    /// Signed with what everybody knows, in the hope that it is taken for a shared secret.
    pub(crate) fn confused(&self, claims: &Value) -> String {
        let secret = EncodingKey::from_secret(self.jwks().as_bytes());
        jsonwebtoken::encode(&self.header(Algorithm::HS256), claims, &secret).unwrap()
    }

    /// The signature of one token under the claims of another.
    pub(crate) fn spliced(&self, signed: &Value, claims: &Value) -> String {
        let token = self.token(signed);
        let parts: Vec<&str> = token.split('.').collect();
        format!(
            "{}.{}.{}",
            parts[0],
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            parts[2]
        )
    }
}

/// A server with a certificate of an authority that nobody else knows.
pub(crate) struct Tls {
    pub(crate) url: String,
    /// PEM.
    pub(crate) authority: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tls {
    /// Answers `/openid/v1/jwks` to whoever has the token.
    pub(crate) async fn serve(body: String, token: &'static str) -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &issuer);
        let key = tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.unwrap().der().clone()], key.into())
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/openid/v1/jwks", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust us ends the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => break,
                    }
                }
                let request = String::from_utf8_lossy(&request).to_lowercase();
                let allowed = request.starts_with("get /openid/v1/jwks ")
                    && request.contains(&format!("authorization: bearer {token}\r\n"));
                let (status, body) = if allowed {
                    ("200 OK", body.as_str())
                } else {
                    ("401 Unauthorized", "")
                };
                let reply = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(reply.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            url,
            authority: authority_pem,
            task,
        }
    }
}
