//! Where Redis is, and who we are to it: `IDEMPOTENCY_URL` and the files beside it.

use std::{fmt, path::PathBuf};

use redis::{
    Client, ClientTlsConfig, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, TlsCertificates,
    TlsMode,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};

/// What is wrong with the URL. It is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; allowed are memory: and redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], with TLS rediss://, and with \
     Sentinels redis-sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE[/DATABASE], with TLS rediss-sentinel://"
)]
pub struct WrongUrl(&'static str);

/// How to reach Redis. Files are read at each connect, so that a rotated password or certificate is taken up.
#[derive(Clone)]
pub struct RedisSettings {
    nodes: Vec<ConnectionInfo>,
    /// The service's name, when the nodes are Sentinels.
    service: Option<String>,
    tls: bool,
    /// Instead of the URL's.
    pub username: Option<String>,
    /// Holds the password, instead of the URL.
    pub password_file: Option<PathBuf>,
    /// The authority that signed the server's certificate, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, where the server asks for one.
    pub identity_files: Option<(PathBuf, PathBuf)>,
}

impl RedisSettings {
    /// Parses a URL.
    ///
    /// # Errors
    /// [`WrongUrl`] says what is wrong and what is allowed.
    pub fn parse(url: &str) -> Result<Self, WrongUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(WrongUrl("it has no scheme"))?;
        let (tls, sentinel) = match scheme {
            "redis" | "valkey" => (false, false),
            "rediss" | "valkeys" => (true, false),
            "redis-sentinel" => (false, true),
            "rediss-sentinel" => (true, true),
            _ => return Err(WrongUrl("its scheme is unknown")),
        };
        if rest.contains('#') {
            // "#insecure" would switch off what TLS is for.
            return Err(WrongUrl("it has a fragment"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let (service, database) = match (sentinel, path.split_once('/')) {
            (false, _) => (None, path),
            (true, Some((service, database))) => (Some(service), database),
            (true, None) => (Some(path), ""),
        };
        if service.is_some_and(str::is_empty) {
            return Err(WrongUrl("it names no service of the Sentinels"));
        }
        let scheme = if tls { "rediss" } else { "redis" };
        let hosts: Vec<&str> = hosts.split(',').collect();
        if !sentinel && hosts.len() > 1 {
            return Err(WrongUrl("it names several servers that are no Sentinels"));
        }
        let node = |host: &&str| format!("{scheme}://{user}{host}/{database}").into_connection_info();
        let nodes: Result<Vec<_>, RedisError> = hosts.iter().map(node).collect();
        Ok(Self {
            nodes: nodes.map_err(|_| WrongUrl("it is not of that form"))?,
            service: service.map(ToOwned::to_owned),
            tls,
            username: None,
            password_file: None,
            ca_file: None,
            identity_files: None,
        })
    }

    /// A client for the server to write to, which is the Sentinels' to say where there are some.
    pub(super) async fn client(&self) -> Result<Client, String> {
        let certificates = self.certificates().await?;
        let password = match &self.password_file {
            Some(path) => Some(read(path).await?.trim_end_matches(['\r', '\n']).to_owned()),
            None => None,
        };
        let [first, ..] = self.nodes.as_slice() else {
            return Err("no server is named".to_owned());
        };
        // The client would tell the server its name, which is one more right to grant.
        let mut own = first.redis_settings().clone().set_skip_set_lib_name();
        if let Some(username) = &self.username {
            own = own.set_username(username);
        }
        if let Some(password) = &password {
            own = own.set_password(password);
        }
        let client = match (&self.service, certificates) {
            (None, None) => Client::open(first.clone().set_redis_settings(own)),
            (None, Some(certificates)) => {
                Client::build_with_tls(first.clone().set_redis_settings(own), certificates)
            }
            (Some(service), certificates) => {
                let nodes = self.nodes.iter().map(|node| node.addr().clone());
                let mut sentinels = SentinelClientBuilder::new(nodes, service, SentinelServerType::Master)
                    .map_err(|error| said(&error))?
                    .set_client_to_redis_db(own.db());
                if self.tls {
                    sentinels = sentinels.set_client_to_redis_tls_mode(TlsMode::Secure);
                }
                if let Some(certificates) = certificates {
                    sentinels = sentinels
                        .set_client_to_redis_certificates(certificates.clone())
                        .set_client_to_sentinel_certificates(certificates);
                }
                if let Some(username) = own.username() {
                    sentinels = sentinels.set_client_to_redis_username(username);
                }
                if let Some(password) = own.password() {
                    sentinels = sentinels.set_client_to_redis_password(password);
                }
                let mut sentinels = sentinels.build().map_err(|error| said(&error))?;
                sentinels.async_get_client().await
            }
        };
        client.map_err(|error| said(&error))
    }

    async fn certificates(&self) -> Result<Option<TlsCertificates>, String> {
        if !self.tls || (self.ca_file.is_none() && self.identity_files.is_none()) {
            return Ok(None);
        }
        let root_cert = match &self.ca_file {
            Some(path) => Some(read(path).await?.into_bytes()),
            None => None,
        };
        let client_tls = match &self.identity_files {
            Some((certificate, key)) => Some(ClientTlsConfig {
                client_cert: read(certificate).await?.into_bytes(),
                client_key: read(key).await?.into_bytes(),
            }),
            None => None,
        };
        Ok(Some(TlsCertificates {
            client_tls,
            root_cert,
        }))
    }
}

async fn read(path: &PathBuf) -> Result<String, String> {
    tokio::fs::read_to_string(path)
        .await
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// An error of the client's in words that hold no credential.
pub(super) fn said(error: &RedisError) -> String {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return "it refuses the user or the password".to_owned();
    }
    match error.code() {
        Some(code) => format!("it answered {code}: {}", error.detail().unwrap_or_default()),
        None => error.to_string(),
    }
}

/// Where, and not as whom.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<String> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        f.debug_struct("RedisSettings")
            .field("nodes", &nodes)
            .field("service", &self.service)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        format!("{:?}", RedisSettings::parse(url).unwrap())
    }

    #[test]
    fn takes_servers_and_sentinels() {
        assert!(shown("redis://h").contains(r#"["h:6379"], service: None, tls: false"#));
        assert!(shown("rediss://u:p@h:1/3").contains(r#"["h:1"], service: None, tls: true"#));
        let sentinels = shown("redis-sentinel://:p%40ss@a:26379,b:26379/main/2");
        assert!(sentinels.contains(r#"["a:26379", "b:26379"], service: Some("main"), tls: false"#));
        let parsed = RedisSettings::parse("redis-sentinel://u:p%40ss@a:26379,b:26379/main/2").unwrap();
        let own = parsed.nodes[0].redis_settings();
        assert_eq!(
            (own.username(), own.password(), own.db()),
            (Some("u"), Some("p@ss"), 2)
        );
    }

    #[test]
    fn says_what_is_wrong_and_nothing_secret() {
        for url in [
            "redis:/s3cret",
            "http://:s3cret@h",
            "redis://:s3cret@a,b",
            "redis-sentinel://:s3cret@a:1",
            "rediss://:s3cret@h#insecure",
            "redis://:s3cret@h:port",
            "redis://:s3cret@h/database",
        ] {
            let error = RedisSettings::parse(url).unwrap_err().to_string();
            assert!(
                error.contains("allowed are") && !error.contains("s3cret"),
                "{error}"
            );
        }
        assert!(!shown("redis://user:s3cret@h").contains("s3cret"));
    }
}
