//! From settings to a connection: straight to a server, by way of Sentinels, or to a cluster.

use std::{path::PathBuf, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ErrorKind, Pipeline, RedisConnectionInfo, RedisError,
    RedisFuture, RedisResult, ServerErrorKind, TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};

use super::address::{Kind, RedisSettings};

/// A store that takes longer is as good as away; events wait for it then.
const ANSWER: Duration = Duration::from_secs(3);
/// All of a connect, whatever it takes: Sentinels, several nodes, TLS, passwords.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// One node of a cluster: another may answer in the time that is left.
const CONNECT_NODE: Duration = Duration::from_secs(1);
const REFUSED: &str = "it refuses the user or the password";
/// For one server where the URL names a cluster, in place of `ERR This instance has cluster support disabled`.
const IS_NO_CLUSTER: &str =
    "it is no Redis Cluster: write redis:// (with TLS rediss://) into IDEMPOTENCY_URL instead";
/// For a server that is part of a cluster, in place of `MOVED 5798 …`.
const IS_CLUSTER: &str =
    "it is a Redis Cluster: write redis-cluster:// (with TLS rediss-cluster://) into IDEMPOTENCY_URL instead";

/// A connection that all events share.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a redis::Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Who we are to a server.
#[derive(Clone, Default, PartialEq, Eq)]
struct Login {
    username: Option<String>,
    password: Option<String>,
}

impl Login {
    fn of(info: &RedisConnectionInfo) -> Self {
        Self {
            username: info.username().map(ToOwned::to_owned),
            password: info.password().map(ToOwned::to_owned),
        }
    }
}

impl RedisSettings {
    /// Connects, and finds out whether what answers is what the URL says it is. `prefix` is what our keys begin with.
    pub(super) async fn connect(&self, prefix: &str) -> Result<Connection, String> {
        let own = self.own().await?;
        let certificates = self.certificates().await?;
        let client = match &self.kind {
            Kind::Cluster => return self.cluster(&own, certificates).await.map(Connection::Cluster),
            Kind::Server => self.server(own, certificates)?,
            Kind::Sentinels { service } => self.ask_sentinels(service, &own, certificates).await?,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|error| words(&error))?;
        match is_of_a_cluster(&mut connection, prefix).await {
            true => Err(IS_CLUSTER.to_owned()),
            false => Ok(Connection::Server(connection)),
        }
    }

    /// Who we are to Redis, and which of its databases is ours.
    async fn own(&self) -> Result<RedisConnectionInfo, String> {
        let [first, ..] = self.nodes.as_slice() else {
            return Err("no server is named".to_owned());
        };
        // The client would tell the server its name, which is one more right to grant.
        let mut own = first.redis_settings().clone().set_skip_set_lib_name();
        if let Some(username) = &self.username {
            own = own.set_username(username);
        }
        if let Some(password) = password(self.password_file.as_ref()).await? {
            own = own.set_password(password);
        }
        Ok(own)
    }

    fn server(
        &self,
        own: RedisConnectionInfo,
        certificates: Option<TlsCertificates>,
    ) -> Result<Client, String> {
        let [first, ..] = self.nodes.as_slice() else {
            return Err("no server is named".to_owned());
        };
        let server = first.clone().set_redis_settings(own);
        let client = match certificates {
            None => Client::open(server),
            Some(certificates) => Client::build_with_tls(server, certificates),
        };
        client.map_err(|error| words(&error))
    }

    async fn cluster(
        &self,
        own: &RedisConnectionInfo,
        certificates: Option<TlsCertificates>,
    ) -> Result<ClusterConnection, String> {
        let nodes = self
            .nodes
            .iter()
            .map(|node| node.clone().set_redis_settings(own.clone()));
        let mut cluster = ClusterClientBuilder::new(nodes)
            .connection_timeout(CONNECT_NODE)
            .response_timeout(ANSWER)
            .overall_response_timeout(Some(ANSWER));
        if let Some(certificates) = certificates {
            cluster = cluster.certs(certificates);
        }
        let client = cluster.build().map_err(|error| words(&error))?;
        client
            .get_async_connection()
            .await
            .map_err(|error| cluster_words(&error))
    }

    /// A client for the server that may be written to, which is the Sentinels' to say.
    ///
    /// Charts protect Sentinels with the password of Redis, with one of their own, or not at all. So without a login of
    /// their own they are asked as who we are to Redis, then with the password alone, and then without any: a Sentinel
    /// that wants none refuses a login.
    async fn ask_sentinels(
        &self,
        service: &str,
        own: &RedisConnectionInfo,
        certificates: Option<TlsCertificates>,
    ) -> Result<Client, String> {
        let mut why = None;
        for login in self.sentinel_logins(own).await? {
            let asked = self.ask_sentinels_as(&login, service, own, certificates.clone());
            match asked.await {
                Ok(client) => return Ok(client),
                // That the next login is refused too says less than what the one before met.
                Err(error) if why.is_some() && refuses_login(&error) => {}
                Err(error) => why = Some(error),
            }
        }
        Err(why.map_or_else(|| "no Sentinel is named".to_owned(), |error| words(&error)))
    }

    async fn sentinel_logins(&self, own: &RedisConnectionInfo) -> Result<Vec<Login>, String> {
        if self.sentinel_username.is_some() || self.sentinel_password_file.is_some() {
            return Ok(vec![Login {
                username: self.sentinel_username.clone(),
                password: password(self.sentinel_password_file.as_ref()).await?,
            }]);
        }
        let own = Login::of(own);
        let alone = Login {
            username: None,
            password: own.password.clone(),
        };
        let mut logins = vec![own, alone, Login::default()];
        logins.dedup();
        Ok(logins)
    }

    async fn ask_sentinels_as(
        &self,
        login: &Login,
        service: &str,
        own: &RedisConnectionInfo,
        certificates: Option<TlsCertificates>,
    ) -> RedisResult<Client> {
        let nodes = self.nodes.iter().map(|node| node.addr().clone());
        let mut sentinels = SentinelClientBuilder::new(nodes, service, SentinelServerType::Master)?
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
        if let Some(username) = &login.username {
            sentinels = sentinels.set_client_to_sentinel_username(username);
        }
        if let Some(password) = &login.password {
            sentinels = sentinels.set_client_to_sentinel_password(password);
        }
        sentinels.build()?.async_get_client().await
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

/// Whether a server shares the keys with others, and would refuse most of ours. Asked with `GET`, a right that we need
/// anyway, for keys that lie all over the slots: what is in braces alone decides about a key's slot
/// (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags>).
async fn is_of_a_cluster(connection: &mut MultiplexedConnection, prefix: &str) -> bool {
    let mut ask = redis::pipe();
    ask.ignore_errors();
    for tag in SPREAD {
        ask.get(format!("{prefix}{{{tag}}}"));
    }
    let answers: RedisResult<Vec<RedisResult<Value>>> = ask.query_async(connection).await;
    // Other errors come again with the first question of an event, which tells about them.
    let answers = answers.into_iter().flatten();
    answers
        .filter_map(Result::err)
        .any(|error| speaks_of_a_cluster(&error))
}

/// Tags in 16 slots, one in each sixteenth of them: a server that has them all is alone.
const SPREAD: [&str; 16] = [
    "10", "3", "61", "43", "11", "2", "60", "42", "12", "1", "63", "41", "13", "0", "62", "40",
];

fn speaks_of_a_cluster(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::CrossSlot
                | ServerErrorKind::TryAgain
        )
    )
}

/// Whether a Sentinel wants another login than it was given: none, or one.
fn refuses_login(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || error.code() == Some("NOAUTH")
}

async fn password(file: Option<&PathBuf>) -> Result<Option<String>, String> {
    match file {
        Some(path) => Ok(Some(read(path).await?.trim_end_matches(['\r', '\n']).to_owned())),
        None => Ok(None),
    }
}

async fn read(path: &PathBuf) -> Result<String, String> {
    tokio::fs::read_to_string(path)
        .await
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// An error of the client's in words that hold no credential.
pub(super) fn words(error: &RedisError) -> String {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return REFUSED.to_owned();
    }
    match error.code() {
        Some(code) => format!("it answered {code}: {}", error.detail().unwrap_or_default()),
        None => error.to_string(),
    }
}

/// The same of a cluster's client, which wraps the answer of a node into an error of its own.
fn cluster_words(error: &RedisError) -> String {
    let text = error.to_string();
    if text.contains("AuthenticationFailed") {
        return REFUSED.to_owned();
    }
    match text.contains("cluster support disabled") {
        true => IS_NO_CLUSTER.to_owned(),
        false => words(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The slot of a key in braces, as the specification of Redis Cluster has it: CRC16 (XMODEM) modulo 16384.
    fn slot(tag: &str) -> u16 {
        let mut crc = 0_u16;
        for byte in tag.bytes() {
            crc ^= u16::from(byte) << 8;
            for _ in 0..8 {
                let shifted = crc << 1;
                crc = if crc & 0x8000 == 0 {
                    shifted
                } else {
                    shifted ^ 0x1021
                };
            }
        }
        crc % 16_384
    }

    #[test]
    fn the_keys_that_are_asked_for_lie_all_over_the_slots() {
        assert_eq!(slot("123456789"), 0x31c3);
        let sixteenths: BTreeSet<u16> = SPREAD.iter().map(|tag| slot(tag) / 1024).collect();
        assert_eq!(sixteenths, (0..16).collect());
    }
}
