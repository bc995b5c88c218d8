//! What a fleet stands on: an API server and a Pub/Sub of its own, and operators that are started and stopped there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::{
    control_plane::{ADMIN, ControlPlane, OPERATOR},
    process::Operator,
    stage::{PROJECT, configuration, install_crds, play_kubelet, settings},
};
use kube::Client;
use pubsub_emulator::{Emulator, Fault};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    fleet::Fleet,
    ledger::{Ledger, Mark},
    patience::{so_far, until},
};

/// What an administrative call takes beside its work, as from one region to another.
const DELAY_MS: u64 = 20;

/// How often everything is compared with Pub/Sub; the default.
pub(crate) const RESYNC: &str = "10m";

/// The same where resyncs are waited for. Listing 9,000 subscriptions takes about a second, so that it is far from one
/// resync running into the next.
pub(crate) const SHORT_RESYNC: &str = "30s";

/// How long an operator may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(60);

/// All of it. Dropping it ends it.
pub(crate) struct Scene {
    /// The API server.
    pub(crate) plane: Arc<ControlPlane>,
    /// Pub/Sub, with its quota on.
    pub(crate) emulator: Emulator,
    /// What users do.
    pub(crate) client: Client,
    /// What users see.
    pub(crate) fleet: Fleet,
    _tasks: JoinSet<()>,
}

impl Scene {
    /// Starts everything but the operator.
    pub(crate) async fn set() -> anyhow::Result<Self> {
        let plane = Arc::new(tokio::task::spawn_blocking(ControlPlane::start).await??);
        let client = plane.client(ADMIN).await?;
        install_crds(&client).await?;
        let emulator = Emulator::builder().start().await?;
        anyhow::ensure!(
            emulator.settings().admin_quota_per_minute.is_some(),
            "the emulator has a quota by default"
        );
        for service in ["Publisher.*", "Subscriber.*", "IAMPolicy.*"] {
            emulator.add_fault(Fault {
                method: service.to_owned(),
                delay_ms: DELAY_MS,
                ..Fault::default()
            });
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(play_kubelet(client.clone()));
        let fleet = Fleet::watch(&client, &mut tasks);
        Ok(Self {
            plane,
            emulator,
            client,
            fleet,
            _tasks: tasks,
        })
    }

    /// Starts the operator, which has to win its lease as in a cluster.
    pub(crate) fn operator(&self, resync: &str) -> anyhow::Result<Operator> {
        let keys = json!({ "resync": resync });
        Operator::start_with(&self.plane, OPERATOR, &self.emulator, "event-operator", keys)
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(&self, mut operator: Operator) -> anyhow::Result<()> {
        operator.signal("TERM")?;
        until(
            "the operator has stopped",
            Instant::now(),
            STOP_PATIENCE,
            async || {
                let status = operator.ended()?;
                anyhow::ensure!(
                    status.is_none_or(|status| status.success()),
                    "the operator ended with {status:?}"
                );
                so_far(status.is_some(), || "it still runs".to_owned())
            },
        )
        .await?;
        Ok(())
    }

    pub(crate) fn mark(&self) -> anyhow::Result<Mark> {
        Mark::now(&self.emulator, &self.plane)
    }

    pub(crate) fn since(&self, mark: Mark) -> anyhow::Result<Ledger> {
        Ledger::since(mark, &self.emulator, &self.plane)
    }

    /// Administrative calls a minute that the operator allows itself.
    pub(crate) fn budget() -> anyhow::Result<u32> {
        let config = configuration([json!({"projectId": PROJECT, "regions": Value::Array(vec![])})])?;
        Ok(settings(&config)?.admin_calls_per_minute)
    }
}

/// What went wrong, with the operator's last words.
pub(crate) fn explain<T>(result: anyhow::Result<T>, operator: &Operator) -> anyhow::Result<T> {
    result.map_err(|error| {
        let log = operator.log();
        let mut last: Vec<_> = log.lines().rev().take(10).collect();
        last.reverse();
        error.context(format!("the operator's last words:\n{}", last.join("\n")))
    })
}
