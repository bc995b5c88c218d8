//! `pubsub-emulator`: arguments, logs, signals. Everything else is in the library.

use clap::{Parser, ValueEnum};
use pubsub_emulator::{Emulator, IamMode, KeySource, Settings, Trust, WorkloadIdentity};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// A Google Pub/Sub for tests and laptops: REST and gRPC on one port.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    /// Address to listen on.
    #[arg(long, env = "PUBSUB_EMULATOR_LISTEN_HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "PUBSUB_EMULATOR_LISTEN_PORT", default_value_t = 8085)]
    port: u16,
    /// Same seed, same ids and same dice.
    #[arg(long, env = "PUBSUB_EMULATOR_SEED", default_value_t = 0)]
    seed: u64,
    /// Keep everything in this directory, across restarts and crashes. Without it all is in memory.
    #[arg(long, env = "PUBSUB_EMULATOR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Check every call against IAM policies, for the principal named by its bearer token.
    #[arg(long, env = "PUBSUB_EMULATOR_IAM", value_enum, default_value_t = Iam::Off)]
    iam: Iam,
    /// Whose service account tokens POST /v1/token exchanges: the issuer of a cluster's tokens (with
    /// --workload-identity-jwks), or `insecure` for anybody's, signed or not. Without it: nobody's.
    #[arg(
        long,
        env = "PUBSUB_EMULATOR_WORKLOAD_IDENTITY",
        value_name = "ISSUER|insecure"
    )]
    workload_identity: Option<String>,
    /// The cluster's keys: a file, or a URL such as `https://kubernetes.default.svc/openid/v1/jwks`.
    #[arg(
        long,
        env = "PUBSUB_EMULATOR_WORKLOAD_IDENTITY_JWKS",
        value_name = "FILE|URL",
        requires = "workload_identity"
    )]
    workload_identity_jwks: Option<String>,
    /// PEM of the authority that signed the certificate behind that URL.
    #[arg(
        long,
        env = "PUBSUB_EMULATOR_WORKLOAD_IDENTITY_CA",
        value_name = "FILE",
        requires = "workload_identity_jwks"
    )]
    workload_identity_ca: Option<PathBuf>,
    /// File with the bearer token that the URL asks for.
    #[arg(
        long,
        env = "PUBSUB_EMULATOR_WORKLOAD_IDENTITY_TOKEN",
        value_name = "FILE",
        requires = "workload_identity_jwks"
    )]
    workload_identity_token: Option<PathBuf>,
    /// Audiences that tokens may have beside the name of the pool's provider; commas between them.
    #[arg(
        long,
        env = "PUBSUB_EMULATOR_WORKLOAD_IDENTITY_AUDIENCES",
        value_name = "AUDIENCE",
        value_delimiter = ',',
        requires = "workload_identity_jwks"
    )]
    workload_identity_audiences: Vec<String>,
    /// Administrative calls per minute and project (the service's is the default); 0 is without limit.
    #[arg(long, env = "PUBSUB_EMULATOR_ADMIN_QUOTA", default_value_t = 6_000)]
    admin_quota: u32,
    /// Milliseconds for which a new object is missing from GETs and lists.
    #[arg(long, env = "PUBSUB_EMULATOR_READ_GAP_MS", default_value_t = 0)]
    read_after_write_gap_ms: u64,
    /// Milliseconds until a policy takes effect.
    #[arg(long, env = "PUBSUB_EMULATOR_IAM_DELAY_MS", default_value_t = 0)]
    iam_propagation_ms: u64,
    /// Milliseconds after which a subscriber that waits learns of a published message; its publisher has the answer before.
    #[arg(long, env = "PUBSUB_EMULATOR_DELIVERY_DELAY_MS", default_value_t = 10)]
    delivery_delay_ms: u64,
    /// Age in milliseconds of the newest point of a metric.
    #[arg(long, env = "PUBSUB_EMULATOR_MONITORING_LAG_MS", default_value_t = 0)]
    monitoring_lag_ms: u64,
    /// How to log, on standard error. What is logged is chosen by `RUST_LOG`.
    #[arg(long, env = "PUBSUB_EMULATOR_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

const EXAMPLES: &str = "\
Examples:
  pubsub-emulator
  pubsub-emulator --host 0.0.0.0 --port 8085 --iam enforce --log-format json
  pubsub-emulator --port 0 --data-dir ./state
  curl -X PUT http://127.0.0.1:8085/v1/projects/p/topics/orders
  curl http://127.0.0.1:8085/emulator/v1/calls?method=Publisher.*
  curl -X POST http://127.0.0.1:8085/emulator/v1/faults \\
       -H 'content-type: application/json' \\
       -d '{\"method\": \"Subscriber.CreateSubscription\", \"code\": \"UNAVAILABLE\", \"count\": 2}'

Clients find it by the variable PUBSUB_EMULATOR_HOST and need no credentials:
  Go, Java (with the emulator's channel), Node.js, PHP, Python, Ruby:
    export PUBSUB_EMULATOR_HOST=127.0.0.1:8085
  Rust: the official crate does not read the variable:
    Publisher::builder(topic).with_endpoint(\"http://127.0.0.1:8085\")
        .with_credentials(google_cloud_auth::credentials::anonymous::Builder::new().build())
  Anything else, over REST:
    curl -X PUT http://127.0.0.1:8085/v1/projects/p/subscriptions/s \\
         -H 'content-type: application/json' -d '{\"topic\": \"projects/p/topics/orders\"}'
  gcloud:
    gcloud config set api_endpoint_overrides/pubsub http://127.0.0.1:8085/ && gcloud config set auth/disable_credentials true

Coming from Google's emulator: MOVING.md beside the sources.";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Iam {
    Off,
    Enforce,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            iam: match self.iam {
                Iam::Off => IamMode::Off,
                Iam::Enforce => IamMode::Enforce,
            },
            admin_quota_per_minute: Some(self.admin_quota).filter(|quota| *quota > 0),
            read_after_write_gap_ms: self.read_after_write_gap_ms,
            iam_propagation_ms: self.iam_propagation_ms,
            delivery_delay_ms: self.delivery_delay_ms,
            monitoring_lag_ms: self.monitoring_lag_ms,
            ..Settings::default()
        }
    }
}

/// The word that stands in the place of an issuer.
const INSECURE: &str = "insecure";

impl Args {
    fn workload_identity(&self) -> anyhow::Result<WorkloadIdentity> {
        match (self.workload_identity.as_deref(), &self.workload_identity_jwks) {
            (None, _) => Ok(WorkloadIdentity::Refuse),
            (Some(INSECURE), None) => Ok(WorkloadIdentity::Insecure),
            (Some(INSECURE), Some(_)) => {
                anyhow::bail!(
                    "--workload-identity insecure takes no --workload-identity-jwks: nothing would be checked"
                )
            }
            (Some(issuer), None) => {
                anyhow::bail!(
                    "--workload-identity {issuer} needs --workload-identity-jwks, or must be `{INSECURE}`"
                )
            }
            (Some(issuer), Some(keys)) => Ok(WorkloadIdentity::Cluster(Trust {
                keys: KeySource::parse(
                    keys,
                    self.workload_identity_ca.clone(),
                    self.workload_identity_token.clone(),
                ),
                issuer: issuer.to_owned(),
                audiences: self.workload_identity_audiences.clone(),
            })),
        }
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Who reads the logs may go first; that is no reason to end.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    log_to_stderr(args.log_format);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut builder = Emulator::builder()
        .host(&args.host)
        .port(args.port)
        .seed(args.seed)
        .settings(args.settings())
        .workload_identity(args.workload_identity()?);
    if let Some(directory) = &args.data_dir {
        builder = builder.data_dir(directory);
    }
    let emulator = builder.start().await?;
    tracing::info!(address = %emulator.address(), "Listening.");
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    tracing::info!("Stopping.");
    emulator.shutdown().await;
    Ok(())
}
