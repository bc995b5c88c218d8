//! Where Redis is, and who we are to it: `IDEMPOTENCY_URL` and the files beside it.

use std::{fmt, path::PathBuf};

use redis::{ConnectionInfo, IntoConnectionInfo, RedisError};

/// What is wrong with the URL. It is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; allowed are memory: and redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], with Sentinels \
     redis-sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE[/DATABASE], for a Redis Cluster \
     redis-cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT, and with TLS rediss://, rediss-sentinel://, rediss-cluster://"
)]
pub struct WrongUrl(&'static str);

/// What the servers are that the URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// The one that keeps the keys.
    Server,
    /// Those that know which server of a service may be written to.
    Sentinels {
        /// The service's name.
        service: String,
    },
    /// Some of those that share the keys.
    Cluster,
}

/// How to reach Redis. Files are read at each connect, so that a rotated password or certificate is taken up.
#[derive(Clone)]
pub struct RedisSettings {
    pub(super) nodes: Vec<ConnectionInfo>,
    pub(super) kind: Kind,
    pub(super) tls: bool,
    /// Instead of the URL's.
    pub username: Option<String>,
    /// Holds the password, instead of the URL.
    pub password_file: Option<PathBuf>,
    /// Who we are to Sentinels, where that is not who we are to Redis.
    pub sentinel_username: Option<String>,
    /// Holds the Sentinels' password, where that is not the password of Redis.
    pub sentinel_password_file: Option<PathBuf>,
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
        let (base, of) = scheme.split_once('-').unwrap_or((scheme, ""));
        let tls = match base {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
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
        let hosts: Vec<&str> = hosts.split(',').collect();
        let (kind, database) = match of {
            "" if hosts.len() > 1 => {
                return Err(WrongUrl(
                    "it names several servers that are neither Sentinels nor a Redis Cluster",
                ));
            }
            "" => (Kind::Server, path),
            "sentinel" => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err(WrongUrl("it names no service of the Sentinels"));
                }
                let service = service.to_owned();
                (Kind::Sentinels { service }, database)
            }
            "cluster" if matches!(path, "" | "0") => (Kind::Cluster, ""),
            "cluster" => return Err(WrongUrl("it names a database, and a Redis Cluster has none")),
            _ => return Err(WrongUrl("its scheme is unknown")),
        };
        let scheme = if tls { "rediss" } else { "redis" };
        let node = |host: &&str| format!("{scheme}://{user}{host}/{database}").into_connection_info();
        let nodes: Result<Vec<_>, RedisError> = hosts.iter().map(node).collect();
        Ok(Self {
            nodes: nodes.map_err(|_| WrongUrl("it is not of that form"))?,
            kind,
            tls,
            username: None,
            password_file: None,
            sentinel_username: None,
            sentinel_password_file: None,
            ca_file: None,
            identity_files: None,
        })
    }

    /// Whether the URL names Sentinels.
    #[must_use]
    pub fn has_sentinels(&self) -> bool {
        matches!(self.kind, Kind::Sentinels { .. })
    }
}

/// Where, and not as whom.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<String> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        f.debug_struct("RedisSettings")
            .field("nodes", &nodes)
            .field("kind", &self.kind)
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
    fn takes_servers_sentinels_and_clusters() {
        assert!(shown("redis://h").contains(r#"["h:6379"], kind: Server, tls: false"#));
        assert!(shown("valkey://h").contains(r#"["h:6379"], kind: Server, tls: false"#));
        assert!(shown("rediss://u:p@h:1/3").contains(r#"["h:1"], kind: Server, tls: true"#));
        let cluster = shown("rediss-cluster://u:p@a:7001,b:7002,[::1]:7003");
        assert!(
            cluster.contains(r#"["a:7001", "b:7002", "[::1]:7003"], kind: Cluster, tls: true"#)
                || cluster.contains(r#"["a:7001", "b:7002", "::1:7003"], kind: Cluster, tls: true"#),
            "{cluster}"
        );
        assert!(shown("redis-cluster://a/0").contains(r#"["a:6379"], kind: Cluster, tls: false"#));
        let sentinels = shown("redis-sentinel://:p%40ss@a:26379,b:26379/main/2");
        assert!(
            sentinels.contains(r#"["a:26379", "b:26379"], kind: Sentinels { service: "main" }, tls: false"#)
        );
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
            "redis-cluster://:s3cret@a,b/3",
            "redis-proxy://:s3cret@a",
            "rediss-sentinel-cluster://:s3cret@a/main",
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
