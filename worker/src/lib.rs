//! Handles the events of one tenant: as the `event-worker` binary, or as a library for workers of your own.
//!
//! ```no_run
//! use event_worker::{Event, Outcome, Worker};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), event_worker::WorkerError> {
//!     Worker::builder()
//!         .on("document.ingested", |event: Event| async move {
//!             match event.data.fields().get("document_id") {
//!                 Some(_id) => Outcome::Success,
//!                 None => Outcome::permanent("the event names no document"),
//!             }
//!         })
//!         .run()
//!         .await
//! }
//! ```
//!
//! The way of a message, one module per question:
//!
//! | module | the question it answers |
//! |---|---|
//! | [`subscriptions`] | what is pulled? |
//! | `fleet`, `pull`, `lanes` | how do messages come in, in order where order was asked for? |
//! | `outage` | was Pub/Sub away, and is it back? |
//! | [`limits`], `window` | how much at a time, and how much may wait? |
//! | [`circuit`] | is the handler there at all, or does this event fail by itself? |
//! | [`process`], `attempt` | **the pipeline**: guard → route → claim → handle → note the end → settle |
//! | [`guard`], [`envelope`] | is it an event of our tenant, and how does it stand in its message? |
//! | [`registry`] | which handler takes it, and in which version? |
//! | [`once`], `note` | was it handled before? |
//! | [`handle`], [`failure`], [`handlers`] | what is a handler, how does it fail, and which come with the worker? |
//! | [`disposition`], [`redelivery`] | what is Pub/Sub told about what came of it, and how soon does it come again? |
//! | [`drain`] | how does the worker stop? |
//! | [`health`], [`metrics`], `own_process`, [`telemetry`], [`report`], [`trace`] | is it fit, what does it count, log and trace? |
//! | [`testing`] | how is a handler tested without Pub/Sub and Redis? |
//! | [`settings`], [`builder`], [`run`], `supervise`, [`program`] | what can be set, how is it all put together, how is it kept running, and how does it end? |

mod attempt;
pub mod builder;
pub mod circuit;
pub mod disposition;
pub mod drain;
pub mod envelope;
pub mod failure;
mod fleet;
pub mod guard;
pub mod handle;
pub mod handlers;
pub mod health;
mod lanes;
mod lease;
pub mod limits;
pub mod message;
pub mod metrics;
mod note;
pub mod once;
mod outage;
mod own_process;
pub mod process;
pub mod program;
mod pull;
pub mod redelivery;
pub mod registry;
pub mod report;
pub mod run;
pub mod settings;
pub mod subscriptions;
mod supervise;
pub mod telemetry;
pub mod testing;
pub mod trace;
mod window;

pub use builder::{WorkerBuilder, WorkerError};
pub use circuit::Alone;
pub use envelope::Envelope;
pub use failure::{OrFail, Permanent, Retryable, Unavailable};
pub use handle::{Event, Handler, Outcome};
pub use handlers::batch::{BatchHandler, BatchSettings};
pub use process::UnknownVersion;
pub use registry::HandlerOptions;
pub use run::Worker;
pub use settings::Settings;
