//! The emulator as Google's own client sees it, and as a process that is killed. One program for all of it: it is linked
//! once. `cargo test --workspace --test emulator seek` runs one file of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic"
)]

mod admin;
mod closing;
mod data_dir;
mod delivery;
mod fuzz;
mod kill;
mod policies;
mod promises;
mod rest;
mod seek;
mod support;
mod unkind;
mod workload_identity;
