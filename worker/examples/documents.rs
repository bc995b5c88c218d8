//! A worker of your own: one handler per type of event, and a category for the rest of them.
//!
//! ```sh
//! PUBSUB_EMULATOR_HOST=127.0.0.1:8085 GCP_PROJECT_ID=local-project TENANT_ID=tenant-123 \
//!   SUBSCRIPTIONS=living-twin-document-events-tenant-123-worker cargo run -p event-worker --example documents
//! ```

use async_trait::async_trait;
use event_worker::{Event, Handler, Outcome, Settings, Worker, WorkerError, telemetry};

/// Stands for whatever the handler needs: a database's pool, a client.
struct Index;

impl Index {
    /// Takes an idempotency key, so that adding twice is adding once.
    #[allow(clippy::unused_async, reason = "a real one would wait for the network")]
    async fn add(&self, _document: &str, _key: &str) -> Result<(), std::io::Error> {
        Ok(())
    }
}

struct Ingest(Index);

#[async_trait]
impl Handler for Ingest {
    async fn handle(&self, event: &Event) -> Outcome {
        let Some(document) = event.data.fields().get("document_id").and_then(|id| id.as_str()) else {
            // However often it came, it would never work: Pub/Sub dead-letters it, and nobody is asked again.
            return Outcome::permanent("the event names no document");
        };
        match self.0.add(document, event.idempotency_key()).await {
            Ok(()) => Outcome::Success,
            // The index is down, which is no fault of the event: the event waits here, and spends no attempt.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Outcome::unavailable("the index takes no connection")
            }
            Err(_) => Outcome::retryable("the index did not take the document"),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), WorkerError> {
    let settings = Settings::from_env()?;
    telemetry::init(settings.log_level).map_err(|error| WorkerError::Start(error.to_string()))?;
    Worker::builder()
        .settings(settings)
        .on("document.ingested", Ingest(Index))
        // A closure will do where there is nothing to keep.
        .on("document.*", |_event: Event| async { Outcome::Success })
        .run()
        .await
}
