//! Which replica may write. One holds a `Lease` and with it a [`Permit`]; the others wait, ready to take over.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`permit`] | may this process write now? |
//! | [`guard`] | where is that asked before a write to Kubernetes? (for Pub/Sub: [`crate::pubsub::metered`]) |
//! | [`record`] | pure: what does the Lease say, and what follows from it? |
//! | [`election`] | I/O: how is the Lease taken, renewed and given back? |
//! | [`cluster`] | how is it seen to that only one release in a cluster writes? |
//!
//! The algorithm is that of client-go
//! (<https://pkg.go.dev/k8s.io/client-go/tools/leaderelection>): a Lease is taken from another holder only when it was
//! *seen* unchanged for its whole duration on this process' own monotonic clock, so that clocks of pods are never
//! compared; and every write of the Lease carries its resourceVersion, so that of two who take it one is refused.

pub mod cluster;
pub mod election;
pub mod guard;
pub mod permit;
pub mod record;

pub use election::Election;
pub use permit::{NotLeading, Permit};
