//! Where workers remember the events they handled, and how they get in. The operator hands out an address and the name of a
//! Secret; it never sees a password.

use crds::Span;
use serde::Deserialize;

use super::{SettingsError, check::within};

/// Redis' own port (<https://redis.io/docs/latest/operate/oss_and_stack/management/security/>).
const REDIS_PORT: u16 = 6379;

/// Sentinel's (<https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/>).
const SENTINEL_PORT: u16 = 26379;

const MEMORY: &str = "memory:";

const DAY_SECONDS: u64 = 86_400;

/// The keys of `worker.idempotency`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IdempotencyKeys {
    url: Option<String>,
    ttl: Option<Span>,
    secret_name: Option<String>,
    #[serde(default)]
    ca: bool,
    #[serde(default)]
    client_certificate: bool,
    #[serde(default)]
    sentinel_password: bool,
    #[serde(default)]
    ports: Vec<u16>,
}

/// Where workers remember the events they handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyStore {
    /// As the worker's `IDEMPOTENCY_URL`; holds no credentials.
    pub url: String,
    /// How long an event is remembered.
    pub ttl: Span,
    /// What the worker's pods have to reach.
    pub ports: Vec<u16>,
    /// How the worker says who it is; none: it need not.
    pub access: Option<StoreAccess>,
}

/// A Secret that the platform puts into each tenant's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreAccess {
    /// Its name. Its key `password` is the password of a user that is called as the tenant.
    pub secret: String,
    /// Its key `ca.crt` is the authority of the store's certificate, instead of the system's.
    pub ca: bool,
    /// Its keys `tls.crt` and `tls.key` are the worker's own certificate.
    pub client_certificate: bool,
    /// Its key `sentinel-password` is the Sentinels' password, who do not know the tenants' users.
    pub sentinel_password: bool,
}

impl Default for IdempotencyStore {
    fn default() -> Self {
        Self {
            url: MEMORY.to_owned(),
            ttl: Span::from_secs(DAY_SECONDS),
            ports: vec![],
            access: None,
        }
    }
}

impl IdempotencyStore {
    /// Whether it is in the worker's memory, and so known to one process only.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.url == MEMORY
    }
}

impl IdempotencyKeys {
    pub(super) fn checked(self) -> Result<IdempotencyStore, SettingsError> {
        let url = self.url.unwrap_or_else(|| MEMORY.to_owned());
        let mut ports = ports(&url)?;
        ports.extend(self.ports);
        ports.sort_unstable();
        ports.dedup();
        let access = self
            .secret_name
            .filter(|name| !name.is_empty())
            .map(|secret| StoreAccess {
                secret,
                ca: self.ca,
                client_certificate: self.client_certificate,
                sentinel_password: self.sentinel_password,
            });
        if url == MEMORY && access.is_some() {
            return Err(wrong(
                "secretName",
                "memory: is in the worker and needs no Secret; set url, or leave it out",
            ));
        }
        if access.is_none() && (self.ca || self.client_certificate || self.sentinel_password) {
            return Err(wrong(
                "secretName",
                "must name the Secret with the certificates or the Sentinels' password",
            ));
        }
        if self.sentinel_password
            && !url
                .split("://")
                .next()
                .is_some_and(|scheme| scheme.ends_with("-sentinel"))
        {
            return Err(wrong(
                "sentinelPassword",
                "is for Sentinels, and url names none: redis-sentinel://",
            ));
        }
        Ok(IdempotencyStore {
            url,
            ttl: within("worker.idempotency.ttl", self.ttl, DAY_SECONDS, 60, 2_678_400)?,
            ports,
            access,
        })
    }
}

/// The ports that a store's address leads to.
fn ports(url: &str) -> Result<Vec<u16>, SettingsError> {
    if url == MEMORY {
        return Ok(vec![]);
    }
    let forms = "must be memory:, redis://HOST[:PORT][/DATABASE], redis-sentinel://HOST:PORT,HOST:PORT/SERVICE or redis-cluster://HOST:PORT,HOST:PORT, or rediss… with TLS";
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("url", forms))?;
    let (default, mut ports) = match scheme {
        "redis" | "rediss" | "redis-cluster" | "rediss-cluster" => (REDIS_PORT, vec![]),
        // Sentinels lead to servers, which are expected where servers are.
        "redis-sentinel" | "rediss-sentinel" => (SENTINEL_PORT, vec![REDIS_PORT]),
        _ => return Err(wrong("url", forms)),
    };
    let hosts = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if hosts.contains('@') {
        return Err(wrong(
            "url",
            "must hold no credentials, since everybody who may read a Deployment would see them; put the password into a Secret and set secretName",
        ));
    }
    for host in hosts.split(',') {
        let (name, port) = match host.rsplit_once(':') {
            // An IPv6 address in brackets may end without a port.
            Some((name, port)) if !port.ends_with(']') => {
                (name, port.parse().map_err(|_| wrong("url", forms))?)
            }
            _ => (host, default),
        };
        if name.is_empty() {
            return Err(wrong("url", forms));
        }
        ports.push(port);
    }
    Ok(ports)
}

fn wrong(key: &str, problem: &str) -> SettingsError {
    SettingsError::value(format!("worker.idempotency.{key}"), problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(yaml: &str) -> Result<IdempotencyStore, String> {
        let keys: IdempotencyKeys = serde_yaml::from_str(yaml).map_err(|error| error.to_string())?;
        keys.checked().map_err(|error| error.to_string())
    }

    #[test]
    fn is_in_memory_when_nothing_is_said() {
        let store = store("{}").unwrap();
        assert!(store.is_memory() && store.ports.is_empty() && store.access.is_none());
        assert_eq!(store.ttl, Span::from_secs(86_400));
    }

    #[test]
    fn knows_the_ports_of_an_address() {
        for (url, ports) in [
            ("redis://redis.infra", vec![6379]),
            ("rediss://redis.infra:6380/2", vec![6380]),
            ("redis://[fd00::1]", vec![6379]),
            ("redis://[fd00::1]:7000", vec![7000]),
            ("redis-sentinel://a:26379,b:26380/main", vec![6379, 26379, 26380]),
            ("rediss-sentinel://a/main", vec![6379, 26379]),
            ("redis-cluster://a:7000,b:7001", vec![7000, 7001]),
            ("rediss-cluster://a", vec![6379]),
        ] {
            assert_eq!(store(&format!("url: {url:?}")).unwrap().ports, ports, "{url}");
        }
        let more = store("{url: 'redis-sentinel://a:1/main', ports: [7001, 7001]}").unwrap();
        assert_eq!(more.ports, [1, 6379, 7001]);
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (yaml, expected) in [
            (
                "url: 'redis://user:secret@redis'",
                "worker.idempotency.url: must hold no credentials",
            ),
            ("url: redis", "worker.idempotency.url: must be memory:"),
            ("url: 'memcached://a'", "worker.idempotency.url: must be memory:"),
            ("url: 'redis://a:port'", "worker.idempotency.url: must be memory:"),
            (
                "{url: 'redis://a', secretName: s, sentinelPassword: true}",
                "worker.idempotency.sentinelPassword: is for Sentinels",
            ),
            (
                "{url: 'redis-sentinel://a/main', sentinelPassword: true}",
                "worker.idempotency.secretName: must name the Secret",
            ),
            ("url: 'redis://'", "worker.idempotency.url: must be memory:"),
            (
                "secretName: store",
                "worker.idempotency.secretName: memory: is in the worker",
            ),
            (
                "{url: 'rediss://a', ca: true}",
                "worker.idempotency.secretName: must name the Secret",
            ),
            (
                "{url: 'redis://a', ttl: 1s}",
                "worker.idempotency.ttl: must be from 1m to 744h",
            ),
            ("{url: 'redis://a', password: x}", "unknown field `password`"),
        ] {
            let error = store(yaml).unwrap_err();
            assert!(error.contains(expected), "{yaml:?} gave {error:?}");
            assert!(!error.contains("secret@"), "a credential is repeated: {error}");
        }
    }
}
