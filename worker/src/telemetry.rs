//! Logs: one JSON object per line on standard output, for machines; never a payload.

use std::panic::PanicHookInfo;

use tracing::Level;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

/// Starts logging at a level. Other crates log at INFO at most: below that, HTTP and gRPC crates log headers and
/// bodies, which hold tokens and payloads.
///
/// # Errors
/// When the process logs already.
pub fn init(level: Level) -> Result<(), TryInitError> {
    let ours = Targets::new()
        .with_target("event_worker", level)
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
