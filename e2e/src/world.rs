//! An API server and a Pub/Sub of its own, with an operator that may go wrong at each of its writes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "this is how a test fails"
)]

use std::{collections::BTreeMap, env, ops::Range, time::Duration};

use event_operator::run;
use kube::Client;
use pubsub_emulator::Emulator;
use serde_json::json;

use crate::{
    control_plane::{ADMIN, ControlPlane, OPERATOR},
    eventually::eventually,
    portrait::{Portrait, at_rest},
    pubsub::{made_and_deleted, resyncs},
    sabotage::{SabotagedPubSub, Saboteur},
    stage::{install_crds, play_kubelet, ports, settings_on},
    tenants::PATIENCE,
};

/// The seeds of a test that has a run for each: `{name}_SEEDS` of them, or so many, from `{name}_SEED` or 1.
#[must_use]
pub fn seeds(name: &str, count: u64) -> Range<u64> {
    let number = |name: String, default: u64| env::var(name).map_or(default, |text| text.parse().unwrap());
    let first = number(format!("{name}_SEED"), 1);
    first..first + number(format!("{name}_SEEDS"), count)
}

/// One API server, one Pub/Sub.
pub struct World {
    /// The API server.
    pub plane: ControlPlane,
    /// Pub/Sub.
    pub emulator: Emulator,
    /// What the test itself does.
    pub client: Client,
    /// What goes wrong with the operator's writes.
    pub saboteur: Saboteur,
}

impl World {
    /// Starts both.
    pub async fn new() -> Self {
        let plane = tokio::task::spawn_blocking(ControlPlane::start)
            .await
            .unwrap()
            .unwrap();
        let client = plane.client(ADMIN).await.unwrap();
        install_crds(&client).await.unwrap();
        tokio::spawn(play_kubelet(client.clone()));
        Self {
            emulator: Emulator::builder().start().await.unwrap(),
            plane,
            client,
            saboteur: Saboteur::default(),
        }
    }

    /// An operator that ends when its saboteur says so, and then begins anew, knowing nothing. Its topics have this prefix.
    pub async fn operate(&self, prefix: &str) {
        let settings = settings_on(&self.emulator, json!({"topicPrefix": prefix}), |settings| {
            settings.resync = Duration::from_millis(500);
        })
        .unwrap();
        loop {
            let client = self.plane.client_through(OPERATOR, &self.saboteur).await.unwrap();
            let saboteur = self.saboteur.clone();
            let (ports, metrics) = ports(client, &settings, |inner| SabotagedPubSub { inner, saboteur })
                .await
                .unwrap();
            let operator = run::serve(settings.clone(), ports, metrics, |_| (), std::future::pending());
            tokio::select! {
                ended = operator => panic!("the operator ended by itself: {ended:?}"),
                () = self.saboteur.end() => {}
            }
        }
    }

    /// Portraits are compared once what the Tenant waits for has come to rest.
    pub async fn portrait(&self, name: &str, prefix: &str) -> Portrait {
        at_rest(&self.client, &self.emulator, name, prefix).await
    }

    /// A resync goes by without a write.
    pub async fn is_quiet(&self, name: &str) {
        eventually(&format!("{name} is left in peace"), PATIENCE, async || {
            let writes = self.saboteur.writes().len();
            resyncs(&self.emulator, 2).await;
            let more = self.saboteur.writes().split_off(writes);
            if more.is_empty() { Ok(()) } else { Err(more) }
        })
        .await;
    }

    /// How often each object in Pub/Sub was made and deleted with success.
    #[must_use]
    pub fn made_and_deleted(&self, name: &str, prefix: &str) -> BTreeMap<String, usize> {
        let masked = |what: &str| what.replace(prefix, "PREFIX").replace(name, "TENANT");
        made_and_deleted(&self.emulator)
            .into_iter()
            .filter(|(what, _)| what.contains(prefix))
            .map(|(what, count)| (masked(&what), count))
            .collect()
    }
}
