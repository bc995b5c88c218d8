//! A worker of your own: handlers for typed payloads, old versions lifted to the newest, and a batch.
//!
//! ```sh
//! PUBSUB_EMULATOR_HOST=127.0.0.1:8085 GCP_PROJECT_ID=local-project TENANT_ID=tenant-123 \
//!   SUBSCRIPTIONS=living-twin-document-events-tenant-123-worker cargo run -p documents-worker
//! ```
//!
//! The `Dockerfile` beside makes an image of it, for a Tenant's `spec.worker.image`. The operator sets everything else.

mod index;
mod ingested;

use std::time::Duration;

use event_worker::{BatchSettings, Event, Outcome, Settings, Worker, WorkerError, telemetry};
use index::Index;
use ingested::Ingested;

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let settings = Settings::from_env()?;
    telemetry::init(settings.log_level, settings.audit)
        .map_err(|error| WorkerError::Start(error.to_string()))?;
    // Views are counted in batches: as many as are handled at a time, or what came within a second. A larger batch would
    // never be full.
    let views = BatchSettings {
        size: settings.max_concurrent,
        wait: Duration::from_secs(1),
    };
    let index = Index::default();
    Worker::builder()
        .settings(settings)
        // The handler knows version 2.0 alone. What was published in 1.0 is lifted first, and any other version is
        // unknown: UNKNOWN_VERSION says what becomes of it.
        .on_version("document.ingested", ingested::NEWEST, Ingested(index.clone()))
        .lift(
            "document.ingested",
            ingested::FIRST,
            ingested::NEWEST,
            ingested::from_first,
        )
        .on_batch("document.viewed", index::Views(index), views)
        // A closure will do where there is nothing to keep.
        .on("document.*", |_event: Event| async { Outcome::Success })
        .run()
        .await
}
