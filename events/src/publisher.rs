//! Publishing events: [`Publisher`] to the topics of a catalogue, [`EventPublisher`] to one topic, and
//! [`crate::blocking::Publisher`] for programs without an async runtime.
//!
//! ```no_run
//! use events::{Catalogue, Connection, EventFactory, Publisher, TenantId};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let catalogue = Catalogue::from_file("config/operator.yaml", None)?;
//! let publisher = Publisher::builder(catalogue).build(&Connection::from_env()).await?;
//! let tenant = TenantId::parse("tenant-123")?;
//! let event = EventFactory::new("ingest")
//!     .document_ingested(&tenant, "doc-456", "Important Document", "pdf")
//!     .build();
//! let message_id = publisher.publish(&event).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is never lost silently
//!
//! An event is published, or its receipt has a typed error; dropping a receipt does not take the event back. An error after
//! which it is not known whether Pub/Sub has the event is retryable: publishing the same event again is safe, because its
//! idempotency key stays the same. The official client tries again by itself, after a lost connection or an exhausted quota
//! too, for as long as [`PublisherBuilder::retry_for`] says.
//!
//! # Order
//!
//! Events of one ordering key and topic are published in the order of their [`Publisher::send`]. When one fails, those of its
//! key that are sent after it fail too, with [`PublishError::KeyPaused`], and are not published. The key is open again when every
//! one of its receipts has been awaited or dropped, because from then on the sender knows of the failure: what is to come
//! before is the sender's to publish again, in the order of the receipts. The client keeps a little memory for each key it has
//! seen, so a key should name something long-lived, such as a document, and no request.

mod error;
mod flow;
mod message;
mod metrics;
mod options;
mod outlet;
mod receipt;
mod routed;
mod single;

pub use error::{PublishError, TooLarge};
pub use flow::{FlowControl, WhenFull};
pub use message::{
    Form, MAX_ATTRIBUTE_VALUE_BYTES, MAX_ATTRIBUTES, MAX_MESSAGE_BYTES, MAX_ORDERING_KEY_BYTES,
};
pub use metrics::{MAX_TENANTS, OTHER};
pub use options::{Batching, PublishOptions};
pub use receipt::Receipt;
pub use routed::{Publisher, PublisherBuilder};
pub use single::EventPublisher;
