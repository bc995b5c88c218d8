//! Who are we to the service, and whom do we trust? The HTTP client, made anew when its files change.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Certificate, Client, Identity, header::HeaderValue, redirect::Policy};
use tokio::{sync::Mutex, time::Instant};

/// A service that is there takes a connection in less, of a short `HANDLER_TIMEOUT` in four fifths of it: where both end
/// at once the client says that the answer was late, which would be a verdict on the event.
const CONNECT: Duration = Duration::from_secs(5);
const CONNECT_SHARE: f64 = 0.8;
/// Below the keep-alive of common servers (5 s), so that a kept connection is not one that the service just closed.
const IDLE: Duration = Duration::from_secs(4);
/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The files that make up our identity, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) ca: Option<PathBuf>,
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    pub(super) token: Option<PathBuf>,
}

/// What the files hold.
#[derive(Clone, Default, PartialEq, Eq)]
struct Contents {
    ca: Option<Vec<u8>>,
    identity: Option<Vec<u8>>,
    token: Option<Vec<u8>>,
}

/// A client, and the header that says who sends.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) client: Client,
    pub(super) token: Option<HeaderValue>,
}

struct State {
    contents: Contents,
    access: Access,
    looked: Instant,
}

/// Keeps the client up to date.
pub(super) struct Clients {
    files: Files,
    timeout: Duration,
    state: Mutex<Option<State>>,
    /// Where there is no file nothing ever changes.
    fixed: Option<Access>,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.files.fmt(f)
    }
}

impl Clients {
    pub(super) fn new(files: Files, timeout: Duration) -> Result<Self, String> {
        let fixed = match files == Files::default() {
            true => Some(access(&Contents::default(), timeout)?),
            false => None,
        };
        Ok(Self {
            files,
            timeout,
            state: Mutex::new(None),
            fixed,
        })
    }

    /// The client to use now. Files that became unusable change nothing while there is a client from before.
    pub(super) async fn current(&self) -> Result<Access, String> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(state) = state.as_ref().filter(|state| now < state.looked + LOOK) {
            return Ok(state.access.clone());
        }
        let read = self.read().await;
        let made = match (&read, state.as_ref()) {
            (Ok(contents), Some(state)) if *contents == state.contents => Ok(state.access.clone()),
            (Ok(contents), _) => access(contents, self.timeout),
            (Err(why), _) => Err(why.clone()),
        };
        match (made, &mut *state) {
            (Ok(access), state) => {
                if state.is_some() && read.is_ok() {
                    tracing::debug!("The handler's files were read again.");
                }
                *state = Some(State {
                    contents: read.unwrap_or_default(),
                    access: access.clone(),
                    looked: now,
                });
                Ok(access)
            }
            (Err(why), Some(state)) => {
                tracing::warn!(
                    why,
                    "The handler's files are unusable; those from before are kept."
                );
                state.looked = now;
                Ok(state.access.clone())
            }
            (Err(why), None) => Err(why),
        }
    }

    async fn read(&self) -> Result<Contents, String> {
        let identity = match &self.files.identity {
            Some((certificate, key)) => {
                let mut pem = read(certificate).await?;
                pem.push(b'\n');
                pem.extend(read(key).await?);
                Some(pem)
            }
            None => None,
        };
        Ok(Contents {
            ca: maybe(self.files.ca.as_deref()).await?,
            identity,
            token: maybe(self.files.token.as_deref()).await?,
        })
    }
}

async fn maybe(path: Option<&Path>) -> Result<Option<Vec<u8>>, String> {
    match path {
        Some(path) => read(path).await.map(Some),
        None => Ok(None),
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, String> {
    tokio::fs::read(path)
        .await
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn access(contents: &Contents, timeout: Duration) -> Result<Access, String> {
    let mut builder = Client::builder()
        .timeout(timeout)
        .connect_timeout(CONNECT.min(timeout.mul_f64(CONNECT_SHARE)))
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        // A redirect could turn the POST into a GET that answers 200 without any effect.
        .redirect(Policy::none())
        .user_agent(concat!("event-worker/", env!("CARGO_PKG_VERSION")));
    if let Some(ca) = &contents.ca {
        let authorities =
            Certificate::from_pem_bundle(ca).map_err(|_| "HANDLER_CA_FILE is no PEM".to_owned())?;
        builder = builder.tls_certs_only(authorities);
    }
    if let Some(identity) = &contents.identity {
        let identity = Identity::from_pem(identity).map_err(|_| {
            "HANDLER_CERT_FILE and HANDLER_KEY_FILE are no certificate with its key".to_owned()
        })?;
        builder = builder.identity(identity);
    }
    let token = match &contents.token {
        Some(token) => Some(bearer(token)?),
        None => None,
    };
    let client = builder
        .build()
        .map_err(|error| format!("TLS cannot be set up: {}", crate::pull::chain(&error)))?;
    Ok(Access { client, token })
}

fn bearer(token: &[u8]) -> Result<HeaderValue, String> {
    let wrong = || "HANDLER_TOKEN_FILE holds no token: one line of visible characters".to_owned();
    let text = std::str::from_utf8(token).map_err(|_| wrong())?.trim();
    if text.is_empty() {
        return Err(wrong());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_taken_up_when_it_changes_and_kept_when_it_breaks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let files = Files {
            token: Some(path.clone()),
            ..Files::default()
        };
        let clients = Clients::new(files, Duration::from_secs(10)).unwrap();
        assert!(clients.current().await.is_err());
        for (content, expected) in [
            ("first\n", "Bearer first"),
            ("second", "Bearer second"),
            ("", "Bearer second"),
            ("third", "Bearer third"),
        ] {
            std::fs::write(&path, content).unwrap();
            tokio::time::advance(LOOK).await;
            let token = clients.current().await.unwrap().token.unwrap();
            assert_eq!(token, expected);
            assert!(!format!("{token:?}").contains(expected));
        }
    }
}
