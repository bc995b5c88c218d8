//! Everything an operator needs, in one process: a real API server, the emulator, and the operator itself, with a stand-in
//! for the kubelet. All tests of a process share it, and each brings its own tenants.

use std::{
    fmt::Debug,
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use crds::{EventSubscription, Tenant};
use event_operator::{
    leader::Permit,
    metrics::Metrics,
    monitoring::{FRESH, Monitoring, backlog::Backlogs, google::GoogleMonitoring},
    pubsub::{PubSub, budget::Budget, google::GooglePubSub, metered::Metered},
    run::{self, Ports},
    settings::{ConfigFile, Settings},
};
use futures::{StreamExt as _, future};
use k8s_openapi::{
    api::core::v1::Pod, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
    runtime::{WatchStreamExt as _, watcher},
};
use pubsub_emulator::Emulator;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    control_plane::{ADMIN, ControlPlane, OPERATOR},
    eventually::eventually,
    tenants::PATIENCE,
};

/// How often everything is compared with Pub/Sub: often, so that tests see many resyncs in little time.
pub const RESYNC: Duration = Duration::from_secs(2);

/// The project on the emulator.
pub const PROJECT: &str = "demo-project";

/// What the tests share.
pub struct Stage {
    /// The API server.
    pub plane: Arc<ControlPlane>,
    /// Pub/Sub.
    pub emulator: Emulator,
    /// Dropping it ends the operator.
    _runs: oneshot::Sender<()>,
}

impl Stage {
    /// The one of this process; set up by whoever comes first.
    ///
    /// # Panics
    /// When it cannot be set up: no test can run then.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Stage> = OnceLock::new();
        SHARED.get_or_init(Self::alone)
    }

    /// One that no other test sees, for a test that makes everybody's calls fail.
    ///
    /// # Panics
    /// When it cannot be set up.
    #[allow(clippy::panic, reason = "this is how a test fails")]
    #[must_use]
    pub fn alone() -> Self {
        Self::start().unwrap_or_else(|error| panic!("no stage: {error:#}"))
    }

    fn start() -> anyhow::Result<Self> {
        let plane = Arc::new(ControlPlane::start()?);
        let (tell, told) = mpsc::channel();
        let (runs, ends) = oneshot::channel::<()>();
        let own = Arc::clone(&plane);
        // A thread with a runtime of its own: each test's runtime ends with its test.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(async {
                    match set_up(&own).await {
                        Ok((emulator, running)) => {
                            let _ = tell.send(Ok(emulator));
                            tokio::select! {
                                () = running => {}
                                _ = ends => {}
                            }
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
        Ok(Self {
            plane,
            emulator,
            _runs: runs,
        })
    }

    /// What tests do themselves.
    ///
    /// # Errors
    /// When there is no client.
    pub async fn client(&self) -> anyhow::Result<Client> {
        self.plane.client(ADMIN).await
    }
}

async fn set_up(plane: &ControlPlane) -> anyhow::Result<(Emulator, impl Future<Output = ()> + use<>)> {
    let admin = plane.client(ADMIN).await?;
    install_crds(&admin).await?;
    let emulator = Emulator::builder().start().await?;
    let settings = settings_on(&emulator, json!({}), |settings| {
        // The emulator measures when it is asked, with the clock that everything here has.
        settings.drain.margin = Duration::from_secs(1);
    })?;
    let operator = serve(plane.client(OPERATOR).await?, settings).await?;
    let running = async move {
        tokio::join!(play_kubelet(admin), operator);
    };
    Ok((emulator, running))
}

/// An operator in this process, until it is aborted; its settings are those of [`settings_on`].
///
/// # Errors
/// When it cannot be set up.
pub async fn operate(
    plane: &ControlPlane,
    emulator: &Emulator,
    keys: Value,
    change: impl FnOnce(&mut Settings),
) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    operate_with(
        plane.client(OPERATOR).await?,
        settings_on(emulator, keys, change)?,
    )
    .await
}

/// The same over this way to the API server, with any settings, on the Pub/Sub that they name.
///
/// # Errors
/// When it cannot be set up.
pub async fn operate_with(client: Client, settings: Settings) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    Ok(tokio::spawn(serve(client, settings).await?))
}

async fn serve(client: Client, settings: Settings) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let (ports, metrics) = ports(client, &settings, |google| google).await?;
    Ok(async move {
        let operator = run::serve(settings, ports, metrics, |_| (), std::future::pending());
        let ended = Box::pin(operator).await;
        if let Err(error) = ended {
            tracing_to_stderr(&error);
        }
    })
}

/// The default configuration, with these keys in the place of its own; of two that are the same the later one counts.
///
/// # Errors
/// When the default configuration is no YAML.
pub fn configuration(keys: impl IntoIterator<Item = Value>) -> anyhow::Result<Value> {
    let mut config: Value = serde_yaml::from_str(include_str!("../../config/operator.yaml"))?;
    for more in keys {
        if let (Some(config), Value::Object(more)) = (config.as_object_mut(), more) {
            config.extend(more);
        }
    }
    Ok(config)
}

/// What comes of a configuration.
///
/// # Errors
/// What is wrong with it.
pub fn settings(config: &Value) -> anyhow::Result<Settings> {
    Ok(ConfigFile::parse(&serde_yaml::to_string(config)?)?.into_settings("test-cluster")?)
}

/// The settings of an operator on this emulator: with these keys in the place of the defaults of its configuration, and
/// changed to what no configuration may have.
///
/// # Errors
/// What is wrong with the keys.
pub fn settings_on(
    emulator: &Emulator,
    keys: Value,
    change: impl FnOnce(&mut Settings),
) -> anyhow::Result<Settings> {
    let own = json!({
        "projectId": PROJECT, "endpoint": emulator.endpoint(), "regions": [],
        "projectNumber": emulator.project_number(PROJECT), "visibilityLag": "0s",
    });
    let mut settings = settings(&configuration([own, keys])?)?;
    settings.resync = RESYNC;
    settings.admin_calls_per_minute = 600_000;
    change(&mut settings);
    Ok(settings)
}

/// The ways to the world outside; `over` stands between the operator and Pub/Sub.
pub(crate) async fn ports<P: PubSub + 'static>(
    client: Client,
    settings: &Settings,
    over: impl FnOnce(GooglePubSub) -> P,
) -> anyhow::Result<(Ports, Arc<Metrics>)> {
    let connection = &settings.connection;
    // The emulator measures when it is asked, and tests look at it often; Google's own is asked once a minute at most.
    let measured = (settings.resync / 4).min(FRESH);
    let metrics = Arc::new(Metrics::new()?);
    let pubsub = over(GooglePubSub::connect(connection).await?);
    let budget = Arc::new(Budget::per_minute(settings.admin_calls_per_minute));
    let pubsub = Metered::new(pubsub, budget, Arc::clone(&metrics), Permit::always());
    let monitoring: Arc<dyn Monitoring> = Arc::new(GoogleMonitoring::connect(connection).await?);
    let ports = Ports {
        client,
        pubsub: Arc::new(pubsub),
        backlogs: Arc::new(Backlogs::measuring(Arc::clone(&monitoring), measured)),
        monitoring,
    };
    Ok((ports, metrics))
}

#[allow(
    clippy::print_stderr,
    reason = "there is nowhere else to say why all tests will fail"
)]
fn tracing_to_stderr(error: &anyhow::Error) {
    eprintln!("the operator ended: {error:#}");
}

/// Installs both CRDs, and waits until their kinds are served.
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
    served(&Api::<Tenant>::all(client.clone())).await;
    served(&Api::<EventSubscription>::all(client.clone())).await;
    Ok(())
}

/// A definition that was taken is not served yet: for a moment the API server knows no such kind.
async fn served<K: Resource + Clone + DeserializeOwned + Debug>(api: &Api<K>) {
    let one = ListParams::default().limit(1);
    eventually("the kind is served", PATIENCE, async || {
        match api.list_metadata(&one).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Err(status),
            _ => Ok(()),
        }
    })
    .await;
}

/// A part of the name of images whose pods never become ready.
pub const NEVER_READY: &str = "never-ready";

/// How many pods are said to be ready at a time.
const KUBELET_CONCURRENCY: usize = 8;

/// How soon the API server is told again what it did not take.
const KUBELET_RETRY: Duration = Duration::from_millis(200);

/// There is no node: every worker's pod is said to be ready, but for those of [`NEVER_READY`] images.
pub async fn play_kubelet(client: Client) {
    let workers = watcher::Config::default().labels("app.kubernetes.io/name=event-worker");
    watcher(Api::<Pod>::all(client.clone()), workers)
        .default_backoff()
        .applied_objects()
        .filter_map(|pod| future::ready(pod.ok()))
        .for_each_concurrent(KUBELET_CONCURRENCY, |pod| say_ready(&client, pod))
        .await;
}

fn say_ready(client: &Client, pod: Pod) -> impl Future<Output = ()> + use<> {
    let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let ready = json!({"status": {"phase": "Running", "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]}});
    async move {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let image = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.containers.first()?.image.as_deref());
        let never = image.is_some_and(|image| image.contains(NEVER_READY));
        if phase == Some("Running") || never {
            return;
        }
        let (name, merge) = (pod.name_any(), Patch::Merge(&ready));
        // Nothing brings the pod here again, so that it is tried until it is said or the pod is gone.
        loop {
            match api.patch_status(&name, &PatchParams::default(), &merge).await {
                Err(kube::Error::Api(refused)) if refused.is_not_found() => return,
                Err(_) => tokio::time::sleep(KUBELET_RETRY).await,
                Ok(_) => return,
            }
        }
    }
}
