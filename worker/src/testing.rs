//! For tests of handlers: guard, lifts, routes and verdicts as in a worker, without Pub/Sub, Redis or settings.
//!
//! ```
//! use event_worker::{Event, Outcome, Worker, testing::TestWorker};
//! use events::{EventFactory, EventType, TenantId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tenant = TenantId::parse("tenant-123")?;
//! let builder = Worker::builder().on("document.ingested", |event: Event| async move {
//!     match event.data.fields().get("document_id") {
//!         Some(_id) => Outcome::Success,
//!         None => Outcome::permanent("the event names no document"),
//!     }
//! });
//! let worker = TestWorker::new(&tenant, builder)?;
//! let event_type = EventType::parse("document.ingested")?;
//! let event = EventFactory::new("test").create(&tenant, event_type, serde_json::Map::new());
//! let settled = worker.deliver(&event).await;
//! assert_eq!((settled.outcome, settled.acknowledged), ("permanent", false));
//! # Ok(())
//! # }
//! ```
//!
//! A failure that may be the handler's outage waits for other events, for a minute at most: give such a test the paused
//! clock of `tokio` (`#[tokio::test(start_paused = true)]`).

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use events::{DomainEvent, SubscriptionName, TenantId};

use crate::{
    builder::{WorkerBuilder, WorkerError},
    drain::Drain,
    envelope::Envelope,
    health::Health,
    limits::Limits,
    message::{Delivery, Lease, Message, NotConfirmed},
    metrics::Metrics,
    once::MemoryStore,
    process::{Pipeline, settled},
    redelivery::Redeliveries,
    trace::Traces,
};

/// Events at a time, and the longest that one may take: more than a test needs.
const CONCURRENT: usize = 100;
const TIMEOUT: Duration = Duration::from_hours(1);
const LEASE: Duration = Duration::from_mins(1);
const SUBSCRIPTION: &str = "projects/test-project/subscriptions/test";

/// A worker that is handed its messages by a test.
#[derive(Debug)]
pub struct TestWorker {
    pipeline: Arc<Pipeline>,
    subscription: SubscriptionName,
    messages: AtomicU64,
}

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// The outcome's name, as in the audit log: `success`, `duplicate`, `permanent`, `tenant_mismatch` …
    pub outcome: &'static str,
    /// Whether the message was acknowledged; given back otherwise.
    pub acknowledged: bool,
}

impl TestWorker {
    /// A worker of a tenant with the builder's handlers, lifts and layers, and its store, or one in memory.
    ///
    /// # Errors
    /// [`WorkerError`] when a handler is for something that is no event type, or there is none.
    pub fn new(tenant: &TenantId, builder: WorkerBuilder) -> Result<Self, WorkerError> {
        if let Some(mistake) = builder.mistake {
            return Err(mistake.into());
        }
        if builder.registry.is_empty() {
            return Err(WorkerError::NoHandler);
        }
        let started = |error: String| WorkerError::Start(error);
        let pipeline = Pipeline {
            tenant: tenant.clone(),
            envelope: Envelope::default(),
            registry: builder.registry,
            handler_version: "".into(),
            store: builder.store.unwrap_or_else(|| Arc::new(MemoryStore::default())),
            limits: Limits::new(CONCURRENT),
            redeliveries: Redeliveries::default(),
            metrics: Arc::new(Metrics::new().map_err(|error| started(error.to_string()))?),
            traces: Traces::default(),
            health: Health::default(),
            drain: Drain::new(LEASE),
            timeout: TIMEOUT,
            lease: LEASE,
            unknown_version: builder.unknown_version.unwrap_or_default(),
        };
        Ok(Self {
            pipeline: Arc::new(pipeline),
            subscription: SUBSCRIPTION
                .parse()
                .map_err(|error: events::name::InvalidName| started(error.to_string()))?,
            messages: AtomicU64::new(1),
        })
    }

    /// Delivers an event as its publisher sends it, as a new message.
    pub async fn deliver(&self, event: &DomainEvent) -> Settled {
        let attributes = event.attributes().into_iter();
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
        let data = event.encode().unwrap_or_default();
        self.deliver_message(data, attributes.collect()).await
    }

    /// Delivers a message that may be no event, or another tenant's.
    pub async fn deliver_message(
        &self,
        data: impl Into<Bytes>,
        attributes: HashMap<String, String>,
    ) -> Settled {
        let message = Message {
            subscription: self.subscription.clone(),
            message_id: self.messages.fetch_add(1, Ordering::Relaxed).to_string(),
            data: data.into(),
            attributes,
            published_at: None,
            ordering_key: String::new(),
            in_order: false,
            superseded: false,
            delivery_attempt: Some(1),
            max_delivery_attempts: None,
        };
        let lease = Box::new(Forgotten);
        let slot = self.pipeline.limits.slot().await;
        let delivery = Delivery { message, lease };
        let (verdict, _) = settled(&self.pipeline, delivery, slot).await;
        Settled {
            outcome: verdict.name(),
            acknowledged: verdict.disposition() == crate::disposition::Disposition::Ack,
        }
    }
}

/// The hold on a message that no Pub/Sub has.
struct Forgotten;

#[async_trait]
impl Lease for Forgotten {
    async fn ack(self: Box<Self>) -> Result<(), NotConfirmed> {
        Ok(())
    }

    fn nack(self: Box<Self>) {}
}

#[cfg(test)]
mod tests {
    use events::{EventFactory, EventType};
    use serde_json::{Map, Value};

    use super::*;
    use crate::{Event, Handler, Outcome, Worker};

    fn tenant() -> TenantId {
        TenantId::parse("tenant-123").unwrap()
    }

    fn event(event_type: &str, fields: &[(&str, Value)]) -> DomainEvent {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let event_type = EventType::parse(event_type).unwrap();
        EventFactory::new("test").create(&tenant(), event_type, fields.collect())
    }

    #[derive(serde::Deserialize)]
    struct Ingested {
        document_id: String,
    }

    /// Counts what comes to the handler below it.
    struct Counted(Arc<dyn Handler>, Arc<AtomicU64>);

    #[async_trait]
    impl Handler for Counted {
        async fn handle(&self, event: &Event) -> Outcome {
            self.1.fetch_add(1, Ordering::SeqCst);
            self.0.handle(event).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_is_tested_with_guard_lifts_routes_and_layers() {
        let calls = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&calls);
        let builder = Worker::builder()
            .on_typed("document.*", |payload: Ingested, _event: Event| async move {
                match payload.document_id.as_str() {
                    "down" => Outcome::unavailable("down"),
                    _ => Outcome::Success,
                }
            })
            .layer(move |inner| Arc::new(Counted(inner, Arc::clone(&counter))))
            .on_version("user.login", "2.0", |_event: Event| async { Outcome::Success })
            .lift("user.login", "1.0", "2.0", Ok);
        let worker = TestWorker::new(&tenant(), builder).unwrap();
        let good = event("document.ingested", &[("document_id", "doc-1".into())]);
        let login = event("user.login", &[]);
        let mut later = login.clone();
        later.data = Map::from_iter([("version".to_owned(), "9.0".into())]).into();
        let mut foreign = good.clone();
        foreign.tenant_id = TenantId::parse("tenant-456").unwrap();
        for (event, outcome, acknowledged) in [
            (&good, "success", true),
            (&good, "duplicate", true),
            (
                &event("document.ingested", &[("document_id", 7.into())]),
                "permanent",
                false,
            ),
            (
                &event("document.ingested", &[("document_id", "down".into())]),
                "retryable",
                false,
            ),
            (&login, "success", true),
            (&later, "unknown_version", true),
            (&event("query.executed", &[]), "permanent", false),
            (&foreign, "tenant_mismatch", false),
        ] {
            let settled = worker.deliver(event).await;
            assert_eq!(
                (settled.outcome, settled.acknowledged),
                (outcome, acknowledged),
                "{event:?}"
            );
        }
        // The layer is over the handlers before it alone; the one that may be down was tried again.
        assert!(calls.load(Ordering::SeqCst) >= 4);
        let nonsense = HashMap::from([("tenant_id".to_owned(), "tenant-123".to_owned())]);
        let settled = worker.deliver_message("not json", nonsense).await;
        assert_eq!(settled.outcome, "undecodable");
        assert!(matches!(
            TestWorker::new(&tenant(), Worker::builder()),
            Err(WorkerError::NoHandler)
        ));
    }
}
