//! A real control plane for integration tests: etcd, API server and controller manager on loopback, as the user who
//! runs the test, in about four seconds. There is no node, so no pod runs.
//!
//! Binaries come from `KUBEBUILDER_ASSETS`, or from `e2e/cluster/cluster build`.

use std::{
    env, fs,
    io::Write as _,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{
    audit::{self, Entry},
    sabotage::Saboteur,
    usage,
};

/// How long the API server may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// What ServiceAccounts' tokens say they are from.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// May do everything; what tests themselves do.
pub const ADMIN: &str = "admin";
/// May do everything; what the operator under test does, so that the audit log tells the two apart.
pub const OPERATOR: &str = "event-operator";
/// Another replica of it.
pub const SECOND_OPERATOR: &str = "event-operator-2";

/// Has no rights but those that a test gives it.
pub const LIMITED: &str = "limited-operator";

/// Starts the servers, stops and starts the API server as its standard input says, and ends them all when its standard input
/// ends, which happens however the test's process ends.
/// The audit log stays one file, since it is read as one. The controllers' own limit of 20 requests a second would be what a
/// large fleet waits for.
const SUPERVISOR: &str = r#"
exec 3<&0 </dev/null
cd "$1"
serve() {
    $APISERVER --etcd-servers="$ETCD_URL" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$PORT" \
        --cert-dir=certs --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=RBAC --allow-privileged=true \
        --token-auth-file=tokens.csv --service-account-issuer="$ISSUER" \
        --service-account-key-file=sa.key --service-account-signing-key-file=sa.key --endpoint-reconciler-type=none \
        --audit-policy-file=audit-policy.yaml --audit-log-path=audit.log --audit-log-mode=blocking \
        --audit-log-maxsize=100000 >>apiserver.log 2>&1 &
    server=$!
}
$ETCD --data-dir=etcd --unsafe-no-fsync --listen-client-urls="$ETCD_URL" --advertise-client-urls="$ETCD_URL" \
    --listen-peer-urls="$PEER_URL" --initial-advertise-peer-urls="$PEER_URL" --initial-cluster="default=$PEER_URL" \
    --log-level=warn >etcd.log 2>&1 &
pids=$!
serve
until [ -s certs/apiserver.crt ] || ! kill -0 $server 2>/dev/null; do sleep 0.1; done
$CONTROLLERS --kubeconfig=kubeconfig-controllers --use-service-account-credentials --leader-elect=false \
    --service-account-private-key-file=sa.key --bind-address=127.0.0.1 --secure-port=0 \
    --kube-api-qps=1000 --kube-api-burst=1000 >controllers.log 2>&1 &
pids="$pids $!"
while read -r wish <&3; do
    case $wish in
    stop) kill -9 $server; wait $server 2>/dev/null ;;
    start) serve ;;
    esac
done
kill -9 $pids $server 2>/dev/null
wait
cd /
rm -rf "$1"
"#;

const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// A running control plane.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    port: u16,
    supervisor: Child,
}

impl ControlPlane {
    /// One for all tests of this process that have no operator; started by whoever comes first.
    ///
    /// # Panics
    /// When it cannot be started: no test can run then.
    #[allow(clippy::panic, reason = "this is how a test fails")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(Self::alone)
    }

    /// One that no other test sees, for operators of its own. Dropping it ends it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[allow(clippy::panic, reason = "this is how a test fails")]
    #[must_use]
    pub fn alone() -> Self {
        Self::start().unwrap_or_else(|error| panic!("no control plane: {error:#}"))
    }

    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// Says what is missing or what the API server said last.
    pub fn start() -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let folder = tempfile::Builder::new()
            .prefix("control-plane-")
            .tempdir()?
            .keep();
        let [etcd, peer, port] = free_ports()?;
        let made = Command::new("openssl")
            .args(["genrsa", "-out", "sa.key", "2048"])
            .current_dir(&folder)
            .stderr(Stdio::null())
            .status()
            .context("cannot run openssl; install it")?;
        anyhow::ensure!(made.success(), "openssl made no key");
        fs::write(folder.join("audit-policy.yaml"), AUDIT_POLICY)?;
        let tokens = format!(
            "{ADMIN},{ADMIN},{ADMIN},system:masters\n{OPERATOR},{OPERATOR},{OPERATOR},system:masters\n{SECOND_OPERATOR},{SECOND_OPERATOR},{SECOND_OPERATOR},system:masters\n{LIMITED},{LIMITED},{LIMITED}\ncontrollers,system:kube-controller-manager,controllers,\n"
        );
        fs::write(folder.join("tokens.csv"), tokens)?;
        for user in [ADMIN, OPERATOR, SECOND_OPERATOR, LIMITED, "controllers"] {
            fs::write(
                folder.join(format!("kubeconfig-{user}")),
                kubeconfig(&folder, port, user),
            )?;
        }
        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "control-plane"])
            .arg(&folder)
            .env("ETCD", &binaries.etcd)
            .env("APISERVER", &binaries.apiserver)
            .env("CONTROLLERS", &binaries.controllers)
            .env("ETCD_URL", format!("http://127.0.0.1:{etcd}"))
            .env("PEER_URL", format!("http://127.0.0.1:{peer}"))
            .env("PORT", port.to_string())
            .env("ISSUER", ISSUER)
            .stdin(Stdio::piped())
            .spawn()?;
        let control_plane = Self {
            folder,
            port,
            supervisor,
        };
        control_plane.wait_until_ready(&binaries)?;
        Ok(control_plane)
    }

    /// Kills the API server, and waits until nothing answers in its place. What it stored stays.
    ///
    /// # Errors
    /// When it still answers after a while.
    pub fn stop_api_server(&self) -> anyhow::Result<()> {
        self.wish("stop")?;
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            anyhow::ensure!(
                start.elapsed() < PATIENCE,
                "the API server was killed and still answers"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Starts it again where it was, with what it stored, and waits until it is ready.
    ///
    /// # Errors
    /// Says what it said last.
    pub fn start_api_server(&self) -> anyhow::Result<()> {
        self.wish("start")?;
        self.wait_until_ready(&Binaries::find()?)
    }

    fn wish(&self, what: &str) -> anyhow::Result<()> {
        let mut supervisor = self.supervisor.stdin.as_ref().context("the supervisor listens")?;
        writeln!(supervisor, "{what}").context("the supervisor is gone")
    }

    fn wait_until_ready(&self, binaries: &Binaries) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let answer = Command::new("sh")
                .arg("-c")
                .arg(format!("{} get --raw /readyz", binaries.kubectl))
                .env("KUBECONFIG", self.kubeconfig_path(ADMIN))
                .output()?;
            if answer.status.success() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                let said = String::from_utf8_lossy(&answer.stderr).into_owned();
                let log = fs::read_to_string(self.folder.join("apiserver.log")).unwrap_or_default();
                let tail: Vec<_> = log.lines().rev().take(20).collect();
                bail!(
                    "the API server is not ready after {PATIENCE:?}: {said}\n{}",
                    tail.join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A kubeconfig for one of the users.
    #[must_use]
    pub fn kubeconfig_path(&self, user: &str) -> PathBuf {
        self.folder.join(format!("kubeconfig-{user}"))
    }

    /// A client for one of the users. It belongs to the runtime it is made in.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client(&self, user: &str) -> anyhow::Result<Client> {
        Ok(Client::try_from(self.config(user).await?)?)
    }

    /// The same, on which writes go wrong.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client_through(&self, user: &str, saboteur: &Saboteur) -> anyhow::Result<Client> {
        let builder = ClientBuilder::try_from(self.config(user).await?)?;
        Ok(builder.with_layer(saboteur).build())
    }

    pub(crate) async fn config(&self, user: &str) -> anyhow::Result<Config> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig_path(user))?;
        Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
    }

    /// Where the API server answers.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn url(&self) -> anyhow::Result<String> {
        let url = self.config(ADMIN).await?.cluster_url.to_string();
        Ok(url.trim_end_matches('/').to_owned())
    }

    /// The certificate that the API server is known by.
    #[must_use]
    pub fn authority_path(&self) -> PathBuf {
        self.folder.join("certs/apiserver.crt")
    }

    /// Everything that was asked of the API server so far.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audit(&self) -> anyhow::Result<Vec<Entry>> {
        Ok(self.audit_since(0)?.0)
    }

    /// What was asked of it since a position in its log, and the position now.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audit_since(&self, position: u64) -> anyhow::Result<(Vec<Entry>, u64)> {
        audit::read(&self.folder.join("audit.log"), position)
    }

    /// Processor time of its servers so far.
    ///
    /// # Errors
    /// When they are gone.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        usage::cpu_of_children(self.supervisor.id())
    }

    /// The position in its log now.
    ///
    /// # Errors
    /// When there is none.
    pub fn audit_position(&self) -> anyhow::Result<u64> {
        Ok(fs::metadata(self.folder.join("audit.log"))?.len())
    }

    /// What this user asked to change so far, but for Leases and events.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn writes(&self, user: &str) -> anyhow::Result<Vec<String>> {
        let entries = self.audit()?.into_iter();
        let writes = entries
            .filter(|entry| entry.user.username == user && entry.is_write())
            .filter(|entry| {
                let path = &entry.request_uri;
                !path.contains("/coordination.k8s.io/") && !path.contains("/events.k8s.io/")
            })
            .map(|entry| format!("{} {}", entry.verb, entry.request_uri));
        Ok(writes.collect())
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// Commands for the servers, each a word or two for the shell.
struct Binaries {
    etcd: String,
    apiserver: String,
    controllers: String,
    kubectl: String,
}

impl Binaries {
    fn find() -> anyhow::Result<Self> {
        if let Some(assets) = env::var_os("KUBEBUILDER_ASSETS") {
            let folder = PathBuf::from(assets);
            let binary = |name: &str| -> anyhow::Result<String> {
                let path = folder.join(name);
                anyhow::ensure!(
                    path.exists(),
                    "KUBEBUILDER_ASSETS is set, but {} does not exist",
                    path.display()
                );
                Ok(path.display().to_string())
            };
            return Ok(Self {
                etcd: binary("etcd")?,
                apiserver: binary("kube-apiserver")?,
                controllers: binary("kube-controller-manager")?,
                kubectl: binary("kubectl")?,
            });
        }
        let kube = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/cluster/bin/kube");
        let kube = kube.canonicalize().with_context(|| {
            format!(
                "{} does not exist; run: e2e/cluster/cluster build --control-plane-only",
                kube.display()
            )
        })?;
        let kube = kube.display();
        Ok(Self {
            etcd: format!("{kube} etcd"),
            apiserver: format!("{kube} kube-apiserver"),
            controllers: format!("{kube} kube-controller-manager"),
            kubectl: format!("{kube} kubectl"),
        })
    }
}

pub(crate) fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    // All are held until all are known, so that they differ.
    let listeners = (0..N)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<Vec<_>, _>>()?;
    let ports = listeners
        .iter()
        .map(|one| Ok(one.local_addr()?.port()))
        .collect::<std::io::Result<Vec<_>>>()?;
    ports.try_into().ok().context("as many ports as listeners")
}

fn kubeconfig(folder: &Path, port: u16, user: &str) -> String {
    let authority = folder.join("certs/apiserver.crt");
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: test
  cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: '{}'}}
users:
- name: {user}
  user: {{token: {user}}}
contexts:
- name: test
  context: {{cluster: test, user: {user}}}
current-context: test
",
        authority.display()
    )
}
