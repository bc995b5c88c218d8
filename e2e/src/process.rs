//! The operator's real binary, as a process that can be stopped, paused and killed.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::Context as _;
use pubsub_emulator::Emulator;
use serde_json::{Value, json};

use crate::{
    control_plane::{ControlPlane, free_ports},
    stage::{PROJECT, configuration},
    usage::Usage,
};

/// A running operator. Dropping it kills it.
pub struct Operator {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    scaler_port: u16,
}

impl Operator {
    /// Starts the binary that cargo built beside this test, as this user of the API server, to compete for this Lease in the
    /// namespace `default`.
    ///
    /// # Errors
    /// When there is no binary, or it cannot be started.
    pub fn start(plane: &ControlPlane, user: &str, emulator: &Emulator, lease: &str) -> anyhow::Result<Self> {
        let keys = json!({"visibilityLag": "0s", "resync": "10s", "labels": {"team": "platform"}});
        Self::start_with(plane, user, emulator, lease, keys)
    }

    /// The same, with these keys in the place of the defaults of its configuration.
    ///
    /// # Errors
    /// When there is no binary, or it cannot be started.
    pub fn start_with(
        plane: &ControlPlane,
        user: &str,
        emulator: &Emulator,
        lease: &str,
        keys: Value,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let own = json!({
            "projectId": PROJECT, "endpoint": emulator.address().to_string(), "regions": [], "clusterId": "test-cluster",
        });
        let config = configuration([own, keys])?;
        let file = folder.path().join("operator.yaml");
        std::fs::write(&file, serde_yaml::to_string(&config)?)?;
        // Free a moment ago; the test that gets it taken away fails, it does not lie.
        let [port, scaler_port] = free_ports()?;
        let child = Command::new(binary("event-operator")?)
            .arg("--config")
            .arg(&file)
            .args(["--lease", lease, "--namespace", "default"])
            .args(["--http-addr", &format!("127.0.0.1:{port}")])
            .args(["--scaler-listen", &format!("127.0.0.1:{scaler_port}")])
            .args(["--scaler-address", &format!("127.0.0.1:{scaler_port}")])
            .env("KUBECONFIG", plane.kubeconfig_path(user))
            .env("POD_NAME", user)
            .env_remove("PUBSUB_EMULATOR_HOST")
            .stdin(Stdio::null())
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()
            .context("cannot start the operator")?;
        Ok(Self {
            child,
            folder,
            port,
            scaler_port,
        })
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`, `KILL`.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status()?;
        anyhow::ensure!(sent.success(), "process {pid} could not be sent SIG{name}");
        Ok(())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When that cannot be asked.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// What it costs.
    ///
    /// # Errors
    /// When it is gone.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.child.id())
    }

    /// Where it answers metrics and probes.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Where it answers KEDA.
    #[must_use]
    pub fn scaler_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.scaler_port)
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A binary that cargo built in the profile of this test or example: they run from `deps` and `examples`, beside which cargo
/// puts the workspace's binaries.
///
/// # Errors
/// When it is not there.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own
        .parent()
        .and_then(|deps| deps.parent())
        .context("a test has a folder")?;
    let binary = folder.join(name);
    anyhow::ensure!(
        binary.is_file(),
        "{} does not exist; run: cargo build --workspace --bins",
        binary.display()
    );
    Ok(binary)
}
