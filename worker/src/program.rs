//! What the `event-worker` binary does, for binaries that hold the worker among other things.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Event, Handler, Outcome, Settings, Worker, WorkerError,
    handlers::{batch::Batched, http::HttpHandler, log::LogHandler},
    settings::{Flags, HandlerKind},
    telemetry,
};

/// The handler that the settings name, for several versions of several types.
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

/// Logs on standard output, and runs a worker with the handler that the settings name until SIGTERM or SIGINT.
///
/// # Errors
/// [`WorkerError`]; [`WorkerError::is_setting`] says whether a setting has to be changed.
pub async fn run(flags: Flags) -> Result<(), WorkerError> {
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
