//! The `event-worker` binary: settings from the environment, and the handler they name.

use std::{process::ExitCode, sync::Arc};

use async_trait::async_trait;
use clap::Parser;
use event_worker::{
    Event, Handler, Outcome, Settings, Worker, WorkerError,
    handlers::{batch::Batched, http::HttpHandler, log::LogHandler},
    settings::{Flags, HandlerKind},
    telemetry,
};

/// An event is allocated by the thread that pulls and freed by the one that handles it (`e2e/bench/README.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

/// One handler for several versions of several types.
#[derive(Clone)]
struct Shared(Arc<dyn Handler>);

#[async_trait]
impl Handler for Shared {
    async fn handle(&self, event: &Event) -> Outcome {
        self.0.handle(event).await
    }

    fn version(&self) -> Option<Arc<str>> {
        self.0.version()
    }
}

async fn run(flags: Flags) -> Result<(), WorkerError> {
    let settings = Settings::try_from(flags)?;
    telemetry::init(settings.log_level, settings.audit)
        .map_err(|error| WorkerError::Start(error.to_string()))?;
    let handler = match settings.handler.clone() {
        HandlerKind::Log => Shared(Arc::new(LogHandler)),
        HandlerKind::Http(http) => {
            let batch = http.batch;
            let http = HttpHandler::new(*http).map_err(WorkerError::Start)?;
            match batch {
                Some(batch) => Shared(Arc::new(Batched::new(http, batch))),
                None => Shared(Arc::new(http)),
            }
        }
    };
    let mut worker = Worker::builder().otherwise(handler.clone());
    for (event_type, versions) in &settings.handled_versions {
        for version in versions {
            worker = worker.on_version(event_type.as_str(), version, handler.clone());
        }
    }
    worker.settings(settings).run().await
}

#[allow(clippy::print_stderr, reason = "a person reads it before there is a log")]
fn say(error: &str) {
    eprintln!("event-worker: {error}");
}
