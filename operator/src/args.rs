//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;

use crate::settings::ConfigFile;

/// Keeps each Tenant's event plane on Google Pub/Sub as its Tenant says.
#[derive(Debug, Parser)]
#[command(
    name = "event-operator",
    version,
    after_help = "Examples:\n  event-operator --config config/operator.yaml --project-id my-project\n  PUBSUB_EMULATOR_HOST=127.0.0.1:8085 event-operator --config config/operator.yaml --project-id demo-project\n\nExit codes: 0 stopped on request, 1 could not start or went wrong, 2 the configuration or the command line is wrong."
)]
pub struct Args {
    /// The configuration file.
    #[arg(long, env = "EVENT_OPERATOR_CONFIG", value_name = "FILE")]
    pub config: PathBuf,
    /// Google Cloud project; overrides `projectId`.
    #[arg(long, env = "GCP_PROJECT_ID", value_name = "ID")]
    pub project_id: Option<String>,
    /// Address of a Pub/Sub emulator; overrides `endpoint`.
    #[arg(long, env = "PUBSUB_EMULATOR_HOST", value_name = "HOST:PORT")]
    pub endpoint: Option<String>,
    /// In front of every topic's name; overrides `topicPrefix`.
    #[arg(long, env = "TOPIC_PREFIX", value_name = "PREFIX")]
    pub topic_prefix: Option<String>,
    /// Stands in the owner stamp of everything in Pub/Sub; overrides `clusterId`.
    #[arg(long, env = "CLUSTER_ID", value_name = "ID")]
    pub cluster_id: Option<String>,
    /// The image of workers whose Tenant names none; overrides `worker.image`.
    #[arg(long, env = "WORKER_IMAGE", value_name = "IMAGE")]
    pub worker_image: Option<String>,
    /// Name of the Lease that replicas elect their leader by: only its holder writes. Without it there is no election, and
    /// there must be only one operator.
    #[arg(long, env = "LEASE_NAME", value_name = "NAME")]
    pub lease: Option<String>,
    /// The Lease's namespace. Default: that of the kubeconfig, or of the pod.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// Where KEDA reaches this operator, the name and port of its Service; overrides `scalerAddress`. Without it no worker is
    /// scaled.
    #[arg(long, env = "SCALER_ADDRESS", value_name = "HOST:PORT")]
    pub scaler_address: Option<String>,
    /// Where KEDA's questions are answered, when there is a scaler address.
    #[arg(long, env = "SCALER_LISTEN", default_value = "[::]:8081", value_name = "ADDR")]
    pub scaler_listen: SocketAddr,
    /// Where metrics and probes are answered; [::] is every address, of IPv4 and IPv6.
    #[arg(long, env = "HTTP_ADDR", default_value = "[::]:8080", value_name = "ADDR")]
    pub http_addr: SocketAddr,
    /// How much is logged: error, warn, info, debug, trace, or a tracing filter.
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
    /// Lines for people instead of JSON.
    #[arg(long)]
    pub log_text: bool,
}

impl Args {
    /// Puts what the command line says over what the file says.
    pub fn override_file(&self, file: &mut ConfigFile) {
        let put = |field: &mut Option<String>, value: &Option<String>| {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                *field = Some(value.clone());
            }
        };
        put(&mut file.project_id, &self.project_id);
        put(&mut file.endpoint, &self.endpoint);
        put(&mut file.cluster_id, &self.cluster_id);
        put(&mut file.scaler_address, &self.scaler_address);
        if let Some(prefix) = &self.topic_prefix {
            file.topic_prefix.clone_from(prefix);
        }
        if let Some(image) = &self.worker_image {
            file.worker.image.clone_from(image);
        }
    }
}
