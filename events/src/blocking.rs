//! The publisher for programs without an async runtime.
//!
//! ```no_run
//! use events::{Catalogue, Connection, EventFactory, TenantId, blocking};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let catalogue = Catalogue::from_file("config/operator.yaml", None)?;
//! let publisher = blocking::Publisher::new(events::Publisher::builder(catalogue), &Connection::from_env())?;
//! let tenant = TenantId::parse("tenant-123")?;
//! let event = EventFactory::new("monitor").system_error(&tenant, "search", "It broke").build();
//! let message_id = publisher.publish(&event)?;
//! # Ok(())
//! # }
//! ```

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{
    Connection, DomainEvent, PublishError, PublishOptions,
    publisher::{self, PublisherBuilder},
};

/// A [`publisher::Publisher`] on a thread of its own. Its methods wait, and may be called from any thread that is not of an async
/// runtime; there they return [`PublishError::InsideRuntime`].
#[derive(Debug)]
pub struct Publisher {
    inner: publisher::Publisher,
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
}

impl Publisher {
    /// A publisher as the builder says.
    ///
    /// # Errors
    /// As [`PublisherBuilder::build`], and [`PublishError::Runtime`] when no thread can be started.
    pub fn new(builder: PublisherBuilder, connection: &Connection) -> Result<Self, PublishError> {
        outside()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("events-publisher")
            .enable_all()
            .build()
            .map_err(PublishError::Runtime)?;
        let inner = runtime.block_on(builder.build(connection))?;
        Ok(Self {
            inner,
            runtime: Some(runtime),
        })
    }

    /// Publishes an event and waits until Pub/Sub has it; returns the message's id.
    ///
    /// # Errors
    /// As [`publisher::Publisher::publish`].
    pub fn publish(&self, event: &DomainEvent) -> Result<String, PublishError> {
        self.publish_with(event, &PublishOptions::default())
    }

    /// Publishes an event with an ordering key or a trace context.
    ///
    /// # Errors
    /// As [`publisher::Publisher::publish`].
    pub fn publish_with(
        &self,
        event: &DomainEvent,
        options: &PublishOptions,
    ) -> Result<String, PublishError> {
        self.wait(self.inner.publish_with(event, options))?
    }

    /// Publishes events together and waits for all; the results have their order.
    ///
    /// # Errors
    /// As [`publisher::Publisher::publish`] for each, and [`PublishError::InsideRuntime`] for all.
    pub fn publish_all<'a>(
        &self,
        events: impl IntoIterator<Item = &'a DomainEvent>,
        options: &PublishOptions,
    ) -> Result<Vec<Result<String, PublishError>>, PublishError> {
        self.wait(self.inner.publish_all(events, options))
    }

    /// Sends what waits to be sent together, and returns when all that was sent before has its result.
    ///
    /// # Errors
    /// [`PublishError::InsideRuntime`].
    pub fn flush(&self) -> Result<(), PublishError> {
        self.wait(self.inner.flush())
    }

    fn wait<F: Future>(&self, future: F) -> Result<F::Output, PublishError> {
        outside()?;
        let runtime = self.runtime.as_ref().ok_or(PublishError::Closed)?;
        Ok(runtime.block_on(future))
    }
}

/// Blocking a thread of an async runtime would stop the others' work, and tokio panics there.
fn outside() -> Result<(), PublishError> {
    match Handle::try_current() {
        Ok(_) => Err(PublishError::InsideRuntime),
        Err(_) => Ok(()),
    }
}

/// Ends the thread without waiting for it, so that it may be dropped anywhere. All methods wait for their results, so nothing
/// is on its way then.
impl Drop for Publisher {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
