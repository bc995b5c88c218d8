//! Whether an operator has come to rest: what is as it should be is not written again.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "this is how a test fails"
)]

use pubsub_emulator::Emulator;

use crate::{
    control_plane::{ControlPlane, OPERATOR},
    eventually::eventually,
    pubsub::{resyncs, writes},
    tenants::PATIENCE,
};

/// Waits until the operator has compared everything twice and written nothing, neither to Pub/Sub nor to the API server.
pub async fn is_quiet(plane: &ControlPlane, emulator: &Emulator) {
    let written = || [writes(emulator), plane.writes(OPERATOR).unwrap()];
    eventually("nothing is written any more", PATIENCE, async || {
        let before = written().map(|list| list.len());
        resyncs(emulator, 2).await;
        let more: Vec<_> = written()
            .into_iter()
            .zip(before)
            .flat_map(|(list, count)| list.into_iter().skip(count))
            .collect();
        if more.is_empty() { Ok(()) } else { Err(more) }
    })
    .await;
}
