//! The command line: every setting as a flag, and as a variable of the same name.

use std::fmt;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  # Log every event of a tenant, from an emulator:
  PUBSUB_EMULATOR_HOST=127.0.0.1:8085 GCP_PROJECT_ID=local-project TENANT_ID=tenant-123 \\
    SUBSCRIPTIONS=living-twin-document-events-tenant-123-worker event-worker

  # POST them as CloudEvents to a service, ten at a time:
  GCP_PROJECT_ID=my-project TENANT_ID=tenant-123 SUBSCRIPTIONS_FILE=/etc/event-worker/subscriptions.json \\
    HANDLER=http HANDLER_URL=http://handler.tenant-123:8080/ MAX_CONCURRENT_MESSAGES=10 event-worker

  # As a job: end when nothing has come for a minute:
  EXIT_WHEN_IDLE=60s … event-worker

Durations are a number of seconds (3600) or a number with a unit (500ms, 60s, 10m, 1h).
Exit codes: 0 stopped or idle, 1 failed, 2 a setting is missing or wrong.";

/// The settings as text: flags, or variables of the same name.
#[allow(clippy::doc_markdown, reason = "these comments are the text of --help")]
#[derive(Parser)]
#[command(name = "event-worker", version, about = "Handles the events of one tenant.", after_help = EXAMPLES)]
pub struct Flags {
    /// Google Cloud project of subscriptions that are given by id.
    #[arg(long, env = "GCP_PROJECT_ID", value_name = "PROJECT")]
    pub(super) gcp_project_id: Option<String>,
    /// The tenant whose events are handled; messages of any other are refused. Required.
    #[arg(long, env = "TENANT_ID", value_name = "ID")]
    pub(super) tenant_id: Option<String>,
    /// Subscriptions to pull: full names or ids, separated by commas. This or SUBSCRIPTIONS_FILE is required.
    #[arg(long, env = "SUBSCRIPTIONS", value_name = "NAMES")]
    pub(super) subscriptions: Option<String>,
    /// A JSON file that lists them, read again when it changes:
    /// {"subscriptions":[{"name":"projects/p/subscriptions/s","tenant":"t","ordered":false,"suspended":false}]}
    #[arg(long, env = "SUBSCRIPTIONS_FILE", value_name = "PATH")]
    pub(super) subscriptions_file: Option<String>,
    /// Events handled at a time, over all subscriptions: 1 to 1000.
    #[arg(long, env = "MAX_CONCURRENT_MESSAGES", value_name = "N", default_value = "5")]
    pub(super) max_concurrent_messages: String,
    /// The longest one event may take: 1s to 24h.
    #[arg(
        long,
        env = "WORKER_TIMEOUT",
        value_name = "DURATION",
        default_value = "3600s"
    )]
    pub(super) worker_timeout: String,
    /// How long a worker that died holds on to its events before another gets them: 10s to 10m. Kept up while it lives.
    #[arg(long, env = "LEASE_DURATION", value_name = "DURATION", default_value = "60s")]
    pub(super) lease_duration: String,
    /// Whether the subscriptions have dead-letter topics; without, an event that can never work stays until its
    /// retention ends.
    #[arg(long, env = "PUBSUB_ENABLE_DLQ", value_name = "BOOL", default_value = "true")]
    pub(super) pubsub_enable_dlq: String,
    /// What is logged: ERROR, WARN, INFO, DEBUG or TRACE.
    #[arg(long, env = "LOG_LEVEL", value_name = "LEVEL", default_value = "INFO")]
    pub(super) log_level: String,
    /// Which decisions on events get an audit line, whatever LOG_LEVEL is: all, failures or off.
    #[arg(long, env = "AUDIT_LOG", value_name = "WHICH", default_value = "all")]
    pub(super) audit_log: String,
    /// Where spans go: a collector's OTLP/gRPC endpoint, http:// or https://. The other OTEL_ variables are read too.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(super) otel_exporter_otlp_endpoint: Option<String>,
    /// The same for traces alone; goes before OTEL_EXPORTER_OTLP_ENDPOINT.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(super) otel_exporter_otlp_traces_endpoint: Option<String>,
    /// The protocol of that endpoint: grpc is the only one.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_PROTOCOL", value_name = "PROTOCOL")]
    pub(super) otel_exporter_otlp_protocol: Option<String>,
    /// The same for traces alone; goes before OTEL_EXPORTER_OTLP_PROTOCOL.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", value_name = "PROTOCOL")]
    pub(super) otel_exporter_otlp_traces_protocol: Option<String>,
    /// Whether spans are exported: otlp, or none. By default they are where an endpoint is set.
    #[arg(long, env = "OTEL_TRACES_EXPORTER", value_name = "EXPORTER")]
    pub(super) otel_traces_exporter: Option<String>,
    /// true switches OpenTelemetry off, whatever else is set.
    #[arg(long, env = "OTEL_SDK_DISABLED", value_name = "BOOL")]
    pub(super) otel_sdk_disabled: Option<String>,
    /// Whether /metrics is served.
    #[arg(long, env = "ENABLE_METRICS", value_name = "BOOL", default_value = "true")]
    pub(super) enable_metrics: String,
    /// Address of a Pub/Sub emulator, host:port; without, Google's Pub/Sub.
    #[arg(long, env = "PUBSUB_EMULATOR_HOST", value_name = "ADDRESS")]
    pub(super) pubsub_emulator_host: Option<String>,
    /// How events stand in messages: domain (the worker's own JSON), cloudevents (CloudEvents 1.0, in binary or structured
    /// mode), or raw (attributes and bytes, such as Cloud Storage's notifications).
    #[arg(long, env = "ENVELOPE", value_name = "ENVELOPE", default_value = "domain")]
    pub(super) envelope: String,
    /// What events are handed to: log, or http.
    #[arg(long, env = "HANDLER", value_name = "HANDLER", default_value = "log")]
    pub(super) handler: String,
    /// The service that HANDLER=http posts CloudEvents to, http:// or https://.
    #[arg(long, env = "HANDLER_URL", hide_env_values = true, value_name = "URL")]
    pub(super) handler_url: Option<String>,
    /// How long that service may take for one event: 1ms to 24h, and never longer than WORKER_TIMEOUT.
    #[arg(long, env = "HANDLER_TIMEOUT", value_name = "DURATION", default_value = "60s")]
    pub(super) handler_timeout: String,
    /// A PEM file with the authority that signed that service's certificate, instead of the system's. This and the
    /// next three are read again when they change.
    #[arg(long, env = "HANDLER_CA_FILE", value_name = "PATH")]
    pub(super) handler_ca_file: Option<String>,
    /// A PEM file with the worker's own certificate for that service; with HANDLER_KEY_FILE.
    #[arg(long, env = "HANDLER_CERT_FILE", value_name = "PATH")]
    pub(super) handler_cert_file: Option<String>,
    /// A PEM file with the key of HANDLER_CERT_FILE.
    #[arg(long, env = "HANDLER_KEY_FILE", value_name = "PATH")]
    pub(super) handler_key_file: Option<String>,
    /// A file with a token that is sent to that service as "Authorization: Bearer".
    #[arg(long, env = "HANDLER_TOKEN_FILE", value_name = "PATH")]
    pub(super) handler_token_file: Option<String>,
    /// What the service's answers mean, where that is not the default: 404=permanent,5xx=retry. Meanings: success; retry;
    /// permanent; pending (the service may be down: retry when other events succeed meanwhile); pending-permanent.
    #[arg(long, env = "HANDLER_STATUS", value_name = "LIST")]
    pub(super) handler_status: Option<String>,
    /// The version of the handler: a permanent failure that another version found is asked about again. A service may
    /// name it itself, in the header Handler-Version of its answers.
    #[arg(long, env = "HANDLER_VERSION", value_name = "TEXT")]
    pub(super) handler_version: Option<String>,
    /// Events handed to that service at a time: 1 to 1000, at most MAX_CONCURRENT_MESSAGES. More than one are posted
    /// as application/cloudevents-batch+json.
    #[arg(long, env = "BATCH_SIZE", value_name = "N", default_value = "1")]
    pub(super) batch_size: String,
    /// How long a batch that is not full waits for more: 1ms to 60s.
    #[arg(long, env = "BATCH_WAIT", value_name = "DURATION", default_value = "100ms")]
    pub(super) batch_wait: String,
    /// The versions that are understood, for types where not all are: document.ingested=1.0+2.0,user.login=1.0
    #[arg(long, env = "HANDLED_VERSIONS", value_name = "LIST")]
    pub(super) handled_versions: Option<String>,
    /// What becomes of an event in another version: ack (let it go, with a warning), or retry (until a worker takes
    /// it, or Pub/Sub dead-letters it).
    #[arg(long, env = "UNKNOWN_VERSION", value_name = "WHAT", default_value = "ack")]
    pub(super) unknown_version: String,
    /// Where handled events are remembered: memory: (in the worker, for one replica),
    /// redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE],
    /// redis-sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE[/DATABASE],
    /// redis-cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT; with TLS rediss://, rediss-sentinel://, rediss-cluster://.
    #[arg(
        long,
        env = "IDEMPOTENCY_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "memory:"
    )]
    pub(super) idempotency_url: String,
    /// How long a handled event is remembered: 1m to 31d (744h).
    #[arg(long, env = "IDEMPOTENCY_TTL", value_name = "DURATION", default_value = "24h")]
    pub(super) idempotency_ttl: String,
    /// How long it is remembered that an event can never work, so that its handler is not asked at each redelivery: 1s to
    /// 31d. It counts for the same message and the same HANDLER_VERSION alone.
    #[arg(long, env = "PERMANENT_TTL", value_name = "DURATION", default_value = "1h")]
    pub(super) permanent_ttl: String,
    /// Who handles the events: two consumers of one tenant on one store each handle every event. The same for all
    /// replicas of a worker, and for its later versions.
    #[arg(long, env = "CONSUMER", value_name = "NAME", default_value = "worker")]
    pub(super) consumer: String,
    /// The store's user, instead of the URL's.
    #[arg(long, env = "IDEMPOTENCY_USERNAME", value_name = "NAME")]
    pub(super) idempotency_username: Option<String>,
    /// A file with the store's password, instead of the URL's; read at each connect.
    #[arg(long, env = "IDEMPOTENCY_PASSWORD_FILE", value_name = "PATH")]
    pub(super) idempotency_password_file: Option<String>,
    /// The user for the Sentinels of redis-sentinel://, where that is not the store's.
    #[arg(long, env = "IDEMPOTENCY_SENTINEL_USERNAME", value_name = "NAME")]
    pub(super) idempotency_sentinel_username: Option<String>,
    /// A file with the Sentinels' password; without it they are asked with the store's, and then without any.
    #[arg(long, env = "IDEMPOTENCY_SENTINEL_PASSWORD_FILE", value_name = "PATH")]
    pub(super) idempotency_sentinel_password_file: Option<String>,
    /// A PEM file with the authority that signed the store's certificate, instead of the system's.
    #[arg(long, env = "IDEMPOTENCY_CA_FILE", value_name = "PATH")]
    pub(super) idempotency_ca_file: Option<String>,
    /// A PEM file with the worker's own certificate for the store; with IDEMPOTENCY_KEY_FILE.
    #[arg(long, env = "IDEMPOTENCY_CERT_FILE", value_name = "PATH")]
    pub(super) idempotency_cert_file: Option<String>,
    /// A PEM file with the key of IDEMPOTENCY_CERT_FILE.
    #[arg(long, env = "IDEMPOTENCY_KEY_FILE", value_name = "PATH")]
    pub(super) idempotency_key_file: Option<String>,
    /// Where /healthz, /readyz and /metrics are served; [::] is every address, of IPv4 and IPv6.
    #[arg(long, env = "HTTP_ADDR", value_name = "ADDRESS", default_value = "[::]:8080")]
    pub(super) http_addr: String,
    /// How long after SIGTERM running handlers may finish: 1s to 1h. Keep it below the pod's grace period.
    #[arg(long, env = "SHUTDOWN_GRACE", value_name = "DURATION", default_value = "25s")]
    pub(super) shutdown_grace: String,
    /// Job mode: exit 0 when nothing has come for so long. Without, the worker runs until it is stopped.
    #[arg(long, env = "EXIT_WHEN_IDLE", value_name = "DURATION")]
    pub(super) exit_when_idle: Option<String>,
}

/// The texts may hold passwords.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags").finish_non_exhaustive()
    }
}
