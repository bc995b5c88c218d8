//! A Redis of the test's own: a real server on a free port, ended by its pid.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use redis::{Client, FromRedisValue, IntoConnectionInfo, aio::MultiplexedConnection};
use tempfile::TempDir;

use super::until;

pub(crate) struct Redis {
    pub(crate) port: u16,
    pub(crate) dir: TempDir,
    arguments: Vec<String>,
    child: Option<Child>,
}

/// Its output is nobody's: a server that outlives a test must not hold the test's pipes open.
fn command() -> Command {
    let mut command = Command::new("redis-server");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Below the ports that Linux gives to connections and to servers that ask for any (`ip_local_port_range`, 32768 and up): what
/// is down for a while and comes back on its port must not find it taken by a test that runs beside it.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;

/// A port of the test's own, free now and given to no other test of this run.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let at = NEXT.fetch_add(1, Ordering::Relaxed);
        // Two runs at a time begin at different places.
        let start = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap();
        let port = FIRST_PORT + start.wrapping_add(at) % PORTS;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Redis {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with more settings, as on its command line. It writes what it is given to disk before it answers.
    pub(crate) async fn with(settings: &[&str]) -> Self {
        let redis = Self::cold(free_port(), settings);
        redis.started().await
    }

    /// One that is set up and not started yet.
    pub(crate) fn cold(port: u16, settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().display().to_string();
        let fixed = [
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--dir",
            &place,
        ];
        let arguments = fixed.iter().chain(settings).map(ToString::to_string).collect();
        Self {
            port,
            dir,
            arguments,
            child: None,
        }
    }

    pub(crate) async fn started(mut self) -> Self {
        self.spawn();
        self.answers().await;
        self
    }

    /// A Sentinel instead of a server, of the service `main` whose server is there; with more lines in its file.
    pub(crate) async fn sentinel(server: u16, more: &[&str]) -> Self {
        let mut sentinel = Self::cold(free_port(), &[]);
        let config = sentinel.dir.path().join("sentinel.conf");
        let lines = [
            format!("port {}", sentinel.port),
            "bind 127.0.0.1".to_owned(),
            format!("sentinel monitor main 127.0.0.1 {server} 1"),
            "sentinel down-after-milliseconds main 500".to_owned(),
            "sentinel failover-timeout main 2000".to_owned(),
        ];
        let lines: Vec<&str> = lines
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        std::fs::write(&config, lines.join("\n")).unwrap();
        sentinel.child = Some(command().arg(&config).arg("--sentinel").spawn().unwrap());
        sentinel.answers().await;
        sentinel
    }

    pub(crate) fn spawn(&mut self) {
        let port = self.port.to_string();
        // A port of TLS alone is set by the test, and 0 switches the other off; the nodes of a cluster have both.
        let has = |name: &str| self.arguments.iter().any(|argument| argument == name);
        let plain = match has("--tls-port") && !has("--tls-cluster") {
            true => "0",
            false => &port,
        };
        let child = command().args(["--port", plain]).args(&self.arguments).spawn();
        let child =
            child.unwrap_or_else(|error| panic!("redis-server: {error}: apt-get install redis-server"));
        self.child = Some(child);
    }

    async fn answers(&self) {
        until("Redis", || async {
            // Whatever it answers: with a password it asks for that first.
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()
        })
        .await;
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) async fn restart(&mut self) {
        self.spawn();
        self.answers().await;
    }

    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        connect(self.url()).await
    }

    /// One command, as the administrator.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = self.connect().await;
        let (name, arguments) = command.split_first().unwrap();
        let mut command = redis::cmd(name);
        command.arg(arguments);
        command.query_async(&mut connection).await.unwrap()
    }
}

pub(crate) async fn connect(info: impl IntoConnectionInfo + Clone) -> MultiplexedConnection {
    until("a connection to Redis", || async {
        let client = Client::open(info.clone()).unwrap();
        let connection = client.get_multiplexed_async_connection().await;
        // Just started it may say that it is loading.
        let mut connection = connection.ok()?;
        let pong = redis::cmd("PING").query_async::<()>(&mut connection).await;
        pong.ok().map(|()| connection)
    })
    .await
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The rule for a tenant's user that the documentation tells platforms to set, as words; its password is s3cret.
pub(crate) fn documented_rule() -> String {
    let lines = include_str!("../../../src/once/redis.rs").lines();
    let rule = lines
        .skip_while(|line| !line.contains("ACL SETUSER"))
        .take_while(|line| !line.contains("```"))
        .map(|line| line.trim_start_matches("//!").trim());
    rule.collect::<Vec<_>>().join(" ").replace(">password", ">s3cret")
}

/// Long enough for everything that is not asked to expire.
pub(crate) const LONG: Duration = Duration::from_secs(600);
