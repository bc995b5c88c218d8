//! The pure stages of the operator's pipeline, together: what is planned is carried out on maps. One program for all of
//! it: it is linked once. `cargo test --workspace --test stages succession` runs one file of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic"
)]

mod effective;
mod federation;
mod kstatus;
mod moves;
mod orphans;
mod plan_properties;
mod release;
mod scaling;
mod status;
mod succession;
mod support;
mod tenant_stages;
mod words;
mod worker_pod;
