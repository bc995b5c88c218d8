//! The `event-worker` binary: settings from the environment, and the handler they name.

use std::process::ExitCode;

use clap::Parser;
use event_worker::{
    Settings, Worker, WorkerError,
    handlers::{http::HttpHandler, log::LogHandler},
    settings::{Flags, HandlerKind},
    telemetry,
};

/// What a wrong command line ends with everywhere.
const WRONG_SETTING: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            if error.is_setting() {
                ExitCode::from(WRONG_SETTING)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

async fn run(flags: Flags) -> Result<(), WorkerError> {
    let settings = Settings::try_from(flags)?;
    telemetry::init(settings.log_level).map_err(|error| WorkerError::Start(error.to_string()))?;
    let worker = Worker::builder();
    let worker = match settings.handler.clone() {
        HandlerKind::Log => worker.otherwise(LogHandler),
        HandlerKind::Http { url, timeout } => worker.otherwise(
            HttpHandler::new(url, timeout).map_err(|error| WorkerError::Start(error.to_string()))?,
        ),
    };
    worker.settings(settings).run().await
}

#[allow(clippy::print_stderr, reason = "a person reads it before there is a log")]
fn say(error: &str) {
    eprintln!("event-worker: {error}");
}
