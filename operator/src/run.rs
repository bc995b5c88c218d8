//! From arguments to running controllers.

use std::{fs, future::Future, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::FutureExt as _;
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt as _,
    runtime::{
        conditions,
        events::{Recorder, Reporter},
        wait::await_condition,
    },
};

use crate::{
    args::Args,
    context::{Context, Retries, Turns},
    controller::{self, Caches},
    http,
    kubernetes::Children,
    metrics::Metrics,
    pubsub::{PubSub, budget::Budget, google::GooglePubSub, inventory::Inventory, metered::Metered},
    settings::{ConfigFile, Settings, SettingsError},
};

/// How long the CRDs may take to appear before the operator gives up and lets Kubernetes start it again.
const CRD_PATIENCE: Duration = Duration::from_secs(300);

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong; exit code 2.
    #[error("configuration {file}: {source}")]
    Config {
        /// The file.
        file: String,
        /// Names the key.
        source: SettingsError,
    },
    /// Anything else; exit code 1.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Reads the configuration, connects, and runs until `stop`.
///
/// # Errors
/// [`RunError`] says what could not be had.
pub async fn run(args: &Args, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), RunError> {
    let file = read(args)?;
    let client = Client::try_default()
        .await
        .context("cannot find a Kubernetes cluster: neither KUBECONFIG nor a service account")?;
    let uid = cluster_uid(&client).await?;
    let settings = file
        .into_settings(&uid)
        .map_err(|source| config_error(args, source))?;
    tracing::info!(project = %settings.project, pubsub = ?settings.connection, cluster = settings.cluster_id, "The operator starts.");
    let google = GooglePubSub::connect(&settings.connection)
        .await
        .context("cannot connect to Pub/Sub")?;
    let metrics = Arc::new(Metrics::new().context("cannot make the metrics")?);
    let budget = Budget::per_minute(settings.admin_calls_per_minute);
    let pubsub = Arc::new(Metered::new(google, budget, Arc::clone(&metrics)));
    serve(settings, client, pubsub, metrics, Some(args.http_addr), stop)
        .await
        .map_err(RunError::from)
}

/// Runs the controllers over these ports until `stop`.
///
/// # Errors
/// When the CRDs do not appear, or the address for metrics cannot be listened on.
pub async fn serve(
    settings: Settings,
    client: Client,
    pubsub: Arc<dyn PubSub>,
    metrics: Arc<Metrics>,
    http_addr: Option<std::net::SocketAddr>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    wait_for_crds(&client).await?;
    let inventory = Inventory::new(Arc::clone(&pubsub), &settings);
    if let Some(number) = settings.project_number {
        inventory.note_project_number(&settings.project, number);
    }
    let caches = Caches::default();
    let (children, changes) = Children::watch(&client);
    let reporter = Reporter {
        controller: "event-operator".into(),
        instance: std::env::var("POD_NAME").ok(),
    };
    let ctx = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        tenants: caches.tenants.clone(),
        subscriptions: caches.subscriptions.clone(),
        retries: Retries::default(),
        turns: Turns::default(),
        client,
        pubsub,
        inventory,
        settings,
        metrics,
        children,
    });
    let stop = stop.boxed().shared();
    let answers = async {
        match http_addr {
            // Whoever looks before the caches are filled would see nothing where there is something.
            Some(address) => {
                ready(&ctx).await?;
                tracing::info!(%address, "The caches are filled; metrics and probes are answered.");
                http::serve(address, Arc::clone(&ctx))
                    .await
                    .with_context(|| format!("cannot listen on {address}"))
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = controller::run(Arc::clone(&ctx), caches, changes, stop) => Ok(()),
        ended = answers => ended,
    }
}

async fn ready(ctx: &Context) -> anyhow::Result<()> {
    let dropped = "a watch of the API server ended";
    ctx.tenants.wait_until_ready().await.context(dropped)?;
    ctx.subscriptions.wait_until_ready().await.context(dropped)?;
    ctx.children.wait_until_ready().await.context(dropped)
}

fn read(args: &Args) -> Result<ConfigFile, RunError> {
    let path = args.config.display();
    let text =
        fs::read_to_string(&args.config).with_context(|| format!("cannot read the configuration {path}"))?;
    let mut file = ConfigFile::parse(&text).map_err(|source| config_error(args, source))?;
    args.override_file(&mut file);
    Ok(file)
}

fn config_error(args: &Args, source: SettingsError) -> RunError {
    RunError::Config {
        file: args.config.display().to_string(),
        source,
    }
}

/// The uid of `kube-system` stands for the cluster: it lives exactly as long.
async fn cluster_uid(client: &Client) -> anyhow::Result<String> {
    let namespace = Api::<Namespace>::all(client.clone())
        .get_metadata("kube-system")
        .await
        .context("cannot read the namespace kube-system, whose uid stands for this cluster")?;
    namespace
        .metadata
        .uid
        .context("the namespace kube-system has no uid")
}

async fn wait_for_crds(client: &Client) -> anyhow::Result<()> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for name in [crds::Tenant::crd_name(), crds::EventSubscription::crd_name()] {
        let established = await_condition(api.clone(), name, conditions::is_crd_established());
        match tokio::time::timeout(CRD_PATIENCE, established).await {
            Ok(waited) => waited.with_context(|| format!("cannot watch for the CRD {name}"))?,
            Err(_) => anyhow::bail!("the CRD {name} is not installed; install the chart event-operator-crds"),
        };
    }
    Ok(())
}
