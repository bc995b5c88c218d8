//! A worker from its parts: settings, handlers and a store.

use std::{borrow::Cow, future::Future, net::SocketAddr, sync::Arc};

use events::{connect, event_type::InvalidEventType};
use google_cloud_pubsub::client::Subscriber;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    drain::Drain,
    handle::{Event, Handler, Outcome},
    handlers::batch::{BatchHandler, BatchSettings, Batched},
    health::{self, Health},
    limits::Limits,
    metrics::Metrics,
    once::{IdempotencyStore, MemoryStore, RedisStore},
    process::{Pipeline, UnknownVersion},
    pull::chain,
    redelivery::Redeliveries,
    registry::{HandlerOptions, Registry},
    run::{Signals, Worker},
    settings::{Settings, StoreKind, WrongSetting},
    subscriptions::Unusable,
    trace::Traces,
};

/// Why there is no worker, or why it ended badly.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Setting(#[from] WrongSetting),
    /// A handler is for something that is no event type.
    #[error(transparent)]
    EventType(#[from] InvalidEventType),
    /// Nothing would ever be handled.
    #[error("the worker has no handler: add one with on(), on_version() or otherwise()")]
    NoHandler,
    /// A batch could never be full, and each would wait for its time to be over.
    #[error(
        "a batch of {0} events is more than MAX_CONCURRENT_MESSAGES, {1}: raise it, or make the batch smaller"
    )]
    Batch(usize, usize),
    /// The list of subscriptions is unusable.
    #[error("SUBSCRIPTIONS or SUBSCRIPTIONS_FILE: {0}")]
    Subscriptions(#[from] Unusable),
    /// No client for Pub/Sub.
    #[error(
        "cannot connect to Pub/Sub: check PUBSUB_EMULATOR_HOST or the application default credentials: {0}"
    )]
    Connect(String),
    /// The address for health and metrics cannot be bound.
    #[error("HTTP_ADDR: cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// No exporter for spans.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Traces(String),
    /// The process cannot listen for signals, or metrics cannot be made.
    #[error("cannot start: {0}")]
    Start(String),
}

impl WorkerError {
    /// Whether a person has to change a setting.
    #[must_use]
    pub fn is_setting(&self) -> bool {
        match self {
            Self::Setting(_)
            | Self::EventType(_)
            | Self::NoHandler
            | Self::Batch(..)
            | Self::Subscriptions(_)
            | Self::Traces(_)
            | Self::Listen(..) => true,
            Self::Connect(_) | Self::Start(_) => false,
        }
    }
}

/// Collects what a worker is made of. Mistakes are kept and told by [`WorkerBuilder::build`].
#[derive(Debug, Default)]
pub struct WorkerBuilder {
    settings: Option<Settings>,
    pub(crate) registry: Registry,
    /// The largest batch that a handler asked for.
    largest_batch: usize,
    pub(crate) store: Option<Arc<dyn IdempotencyStore>>,
    pub(crate) unknown_version: Option<UnknownVersion>,
    pub(crate) mistake: Option<InvalidEventType>,
}

impl WorkerBuilder {
    /// Settings; the environment's by default.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Handles a type of event (`document.ingested`) or a category (`document.*`).
    #[must_use]
    pub fn on(mut self, pattern: &str, handler: impl Handler) -> Self {
        let added = self.registry.on(pattern, Arc::new(handler));
        self.mistake = self.mistake.or_else(|| added.err());
        self
    }

    /// Handles a type of event or a category, with options for this handler alone.
    #[must_use]
    pub fn on_with(mut self, pattern: &str, options: HandlerOptions, handler: impl Handler) -> Self {
        let added = self.registry.on_with(pattern, options, Arc::new(handler));
        self.mistake = self.mistake.or_else(|| added.err());
        self
    }

    /// Handles a type of event or a category with a function of its payload, read as a type of yours, and the event. What
    /// cannot be read as that type is a permanent failure.
    #[must_use]
    pub fn on_typed<T, F, Fut, R>(self, pattern: &str, handler: F) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        F: Fn(T, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: Into<Outcome>,
    {
        self.on(pattern, move |event: Event| {
            let handled = event.payload::<T>().map(|payload| handler(payload, event));
            async move {
                match handled {
                    Ok(handled) => handled.await.into(),
                    Err(unreadable) => Outcome::from(unreadable),
                }
            }
        })
    }

    /// Wraps every handler that was added before, as a layer of `tower` wraps services: for what all have in common, such
    /// as counting, tracing, or a connection that each call needs.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use async_trait::async_trait;
    /// # use event_worker::{Event, Handler, Outcome, Worker};
    /// struct Timed(Arc<dyn Handler>);
    ///
    /// #[async_trait]
    /// impl Handler for Timed {
    ///     async fn handle(&self, event: &Event) -> Outcome {
    ///         let start = std::time::Instant::now();
    ///         let outcome = self.0.handle(event).await;
    ///         tracing::debug!(took = ?start.elapsed(), "Handled.");
    ///         outcome
    ///     }
    /// }
    ///
    /// let builder = Worker::builder()
    ///     .otherwise(|_event: Event| async { Outcome::Success })
    ///     .layer(|inner| Arc::new(Timed(inner)));
    /// ```
    #[must_use]
    pub fn layer(mut self, layer: impl Fn(Arc<dyn Handler>) -> Arc<dyn Handler>) -> Self {
        self.registry.layer(&layer);
        self
    }

    /// Handles one version of a type, as its payload's `version` has it. Other versions of the type then go to its
    /// `on` handler if there is one, and else are unknown.
    #[must_use]
    pub fn on_version(mut self, event_type: &str, version: &str, handler: impl Handler) -> Self {
        let added = self.registry.on_version(event_type, version, Arc::new(handler));
        self.mistake = self.mistake.or_else(|| added.err());
        self
    }

    /// Handles every event that no other handler takes.
    #[must_use]
    pub fn otherwise(mut self, handler: impl Handler) -> Self {
        self.registry.otherwise(Arc::new(handler));
        self
    }

    /// Hands over many events at a time, of a type or a category.
    #[must_use]
    pub fn on_batch(mut self, pattern: &str, handler: impl BatchHandler, settings: BatchSettings) -> Self {
        self.largest_batch = self.largest_batch.max(settings.size);
        self.on(pattern, Batched::new(handler, settings))
    }

    /// Lifts payloads of one version of a type to another before they are handled, so that handlers know only the
    /// newest. Steps follow each other: 1.0 to 2.0 to 3.0. An error is a permanent failure of the event; it is logged,
    /// and must not hold payload. The result's `version` is set.
    #[must_use]
    pub fn lift<F>(mut self, event_type: &str, from: &str, to: &str, lift: F) -> Self
    where
        F: Fn(Map<String, Value>) -> Result<Map<String, Value>, Cow<'static, str>> + Send + Sync + 'static,
    {
        let added = self.registry.lift(event_type, from, to, Arc::new(lift));
        self.mistake = self.mistake.or_else(|| added.err());
        self
    }

    /// What to do with versions that nobody handles; by default what `UNKNOWN_VERSION` says.
    #[must_use]
    pub fn unknown_version(mut self, what: UnknownVersion) -> Self {
        self.unknown_version = Some(what);
        self
    }

    /// Where handled events are remembered; by default what `IDEMPOTENCY_URL` says.
    #[must_use]
    pub fn store(mut self, store: impl IdempotencyStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Puts the worker together: connects, listens, reads the list of subscriptions.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn build(self) -> Result<Worker, WorkerError> {
        let signals = Signals::listen().map_err(|error| WorkerError::Start(error.to_string()))?;
        let settings = self.settings.map_or_else(Settings::from_env, Ok)?;
        if let Some(mistake) = self.mistake {
            return Err(mistake.into());
        }
        if self.registry.is_empty() {
            return Err(WorkerError::NoHandler);
        }
        if self.largest_batch > settings.max_concurrent {
            return Err(WorkerError::Batch(self.largest_batch, settings.max_concurrent));
        }
        let list = settings.subscriptions.read(&settings.tenant).await?;
        let listener = health::listen(settings.http_addr)
            .await
            .map_err(|error| WorkerError::Listen(settings.http_addr, error))?;
        let subscriber = connect!(Subscriber::builder(), &settings.connection)
            .build()
            .await
            .map_err(|error| WorkerError::Connect(chain(&error)))?;
        let metrics = Metrics::new().map_err(|error| WorkerError::Start(error.to_string()))?;
        let pipeline = Pipeline {
            tenant: settings.tenant.clone(),
            envelope: settings.envelope,
            registry: self.registry,
            store: self.store.unwrap_or_else(|| store(&settings)),
            limits: Limits::new(settings.max_concurrent),
            metrics: Arc::new(metrics),
            handler_version: settings.handler_version.as_str().into(),
            redeliveries: Redeliveries::default(),
            traces: match &settings.traces {
                Some(endpoint) => Traces::to(endpoint.url().as_str(), settings.tenant.as_str())
                    .map_err(WorkerError::Traces)?,
                None => Traces::default(),
            },
            health: Health::default(),
            drain: Drain::new(settings.grace),
            timeout: settings.timeout,
            lease: settings.lease,
            unknown_version: self.unknown_version.unwrap_or(settings.unknown_version),
        };
        Ok(Worker {
            settings,
            list,
            listener,
            subscriber,
            pipeline: Arc::new(pipeline),
            signals: Some(signals),
        })
    }

    /// Builds the worker and runs it until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn run(self) -> Result<(), WorkerError> {
        self.build().await?.run().await
    }
}

fn store(settings: &Settings) -> Arc<dyn IdempotencyStore> {
    match &settings.store {
        StoreKind::Memory => Arc::new(MemoryStore::remembering(settings.memory)),
        StoreKind::Redis(redis) => Arc::new(RedisStore::new(
            (**redis).clone(),
            &settings.tenant,
            settings.consumer.clone(),
            settings.memory,
        )),
    }
}
