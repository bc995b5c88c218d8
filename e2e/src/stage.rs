//! Everything an operator needs, in one process: a real API server, the emulator, and the operator itself, with a stand-in
//! for the kubelet. All tests of a process share it, and each brings its own tenants.

use std::{
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use event_operator::{
    metrics::Metrics,
    pubsub::{budget::Budget, google::GooglePubSub, metered::Metered},
    run,
    settings::ConfigFile,
};
use events::Connection;
use k8s_openapi::{
    api::core::v1::Pod, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use pubsub_emulator::Emulator;
use serde_json::json;

use crate::control_plane::{ADMIN, ControlPlane, OPERATOR};

/// How often everything is compared with Pub/Sub: often, so that tests see many resyncs in little time.
pub const RESYNC: Duration = Duration::from_secs(2);

/// The project on the emulator.
pub const PROJECT: &str = "demo-project";

/// What the tests share.
pub struct Stage {
    /// The API server.
    pub plane: &'static ControlPlane,
    /// Pub/Sub.
    pub emulator: Emulator,
}

impl Stage {
    /// The one of this process; set up by whoever comes first.
    ///
    /// # Panics
    /// When it cannot be set up: no test can run then.
    #[allow(clippy::panic, reason = "this is how a test fails")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Stage> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("no stage: {error:#}")))
    }

    fn start() -> anyhow::Result<Self> {
        let plane = ControlPlane::shared();
        let (tell, told) = mpsc::channel();
        // A thread with a runtime of its own: each test's runtime ends with its test.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(async {
                    match set_up(plane).await {
                        Ok((emulator, running)) => {
                            let _ = tell.send(Ok(emulator));
                            Box::pin(running).await;
                        }
                        Err(error) => {
                            let _ = tell.send(Err(error));
                        }
                    }
                }),
                Err(error) => {
                    let _ = tell.send(Err(error.into()));
                }
            }
        });
        let emulator = told.recv().context("the stage's thread ended")??;
        Ok(Self { plane, emulator })
    }

    /// What tests do themselves.
    ///
    /// # Errors
    /// When there is no client.
    pub async fn client(&self) -> anyhow::Result<Client> {
        self.plane.client(ADMIN).await
    }
}

async fn set_up(plane: &'static ControlPlane) -> anyhow::Result<(Emulator, impl Future<Output = ()>)> {
    let admin = plane.client(ADMIN).await?;
    install_crds(&admin).await?;
    let emulator = Emulator::builder().start().await?;
    let mut file = ConfigFile::parse(include_str!("../../config/operator.yaml"))?;
    file.project_id = Some(PROJECT.to_owned());
    file.endpoint = Some(emulator.endpoint());
    file.regions = vec![];
    file.project_number = Some(emulator.project_number(PROJECT));
    let mut settings = file.into_settings("test-cluster")?;
    settings.resync = RESYNC;
    settings.visibility_lag = Duration::ZERO;
    let metrics = Arc::new(Metrics::new()?);
    let google = GooglePubSub::connect(&Connection::emulator(&emulator.endpoint())).await?;
    let pubsub = Arc::new(Metered::new(
        google,
        Budget::per_minute(600_000),
        Arc::clone(&metrics),
    ));
    let client = plane.client(OPERATOR).await?;
    let running = async move {
        let operator = run::serve(settings, client, pubsub, metrics, None, std::future::pending());
        let ((), ended) = tokio::join!(play_kubelet(admin), operator);
        if let Err(error) = ended {
            tracing_to_stderr(&error);
        }
    };
    Ok((emulator, running))
}

#[allow(
    clippy::print_stderr,
    reason = "there is nowhere else to say why all tests will fail"
)]
fn tracing_to_stderr(error: &anyhow::Error) {
    eprintln!("the operator ended: {error:#}");
}

/// Installs both CRDs.
///
/// # Errors
/// What the API server says.
pub async fn install_crds(client: &Client) -> anyhow::Result<()> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for (_, definition) in crds::manifest::all()? {
        let name = definition.name_any();
        api.patch(
            &name,
            &PatchParams::apply("test").force(),
            &Patch::Apply(&definition),
        )
        .await?;
    }
    Ok(())
}

/// There is no node: every worker's pod is said to be ready.
async fn play_kubelet(client: Client) {
    let pods = Api::<Pod>::all(client.clone());
    let workers = ListParams::default().labels("app.kubernetes.io/name=event-worker");
    let ready = json!({"status": {"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]}});
    loop {
        for pod in pods
            .list(&workers)
            .await
            .map(|list| list.items)
            .unwrap_or_default()
        {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            if phase != Some("Running") {
                let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
                let _ = api
                    .patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(&ready))
                    .await;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
