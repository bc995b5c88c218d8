//! The keys that a cluster signs service account tokens with: a JWKS from a file or from the API
//! server's `/openid/v1/jwks`.

use anyhow::Context as _;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// Keys are asked for again after this time.
const FRESH: Duration = Duration::from_secs(300);
/// And not more often than this, however many tokens with unknown keys come.
const PAUSE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A JWKS in a file; read again when it is needed and more than five minutes old.
    File(PathBuf),
    /// A JWKS behind a URL.
    Url {
        /// `https://kubernetes.default.svc/openid/v1/jwks`, for example.
        url: String,
        /// PEM of the authority that signed the server's certificate; without it the web's.
        ca: Option<PathBuf>,
        /// File with a bearer token, read anew for each request: projected tokens change.
        bearer_token: Option<PathBuf>,
    },
}

impl KeySource {
    /// A URL if it looks like one, else a file.
    #[must_use]
    pub fn parse(text: &str, ca: Option<PathBuf>, bearer_token: Option<PathBuf>) -> Self {
        if text.starts_with("https://") || text.starts_with("http://") {
            Self::Url {
                url: text.to_owned(),
                ca,
                bearer_token,
            }
        } else {
            Self::File(PathBuf::from(text))
        }
    }
}

pub(super) struct Keys {
    source: KeySource,
    client: reqwest::Client,
    /// What was read last, and when.
    known: Mutex<Option<(JwkSet, Instant)>>,
}

impl Keys {
    pub(super) fn new(source: KeySource) -> anyhow::Result<Self> {
        let mut client = reqwest::Client::builder().timeout(TIMEOUT);
        if let KeySource::Url { ca: Some(path), .. } = &source {
            let pem = read(path)?;
            for certificate in reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .with_context(|| format!("{} holds no certificates", path.display()))?
            {
                client = client.add_root_certificate(certificate);
            }
        }
        Ok(Self {
            source,
            client: client.build()?,
            known: Mutex::default(),
        })
    }

    /// The key of this id; asked for again if it is not known, since clusters change their keys.
    pub(super) async fn find(&self, id: &str) -> anyhow::Result<Option<Jwk>> {
        let mut known = self.known.lock().await;
        let age = known.as_ref().map(|(_, at)| at.elapsed());
        let has = known.as_ref().is_some_and(|(keys, _)| keys.find(id).is_some());
        if age.is_none_or(|age| age >= FRESH || (!has && age >= PAUSE)) {
            *known = Some((self.read().await?, Instant::now()));
        }
        Ok(known.as_ref().and_then(|(keys, _)| keys.find(id).cloned()))
    }

    async fn read(&self) -> anyhow::Result<JwkSet> {
        let text = match &self.source {
            KeySource::File(path) => read(path)?,
            KeySource::Url {
                url, bearer_token, ..
            } => {
                let mut request = self.client.get(url);
                if let Some(path) = bearer_token {
                    request = request.bearer_auth(read(path)?.trim());
                }
                let response = request.send().await?.error_for_status()?;
                response.text().await?
            }
        };
        serde_json::from_str(&text).context("not a JSON Web Key Set")
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
