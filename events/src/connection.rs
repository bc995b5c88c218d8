//! Which Pub/Sub to talk to, and as whom: decided once, for every client of every program.

use std::fmt;

use google_cloud_auth::credentials::{Credentials, anonymous};

/// The variable every Pub/Sub tool knows for an emulator's address, `host:port`.
pub const EMULATOR_VARIABLE: &str = "PUBSUB_EMULATOR_HOST";

/// Google's Pub/Sub with the machine's own identity, or an endpoint without any.
///
/// The official crate does not read [`EMULATOR_VARIABLE`] itself, so it is read here.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Connection {
    endpoint: Option<String>,
}

impl Connection {
    /// Google's Pub/Sub, with application default credentials.
    #[must_use]
    pub fn google() -> Self {
        Self { endpoint: None }
    }

    /// An emulator, given as `host:port` or as a URL.
    #[must_use]
    pub fn emulator(address: &str) -> Self {
        let endpoint = if address.contains("://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        Self {
            endpoint: Some(endpoint),
        }
    }

    /// An emulator when [`EMULATOR_VARIABLE`] is set and not empty, else Google's.
    #[must_use]
    pub fn from_env() -> Self {
        std::env::var(EMULATOR_VARIABLE)
            .ok()
            .filter(|address| !address.is_empty())
            .map_or_else(Self::google, |address| Self::emulator(&address))
    }

    /// The endpoint to set on a client's builder; none means the builder's default.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The credentials to set on a client's builder; none means application default credentials.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        self.endpoint.as_ref().map(|_| anonymous::Builder::new().build())
    }
}

/// Where, and not as whom.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(endpoint) = &self.endpoint else {
            return f.write_str("Google Pub/Sub");
        };
        let (scheme, rest) = endpoint.split_once("://").unwrap_or(("http", endpoint));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, _) = rest.split_at(end);
        let host = authority.rsplit_once('@').map_or(authority, |(_user, host)| host);
        write!(f, "{scheme}://{host}")
    }
}

/// Sets endpoint and credentials on any builder of the official crate: their builders share no trait.
#[macro_export]
macro_rules! connect {
    ($builder:expr, $connection:expr) => {{
        let connection: &$crate::Connection = $connection;
        let mut builder = $builder;
        if let Some(endpoint) = connection.endpoint() {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(credentials) = connection.credentials() {
            builder = builder.with_credentials(credentials);
        }
        builder
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_where_and_not_as_whom() {
        let shown = |address: &str| format!("{:?}", Connection::emulator(address));
        assert_eq!(shown("127.0.0.1:8085"), "http://127.0.0.1:8085");
        assert_eq!(shown("https://user:s3cret@h:1/p?key=s3cret"), "https://h:1");
        assert_eq!(shown("user:s3c@ret@h:1"), "http://h:1");
        assert_eq!(format!("{:?}", Connection::google()), "Google Pub/Sub");
    }

    #[test]
    fn an_address_becomes_a_url() {
        assert_eq!(
            Connection::emulator("127.0.0.1:8085").endpoint(),
            Some("http://127.0.0.1:8085")
        );
        assert_eq!(Connection::emulator("http://x:1").endpoint(), Some("http://x:1"));
        assert!(Connection::google().credentials().is_none());
    }
}
