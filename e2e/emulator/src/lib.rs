//! A Google Pub/Sub for tests and laptops: REST and gRPC on one port, honest about filters, IAM,
//! backoff, immutability and defaults, and able to fail on demand.
//!
//! A call's way through the crate: a transport (`grpc`, `rest`) makes it a protobuf request and a
//! [`api`] method; the `gate` lets it pass, or not (planned faults, quota, access), and logs it; the
//! `engine` decides what it does. What a subscription knows of its messages is a state machine of
//! its own (`queue`), without I/O and with time as an argument.
//!
//! ```no_run
//! # async fn run() -> anyhow::Result<()> {
//! let emulator = pubsub_emulator::Emulator::builder().start().await?;
//! println!("PUBSUB_EMULATOR_HOST={}", emulator.address());
//! # Ok(()) }
//! ```

mod also;
mod api;
mod calls;
mod clock;
mod control;
mod emulator;
mod engine;
mod faults;
pub mod filter;
mod gate;
mod grpc;
mod iam;
mod identity;
mod limits;
mod message;
mod methods;
mod names;
mod outgoing;
mod queue;
mod quota;
mod rest;
mod server;
mod settings;
mod status;
mod store;

pub use calls::Call;
pub use emulator::{Emulator, EmulatorBuilder};
pub use engine::SubscriptionStats;
pub use faults::{Fault, Strike};
pub use identity::{KeySource, Trust, WorkloadIdentity};
pub use names::DELETED_TOPIC;
pub use queue::Totals;
pub use settings::{Base64, IamMode, Settings};
pub use status::{Code, Detail, Result, Status};

/// The messages of `google.pubsub.v1`, as stored and returned.
pub use googleapis_tonic_google_pubsub_v1::google::pubsub::v1 as pb;

/// The messages of `google.iam.v1`.
pub use googleapis_tonic_google_iam_v1::google::iam::v1 as iam_pb;
