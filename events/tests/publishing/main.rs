//! Publishing to a Pub/Sub that is there, that fails, and that is gone.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panic"
)]

mod blocking;
mod failures;
mod ordering;
mod routing;
mod support;
