//! Stories on a real control plane, with the operator in this process or as processes of its own. One program for all of
//! them: it is linked once. `cargo test --workspace --test control_plane leadership` runs one file of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panic"
)]

mod admission;
mod admission_webhook;
mod api_server;
mod canaries;
mod chart;
mod clusters;
mod crash;
mod dead_letters;
mod deletion;
mod edits;
mod federation;
mod filter_change;
mod fixpoint;
mod google;
mod heirs;
mod hostile_owner;
mod in_between;
mod leadership;
mod left_behind;
mod never_set_etag;
mod next_in_line;
mod nonsense;
mod operator;
mod pause;
mod places;
mod quota;
mod refusals;
mod refused_by_the_cluster;
mod releases;
mod rights;
mod rollout;
mod scaling;
mod undecoded;
mod upgrade;
mod variables;
mod worker_template;
