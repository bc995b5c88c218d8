//! Logs: one JSON object per line on standard output, for machines; never a payload.

use std::panic::PanicHookInfo;

use tracing::Level;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::report::AUDIT;

/// Which decisions on events get an audit line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audit {
    /// Every one, whatever the level of the log.
    #[default]
    All,
    /// Those that were not simply handled, whatever the level of the log.
    Failures,
    /// None.
    Off,
}

/// Starts logging at a level. Other crates log at INFO at most: below that, HTTP and gRPC crates log headers and
/// bodies, which hold tokens and payloads.
///
/// # Errors
/// When the process logs already.
pub fn init(level: Level, audit: Audit) -> Result<(), TryInitError> {
    let audited = match audit {
        Audit::All => LevelFilter::INFO,
        Audit::Failures => LevelFilter::WARN,
        Audit::Off => LevelFilter::OFF,
    };
    let ours = Targets::new()
        .with_target("event_worker", level)
        .with_target(AUDIT, audited)
        .with_target("events", level)
        .with_default(LevelFilter::from_level(level.min(Level::INFO)));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false);
    tracing_subscriber::registry().with(ours).with(lines).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Says where, and not what: a panic's message often holds the value that was not expected.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "A task panicked.");
}
