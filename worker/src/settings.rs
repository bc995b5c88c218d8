//! Every setting: a flag and a variable of the same name, parsed once into [`Settings`].

mod flags;
mod masked;
mod traces;
mod value;

use std::{fmt::Display, net::SocketAddr, time::Duration};

use clap::Parser;
use events::{Connection, EventType, ProjectId, TenantId};
pub use flags::Flags;
pub use masked::Masked;
pub(crate) use masked::shown;
use tracing::Level;
use value::{
    audit, boolean, duration, envelope, given, handler, number, seconds, store, subscriptions,
    unknown_version, versions,
};

use crate::{
    envelope::Envelope,
    handlers::http::HttpSettings,
    once::{Consumer, InvalidConsumer, Memory, redis::RedisSettings},
    process::UnknownVersion,
    subscriptions::Source,
    telemetry::Audit,
};

/// What events are handed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerKind {
    /// A log line is all.
    Log,
    /// A service gets them as CloudEvents.
    Http(Box<HttpSettings>),
}

/// Where handled events are remembered.
#[derive(Debug, Clone)]
pub enum StoreKind {
    /// In the worker.
    Memory,
    /// In a Redis that replicas share.
    Redis(Box<RedisSettings>),
}

/// Everything a worker needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose events are handled.
    pub tenant: TenantId,
    /// Which Pub/Sub.
    pub connection: Connection,
    /// What is pulled.
    pub subscriptions: Source,
    /// How events stand in messages.
    pub envelope: Envelope,
    /// Events handled at a time.
    pub max_concurrent: usize,
    /// The longest one event may take.
    pub timeout: Duration,
    /// How long a worker that died holds on to its events: Pub/Sub's lease, and the store's claim.
    pub lease: Duration,
    /// Whether the subscriptions have dead-letter topics.
    pub dead_lettering: bool,
    /// Where handled events are remembered; a worker that was given a store does not look at it.
    pub store: StoreKind,
    /// How long they are.
    pub memory: Memory,
    /// Who handles the events, beside other consumers of the tenant.
    pub consumer: Consumer,
    /// The version of the handler, which permanent failures are remembered with; empty for none.
    pub handler_version: String,
    /// Versions that are understood, of types where not all are; for the binary, as `handler`.
    pub handled_versions: Vec<(EventType, Vec<String>)>,
    /// What becomes of events in other versions.
    pub unknown_version: UnknownVersion,
    /// What is logged.
    pub log_level: Level,
    /// Which decisions are logged whatever the level.
    pub audit: Audit,
    /// The collector that spans go to.
    pub traces: Option<Masked>,
    /// Whether `/metrics` is served.
    pub metrics: bool,
    /// What the binary hands events to; a worker with handlers of its own does not look at it.
    pub handler: HandlerKind,
    /// Where health and metrics are served.
    pub http_addr: SocketAddr,
    /// How long running handlers may finish after a stop.
    pub grace: Duration,
    /// After how long without a message the worker ends by itself.
    pub exit_when_idle: Option<Duration>,
}

/// A setting that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct WrongSetting {
    variable: &'static str,
    problem: String,
}

fn wrong(variable: &'static str, problem: impl Display) -> WrongSetting {
    WrongSetting {
        variable,
        problem: format!("{problem}"),
    }
}

impl Settings {
    /// Settings from the environment alone, for workers whose command line is their own.
    ///
    /// # Errors
    /// [`WrongSetting`] names the variable and what is allowed.
    pub fn from_env() -> Result<Self, WrongSetting> {
        let flags = Flags::try_parse_from(["event-worker"])
            .map_err(|error| wrong("environment", error.render().to_string().trim()))?;
        Self::try_from(flags)
    }
}

impl TryFrom<Flags> for Settings {
    type Error = WrongSetting;

    fn try_from(flags: Flags) -> Result<Self, WrongSetting> {
        let tenant = given(flags.tenant_id.clone()).ok_or_else(|| {
            wrong(
                "TENANT_ID",
                "is missing: the id of the tenant whose events are handled",
            )
        })?;
        let tenant = TenantId::parse(&tenant).map_err(|error| wrong("TENANT_ID", error))?;
        let project = given(flags.gcp_project_id.clone())
            .map(|text| ProjectId::parse(&text).map_err(|error| wrong("GCP_PROJECT_ID", error)))
            .transpose()?;
        let timeout = duration(
            "WORKER_TIMEOUT",
            &flags.worker_timeout,
            seconds(1),
            seconds(86_400),
        )?;
        let handler_timeout = duration(
            "HANDLER_TIMEOUT",
            &flags.handler_timeout,
            Duration::from_millis(1),
            seconds(86_400),
        )?;
        let max_concurrent = number("MAX_CONCURRENT_MESSAGES", &flags.max_concurrent_messages)?;
        let handler = handler(&flags, max_concurrent, handler_timeout.min(timeout))?;
        let store = store(&flags)?;
        let traces = traces::traces(&flags)?;
        Ok(Self {
            handler,
            store,
            subscriptions: subscriptions(
                given(flags.subscriptions),
                given(flags.subscriptions_file),
                project.as_ref(),
            )?,
            tenant,
            envelope: envelope(&flags.envelope)?,
            connection: given(flags.pubsub_emulator_host)
                .map_or_else(Connection::google, |address| Connection::emulator(&address)),
            max_concurrent,
            timeout,
            lease: duration("LEASE_DURATION", &flags.lease_duration, seconds(10), seconds(600))?,
            dead_lettering: boolean("PUBSUB_ENABLE_DLQ", &flags.pubsub_enable_dlq)?,
            log_level: flags.log_level.parse().map_err(|_| {
                let text = &flags.log_level;
                wrong(
                    "LOG_LEVEL",
                    format!("{text:?} is none of ERROR, WARN, INFO, DEBUG, TRACE"),
                )
            })?,
            memory: Memory {
                done: duration(
                    "IDEMPOTENCY_TTL",
                    &flags.idempotency_ttl,
                    seconds(60),
                    seconds(744 * 3_600),
                )?,
                failed: duration(
                    "PERMANENT_TTL",
                    &flags.permanent_ttl,
                    seconds(1),
                    seconds(744 * 3_600),
                )?,
            },
            consumer: flags
                .consumer
                .parse()
                .map_err(|error: InvalidConsumer| wrong("CONSUMER", error))?,
            handler_version: given(flags.handler_version).unwrap_or_default(),
            handled_versions: versions(flags.handled_versions)?,
            unknown_version: unknown_version(&flags.unknown_version)?,
            audit: audit(&flags.audit_log)?,
            traces,
            metrics: boolean("ENABLE_METRICS", &flags.enable_metrics)?,
            http_addr: flags.http_addr.parse().map_err(|_| {
                let text = &flags.http_addr;
                wrong(
                    "HTTP_ADDR",
                    format!("{text:?} is not an address such as [::]:8080"),
                )
            })?,
            grace: duration(
                "SHUTDOWN_GRACE",
                &flags.shutdown_grace,
                seconds(1),
                seconds(3_600),
            )?,
            exit_when_idle: given(flags.exit_when_idle)
                .map(|text| duration("EXIT_WHEN_IDLE", &text, seconds(1), seconds(86_400)))
                .transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flags alone: whatever the machine that runs the tests has in its environment stays out.
    fn parse(args: &[&str]) -> Result<Settings, WrongSetting> {
        let required = [
            "event-worker",
            "--tenant-id=tenant-123",
            "--gcp-project-id=acme-events",
        ];
        let parsed = Flags::try_parse_from(required.iter().chain(args)).unwrap();
        Settings::try_from(parsed)
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let settings = parse(&["--subscriptions=sub-1"]).unwrap();
        assert_eq!(settings.max_concurrent, 5);
        assert_eq!(settings.timeout, seconds(3_600));
        assert_eq!(settings.grace, seconds(25));
        assert_eq!(settings.handler, HandlerKind::Log);
        assert!(settings.dead_lettering && settings.metrics && settings.exit_when_idle.is_none());
    }

    #[test]
    fn a_short_worker_timeout_shortens_the_handlers() {
        let url = "--handler-url=http://h/";
        let settings = parse(&[
            "--subscriptions=sub-1",
            "--worker-timeout=10s",
            "--handler=http",
            url,
        ]);
        let HandlerKind::Http(http) = settings.unwrap().handler else {
            panic!("another handler");
        };
        assert_eq!(http.timeout, seconds(10));
    }

    #[test]
    fn durations_are_taken_in_every_form_the_operator_writes() {
        for (text, expected) in [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3_600)] {
            let settings = parse(&["--subscriptions=sub-1", "--worker-timeout", text]).unwrap();
            assert_eq!(settings.timeout, seconds(expected));
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        let sub = "--subscriptions=sub-1";
        for (args, expected) in [
            (
                vec![],
                "SUBSCRIPTIONS: is missing, and so is SUBSCRIPTIONS_FILE; set one",
            ),
            (
                vec![sub, "--subscriptions-file=/x"],
                "SUBSCRIPTIONS: is set beside SUBSCRIPTIONS_FILE; set one",
            ),
            (
                vec!["--subscriptions=a b"],
                "SUBSCRIPTIONS: \"a b\" is not a Pub/Sub id",
            ),
            (
                vec![sub, "--max-concurrent-messages=0"],
                "MAX_CONCURRENT_MESSAGES: \"0\" is not a number from 1 to 1000",
            ),
            (
                vec![sub, "--worker-timeout=2d"],
                "WORKER_TIMEOUT: \"2d\" is not a duration from 1s to 86400s",
            ),
            (
                vec![sub, "--handler-timeout=soon"],
                "HANDLER_TIMEOUT: \"soon\" is not a duration from 1ms to 86400s",
            ),
            (
                vec![sub, "--handler=grpc"],
                "HANDLER: \"grpc\" is neither \"log\" nor \"http\"",
            ),
            (vec![sub, "--handler=http"], "HANDLER_URL: is missing"),
            (
                vec![sub, "--handler=http", "--handler-url=s3cret"],
                "HANDLER_URL: is not an http:// or",
            ),
            (
                vec![sub, "--log-level=LOUD"],
                "LOG_LEVEL: \"LOUD\" is none of ERROR, WARN,",
            ),
            (
                vec![sub, "--enable-metrics=maybe"],
                "ENABLE_METRICS: \"maybe\" is neither true nor false",
            ),
            (
                vec![sub, "--permanent-ttl=0s"],
                "PERMANENT_TTL: \"0s\" is not a duration from 1s",
            ),
            (
                vec![sub, "--consumer=a:b"],
                "CONSUMER: \"a:b\" is not a consumer's name",
            ),
            (
                vec![
                    sub,
                    "--handler=http",
                    "--handler-url=http://h/",
                    "--handler-status=404",
                ],
                "HANDLER_STATUS: \"404\" is not of the form STATUS=MEANING",
            ),
            (
                vec![sub, "--handler=http", "--handler-url=http://h/", "--batch-size=6"],
                "BATCH_SIZE: 6 is more than MAX_CONCURRENT_MESSAGES, 5",
            ),
            (
                vec![sub, "--handled-versions=document.ingested"],
                "HANDLED_VERSIONS: \"document.ingested\" is not of the form TYPE=VERSION+VERSION",
            ),
            (
                vec![sub, "--unknown-version=drop"],
                "UNKNOWN_VERSION: \"drop\" is neither \"ack\" nor \"retry\"",
            ),
            (
                vec![sub, "--envelope=cloudevent"],
                "ENVELOPE: \"cloudevent\" is none of \"domain\", \"cloudevents\", \"raw\"",
            ),
            (
                vec![sub, "--audit-log=some"],
                "AUDIT_LOG: \"some\" is none of \"all\", \"failures\", \"off\"",
            ),
            (
                vec![sub, "--otel-exporter-otlp-endpoint=collector:4317"],
                "OTEL_EXPORTER_OTLP_ENDPOINT: is not an http:// or https:// URL",
            ),
            (
                vec![sub, "--otel-exporter-otlp-protocol=http/protobuf"],
                "OTEL_EXPORTER_OTLP_PROTOCOL: \"http/protobuf\" is not \"grpc\"",
            ),
            (
                vec![sub, "--http-addr=8080"],
                "HTTP_ADDR: \"8080\" is not an address",
            ),
        ] {
            let error = parse(&args).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("s3cret"));
        }
    }

    #[test]
    fn a_wrong_setting_of_the_store_is_named_with_what_is_allowed() {
        let sub = "--subscriptions=sub-1";
        for (args, expected) in [
            (
                vec![sub, "--idempotency-url=redis://:s3cret@a,b"],
                "IDEMPOTENCY_URL: it names several servers",
            ),
            (
                vec![sub, "--idempotency-url=redis://h", "--idempotency-key-file=/k"],
                "IDEMPOTENCY_CERT_FILE: is missing, and IDEMPOTENCY_KEY_FILE is set",
            ),
            (
                vec![
                    sub,
                    "--idempotency-url=redis://h",
                    "--idempotency-sentinel-password-file=/p",
                ],
                "IDEMPOTENCY_SENTINEL_PASSWORD_FILE: is set, and IDEMPOTENCY_URL names no Sentinels",
            ),
            (
                vec![
                    sub,
                    "--idempotency-url=redis-sentinel://h/main",
                    "--idempotency-sentinel-username=u",
                ],
                "IDEMPOTENCY_SENTINEL_PASSWORD_FILE: is missing, and IDEMPOTENCY_SENTINEL_USERNAME is set",
            ),
            (
                vec![sub, "--idempotency-ttl=1s"],
                "IDEMPOTENCY_TTL: \"1s\" is not a duration from 60s",
            ),
        ] {
            let error = parse(&args).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("s3cret"));
        }
    }

    #[test]
    fn no_debug_shows_a_password() {
        let args = [
            "event-worker",
            "--tenant-id=tenant-123",
            "--subscriptions=projects/acme-events/subscriptions/sub-1",
            "--pubsub-emulator-host=http://user:s3cret@127.0.0.1:8085",
            "--handler=http",
            "--handler-url=http://user:s3cret@h:1/p?key=s3cret",
            "--idempotency-url=redis://user:s3cret@h",
            "--otel-exporter-otlp-endpoint=http://user:s3cret@collector:4317",
        ];
        let flags = Flags::try_parse_from(args).unwrap();
        assert!(!format!("{flags:?}").contains("s3cret"));
        let shown = format!("{:?}", Settings::try_from(flags).unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
        for place in ["127.0.0.1:8085", "http://h:1/p", "h:6379", "collector:4317"] {
            assert!(shown.contains(place), "{place}: {shown}");
        }
    }

    #[test]
    fn versions_are_listed_by_type() {
        let settings = parse(&["--subscriptions=sub-1", "--handled-versions=a.b=1.0+2.0, c.d=1.0"]);
        let versions = settings.unwrap().handled_versions;
        let shown: Vec<_> = versions
            .iter()
            .map(|(event_type, versions)| format!("{event_type} {}", versions.join(" ")))
            .collect();
        assert_eq!(shown, ["a.b 1.0 2.0", "c.d 1.0"]);
    }

    #[test]
    fn a_variable_set_to_nothing_is_not_set() {
        assert!(parse(&["--subscriptions=", "--subscriptions-file=/x", "--exit-when-idle="]).is_ok());
    }
}
