//! The worker against an emulator, a Redis, services and processes that are real. One program for all of it: it is linked
//! once. `cargo test --workspace --test worker outcomes` runs one file of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::cast_precision_loss,
    reason = "a test may fail by panic, and says what it saw"
)]

mod acks;
mod attempts;
mod consumers;
mod drain;
mod envelopes;
mod flood;
mod http_batches;
mod http_handler;
mod kills;
mod ordering;
mod outages;
mod outcomes;
mod pipeline;
mod pulled;
mod redis_store;
mod redis_topologies;
mod rollouts;
mod support;
mod traces;
