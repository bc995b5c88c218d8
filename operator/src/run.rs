//! From arguments to running controllers.

use std::{fs, future::Future, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::FutureExt as _;
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{
        conditions,
        events::{Event, EventType, Recorder, Reporter},
        wait::await_condition,
    },
};

use tokio::{net::TcpListener, sync::watch};

use crate::{
    args::Args,
    context::{Context, Queues, Retries},
    controller::{self, Caches},
    http::{self, Activity},
    kubernetes::{Children, repairs::Repairs},
    leader::{
        Election, Permit,
        cluster::{self, Release},
        guard,
        record::Times,
    },
    metrics::Metrics,
    monitoring::{Fleet, Monitoring, backlog::Backlogs, google::GoogleMonitoring},
    pubsub::{PubSub, budget::Budget, google::GooglePubSub, inventory::Inventory, metered::Metered},
    scaler::Scaler,
    settings::{ConfigFile, Settings, SettingsError},
    subscription::dead_letters::first_measurement,
    tenant::{brake::Brakes, places::Places, wave::Wave},
    turns::Turns,
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

/// Reads the configuration, connects, and runs until `stop`; with a lease, once this replica leads.
///
/// # Errors
/// [`RunError`] says what could not be had.
pub async fn run(args: &Args, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), RunError> {
    let file = read(args)?;
    let cluster = kube::Config::infer()
        .await
        .context("cannot find a Kubernetes cluster: neither KUBECONFIG nor a service account")?;
    let unguarded = Client::try_from(cluster.clone()).context("cannot make a client of the API server")?;
    let uid = cluster_uid(&unguarded).await?;
    let settings = file
        .into_settings(&uid)
        .map_err(|source| config_error(args, source))?;
    tracing::info!(project = %settings.project, pubsub = ?settings.connection, cluster = settings.cluster_id, "The operator starts.");
    let metrics = Arc::new(Metrics::new().context("cannot make the metrics")?);
    let budget = Arc::new(Budget::per_minute(settings.admin_calls_per_minute));
    let activity = Arc::new(Activity::new(Arc::clone(&metrics), Arc::clone(&budget)));
    let (permit, elections) = stand(args, &unguarded);
    let client = guard::client(cluster, permit.clone()).context("cannot make a client of the API server")?;
    let google = GooglePubSub::connect(&settings.connection)
        .await
        .context("cannot connect to Pub/Sub")?;
    let monitoring = GoogleMonitoring::connect(&settings.connection)
        .await
        .context("cannot connect to Cloud Monitoring")?;
    let monitoring: Arc<dyn Monitoring> = Arc::new(monitoring);
    let backlogs = Arc::new(Backlogs::new(Arc::clone(&monitoring)));
    let scaler = settings
        .scaler_address
        .is_some()
        .then(|| Scaler::new(Arc::clone(&backlogs), &settings));
    let scaler = scale(args, scaler, unguarded, &activity);
    let pubsub = Arc::new(Metered::new(google, budget, Arc::clone(&metrics), permit));
    let stop = stop.boxed().shared();
    let work = lead(elections, &activity, stop.clone(), || {
        let activity = Arc::clone(&activity);
        let ports = Ports {
            client,
            pubsub,
            monitoring,
            backlogs,
        };
        serve(settings, ports, metrics, move |ctx| activity.works(ctx), stop)
    });
    tokio::select! {
        ended = work => ended,
        ended = scaler => ended,
        ended = http::serve(args.http_addr, Arc::clone(&activity)) => {
            ended.with_context(|| format!("cannot listen on {}", args.http_addr))
        }
    }
    .map_err(RunError::from)
}

/// Answers KEDA, whether this replica leads or not; it only reads. Where nobody can reach it, it only waits.
async fn scale(
    args: &Args,
    scaler: Option<Scaler>,
    client: Client,
    activity: &Activity,
) -> anyhow::Result<()> {
    let Some(scaler) = scaler.map(Arc::new) else {
        return std::future::pending().await;
    };
    let listener = events::listen(args.scaler_listen)
        .and_then(TcpListener::from_std)
        .with_context(|| format!("cannot listen on {}", args.scaler_listen))?;
    activity.answers(Arc::clone(&scaler));
    scaler.serve(client, listener).await
}

/// What it takes to write: to lead the replicas of this release, and to be of the release that the cluster's Tenants are of.
struct Elections {
    release: Release,
    own: Election,
    cluster: Election,
    /// Writes the events of a release that has no permit.
    recorder: Recorder,
}

/// The permit, and what it takes to get it.
fn stand(args: &Args, client: &Client) -> (Permit, Option<Elections>) {
    let Some(lease) = &args.lease else {
        tracing::info!(
            "There is no leader election: this must be the only operator. --lease NAME turns it on."
        );
        return (Permit::always(), None);
    };
    let namespace = args
        .namespace
        .clone()
        .unwrap_or_else(|| client.default_namespace().to_owned());
    // A pod whose container starts again is another process, and must not take the old one's lease for its own.
    let pod = std::env::var("POD_NAME").unwrap_or_else(|_| "event-operator".to_owned());
    let replica = format!("{pod}_{:08x}", rand::random::<u32>());
    let release = Release::new(&namespace, lease);
    let stand = |namespace: &str, lease: &str, identity: String| {
        let permit = Permit::none();
        let (client, times) = (client.clone(), Times::default());
        let election = Election::new(client, namespace, lease, identity, times, permit.clone());
        (permit, election)
    };
    let (own_permit, own) = stand(&namespace, lease, replica.clone());
    let (permit, cluster) = stand(cluster::NAMESPACE, cluster::LEASE, release.identity(&replica));
    let elections = Elections {
        release,
        own,
        cluster,
        recorder: Recorder::new(client.clone(), reporter()),
    };
    (own_permit.and(&permit), Some(elections))
}

/// Works while this replica leads, and its release has the cluster.
async fn lead<W>(
    elections: Option<Elections>,
    activity: &Activity,
    stop: impl Future<Output = ()> + Clone,
    work: impl FnOnce() -> W,
) -> anyhow::Result<()>
where
    W: Future<Output = anyhow::Result<()>>,
{
    let Some(Elections {
        release,
        mut own,
        mut cluster,
        recorder,
    }) = elections
    else {
        activity.begins();
        return work().await;
    };
    activity.waits();
    let another = |holder: &str| tracing::info!(holder, "Another replica leads; this one waits.");
    tokio::select! {
        () = own.win(another) => {}
        // So that it is known how long the holder is silent, when the own leader was the holder and died.
        () = cluster.look_on() => {}
        () = stop.clone() => return Ok(()),
    }
    // To begin anew is simpler than to find out what is still right, and just as fast.
    let lost = "this replica lost its lease, and ends so that it starts anew";
    let won = tokio::select! {
        () = cluster.win(|holder| yields(&release, holder, &recorder, activity)) => true,
        () = own.keep() => anyhow::bail!(lost),
        () = stop => false,
    };
    let ended = if won {
        activity.begins();
        tokio::select! {
            ended = work() => ended,
            () = own.keep() => anyhow::bail!(lost),
            () = cluster.keep() => anyhow::bail!(lost),
        }
    } else {
        Ok(())
    };
    cluster.resign().await;
    own.resign().await;
    ended
}

/// Says in whose way this release is: in the log, as an event of its Lease, and in what [`Activity`] answers. The end of a replica
/// of its own is waited for in silence.
fn yields(release: &Release, holder: &str, recorder: &Recorder, activity: &Activity) {
    let other = Release::of(holder);
    if other == *release {
        return activity.waits();
    }
    let other = other.as_str();
    tracing::warn!(
        release = release.as_str(),
        other,
        "Another release of the operator writes for the Tenants of this cluster; this one writes nothing. Uninstall one of the two."
    );
    activity.yields(other);
    let event = Event {
        type_: EventType::Warning,
        reason: "YieldsToRelease".to_owned(),
        note: Some(format!(
            "The release {other} of the operator writes for the Tenants of this cluster; this one writes nothing. Uninstall one of the two."
        )),
        action: "Elect".to_owned(),
        secondary: None,
    };
    let (recorder, reference) = (recorder.clone(), release.reference());
    // The election goes on meanwhile.
    tokio::spawn(async move {
        if let Err(error) = recorder.publish(&event, &reference).await {
            tracing::warn!(%error, "The event YieldsToRelease could not be written.");
        }
    });
}

fn reporter() -> Reporter {
    Reporter {
        controller: "event-operator".into(),
        instance: std::env::var("POD_NAME").ok(),
    }
}

/// The ways to the world outside.
pub struct Ports {
    /// The API server.
    pub client: Client,
    /// Pub/Sub.
    pub pubsub: Arc<dyn PubSub>,
    /// Cloud Monitoring.
    pub monitoring: Arc<dyn Monitoring>,
    /// What it measured of backlogs, which the scaler remembers too.
    pub backlogs: Arc<Backlogs>,
}

/// Runs the controllers over these ports until `stop`; `ready` is told when the caches are filled.
///
/// # Errors
/// When the CRDs do not appear.
pub async fn serve(
    settings: Settings,
    ports: Ports,
    metrics: Arc<Metrics>,
    ready: impl FnOnce(Arc<Context>),
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let Ports {
        client,
        pubsub,
        monitoring,
        backlogs,
    } = ports;
    wait_for_crds(&client).await?;
    let inventory = Inventory::new(Arc::clone(&pubsub), &settings);
    if let Some(number) = settings.project_number {
        inventory.note_project_number(&settings.project, number);
    }
    let caches = Caches::default();
    let (children, changes) = Children::watch(&client);
    let (tell_filled, caches_filled) = watch::channel(false);
    let ctx = Arc::new(Context {
        caches_filled,
        recorder: Recorder::new(client.clone(), reporter()),
        tenants: caches.tenants.clone(),
        subscriptions: caches.subscriptions.clone(),
        retries: Retries::default(),
        turns: Turns::default(),
        queues: Queues::default(),
        wave: Wave::default(),
        places: Places::default(),
        brakes: Brakes::default(),
        repairs: Repairs::default(),
        client,
        pubsub,
        inventory,
        fleet: Fleet::new(monitoring, settings.resync),
        backlogs,
        settings,
        metrics,
        children,
    });
    let filled = async {
        let dropped = "a watch of the API server ended";
        ctx.tenants.wait_until_ready().await.context(dropped)?;
        ctx.subscriptions
            .all()
            .wait_until_ready()
            .await
            .context(dropped)?;
        ctx.children.wait_until_ready().await.context(dropped)?;
        first_measurement(&ctx).await;
        tracing::info!("The caches are filled.");
        tell_filled.send_replace(true);
        ready(Arc::clone(&ctx));
        std::future::pending().await
    };
    tokio::select! {
        () = controller::run(Arc::clone(&ctx), caches, changes, stop) => Ok(()),
        ended = filled => ended,
    }
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
    for (_, ours) in crds::manifest::all()? {
        let name = ours.name_any();
        let established = await_condition(api.clone(), &name, conditions::is_crd_established());
        let installed = match tokio::time::timeout(CRD_PATIENCE, established).await {
            Ok(waited) => waited.with_context(|| format!("cannot watch for the CRD {name}"))?,
            Err(_) => anyhow::bail!("the CRD {name} is not installed; install the chart event-operator-crds"),
        };
        // The API server drops a field that its CRD does not know, and nobody hears of it: a Tenant that is suspended
        // by such a field would run.
        let missing = crds::manifest::missing_fields(installed.as_ref(), &ours);
        if let Some(first) = missing.first() {
            anyhow::bail!(
                "the CRD {name} is of an earlier version: it has no {first}{}; upgrade the chart event-operator-crds before the operator",
                match missing.len() {
                    1 => String::new(),
                    more => format!(" and {} more fields", more - 1),
                }
            );
        }
    }
    Ok(())
}
