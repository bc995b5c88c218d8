//! The operator's program: arguments, logs, signals.

use std::process::ExitCode;

use clap::Parser as _;
use event_operator::{
    args::Args,
    run::{RunError, run},
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::{EnvFilter, fmt};

/// The caches of a fleet come and go page by page, on several threads: glibc keeps what was taken for them, and this gives it
/// back (`docs/scale.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_new(args.log_level.to_lowercase()).unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if args.log_text {
        logs.init();
    } else {
        logs.json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init();
    }
    match Box::pin(run(&args, stop_signal())).await {
        Ok(()) => {
            tracing::info!("The operator stopped.");
            ExitCode::SUCCESS
        }
        Err(error @ RunError::Config { .. }) => {
            tracing::error!("{error}");
            ExitCode::from(2)
        }
        Err(RunError::Other(error)) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// SIGTERM or SIGINT. Where a handler cannot be had, the signal ends the process by itself.
async fn stop_signal() {
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
            tracing::info!("Asked to stop: running reconciles end first.");
        }
        _ => std::future::pending().await,
    }
}
