//! The parts: an emulator, and a worker for each tenant.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use events::{Catalogue, TenantId};
use pubsub_emulator::Emulator;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::{Dev, child::Child};
use crate::{
    audit,
    feed::Feed,
    output,
    plane::{ATTEMPTS, LONGEST_BACKOFF_SECONDS, worker_subscription},
};

/// The emulator in this process, or one of its own.
pub(super) struct Emulation {
    pub(super) address: String,
    inside: Option<Emulator>,
    pub(super) child: Option<Child>,
}

#[derive(Deserialize)]
struct Listening {
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    address: SocketAddr,
}

impl Emulation {
    pub(super) async fn start(port: u16, binaries: Option<&Path>, logs: &Path) -> anyhow::Result<Self> {
        let Some(folder) = binaries else {
            let started = Emulator::builder().port(port).start().await;
            let emulator = started.with_context(|| format!("--emulator-port: cannot listen on {port}"))?;
            return Ok(Self {
                address: emulator.address().to_string(),
                inside: Some(emulator),
                child: None,
            });
        };
        let mut command = Command::new(folder.join("pubsub-emulator"));
        command.args(["--port", &port.to_string(), "--log-format", "json"]);
        command.env_remove("RUST_LOG");
        let log = logs.join("emulator.log");
        let mut child = Child::start("emulator".to_owned(), command, &log, "Listening.", |_| {})?;
        let line = child.ready().await?;
        let listening: Listening =
            serde_json::from_str(&line).context("the emulator's log is not as it should be")?;
        Ok(Self {
            address: listening.fields.address.to_string(),
            inside: None,
            child: Some(child),
        })
    }

    pub(super) async fn stop(self) {
        if let Some(emulator) = self.inside {
            emulator.shutdown().await;
        }
        if let Some(mut child) = self.child {
            child.terminate();
            child.reaped().await;
        }
    }
}

/// A tenant's worker.
pub(super) struct Worker {
    pub(super) tenant: TenantId,
    pub(super) child: Child,
    /// The file with its subscriptions, which it reads again when it changes.
    pub(super) list: PathBuf,
}

impl Worker {
    pub(super) fn start(
        dev: &Dev,
        tenant: &TenantId,
        catalogue: &Catalogue,
        emulator: &str,
        logs: &Path,
        feed: &Feed,
    ) -> anyhow::Result<Self> {
        let list = logs.join(format!("subscriptions-{tenant}.json"));
        write_list(&list, tenant, catalogue)?;
        let (program, argument) = dev.worker_command()?;
        let mut command = Command::new(program);
        command
            .args(argument)
            // Settings of the person's own shell are not meant for it.
            .env_clear()
            .env("TENANT_ID", tenant.as_str())
            .env("GCP_PROJECT_ID", dev.serving.project.as_str())
            .env("PUBSUB_EMULATOR_HOST", emulator)
            .env("SUBSCRIPTIONS_FILE", &list)
            .env(
                "HTTP_ADDR",
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string(),
            );
        if let Some(url) = &dev.handler_url {
            command.env("HANDLER", "http").env("HANDLER_URL", url);
        }
        let feed = feed.clone();
        let log = logs.join(format!("worker-{tenant}.log"));
        let child = Child::start(
            format!("worker of {tenant}"),
            command,
            &log,
            "Worker starts.",
            move |line| match audit::seen(line) {
                Some(seen) => feed.add(seen),
                // What is no JSON is from before its log began: a wrong setting.
                None if !line.starts_with('{') => output::complain(&anyhow::anyhow!("{line}")),
                None => {}
            },
        )?;
        Ok(Self {
            tenant: tenant.clone(),
            child,
            list,
        })
    }
}

/// Writes a worker's list of subscriptions, at once as a whole.
pub(super) fn write_list(path: &Path, tenant: &TenantId, catalogue: &Catalogue) -> anyhow::Result<()> {
    let mut subscriptions = Vec::new();
    for (_, topic) in catalogue.topics() {
        subscriptions.push(json!({
            "name": worker_subscription(topic, tenant)?.to_string(), "tenant": tenant.as_str(), "ordered": true,
            "maxDeliveryAttempts": ATTEMPTS, "maximumBackoffSeconds": LONGEST_BACKOFF_SECONDS,
        }));
    }
    let text = json!({"subscriptions": subscriptions}).to_string();
    let written = path.with_extension("new");
    let cannot = || format!("cannot write {}", path.display());
    std::fs::write(&written, text).with_context(cannot)?;
    std::fs::rename(&written, path).with_context(cannot)
}
