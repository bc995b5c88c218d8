//! I/O: takes the Lease, renews it, gives it back.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use rand::Rng as _;
use tokio::time::{Instant, sleep, timeout};

use super::{
    Permit,
    record::{Sighting, Step, Times, spec},
};

/// One replica's part in the election.
pub struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    times: Times,
    permit: Permit,
    seen: Option<Sighting>,
}

impl Election {
    /// Stands for election for the Lease of this name. The client is one without a guard: the Lease is what permits are
    /// made of.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: String,
        times: Times,
        permit: Permit,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity,
            times,
            permit,
            seen: None,
        }
    }

    /// Waits until this replica leads. Then its permit is given. Whoever is in its way is told to `waits`, once each.
    pub async fn win(&mut self, waits: impl Fn(&str)) {
        let mut said = None;
        loop {
            match self.round().await {
                Ok(true) => {
                    tracing::info!(
                        lease = self.name,
                        identity = self.identity,
                        "This replica has the lease."
                    );
                    return;
                }
                Ok(false) => {
                    let holder = self.seen.as_ref().and_then(Sighting::holder).map(str::to_owned);
                    if let Some(holder) = &holder
                        && Some(holder) != said.as_ref()
                    {
                        waits(holder);
                    }
                    said = holder.or(said);
                }
                Err(error) => {
                    tracing::warn!(lease = self.name, %error, "The lease could not be read or written.");
                }
            }
            sleep(self.pause()).await;
        }
    }

    /// Only looks, for as long as it is polled: when it stands for election later, it knows how long the holder has been
    /// silent.
    pub async fn look_on(&mut self) {
        loop {
            if let Ok(Some(lease)) = self.api.get_opt(&self.name).await {
                self.seen = Some(Sighting::look(self.seen.as_ref(), lease, Instant::now()));
            }
            sleep(self.pause()).await;
        }
    }

    fn pause(&self) -> Duration {
        self.times.retry.mul_f64(rand::rng().random_range(1.0..1.2))
    }

    /// Renews the Lease until that is no longer possible; then the permit has ended.
    pub async fn keep(&mut self) {
        loop {
            sleep(self.times.retry).await;
            match timeout(self.times.renew, self.round()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    self.permit.withdraw();
                    let holder = self.seen.as_ref().and_then(Sighting::holder);
                    tracing::error!(lease = self.name, holder, "Another replica took the lease.");
                    return;
                }
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.name, %error, "The lease could not be renewed; tried again.");
                }
                Err(_) => tracing::warn!(
                    lease = self.name,
                    "The renewal of the lease was not answered; tried again."
                ),
            }
            if self.permit.check().is_err() {
                tracing::error!(lease = self.name, "The lease was not renewed in time.");
                return;
            }
        }
    }

    /// Gives the Lease back, so that the next replica need not wait. Only once nothing is written any more.
    pub async fn resign(&mut self) {
        self.permit.withdraw();
        let Some(seen) = self
            .seen
            .take()
            .filter(|seen| seen.holder() == Some(&self.identity))
        else {
            return;
        };
        let (params, released) = (PostParams::default(), seen.released());
        let given_back = self.api.replace(&self.name, &params, &released);
        match timeout(self.times.retry, given_back).await {
            Ok(Ok(_)) => tracing::info!(lease = self.name, "The lease was given back."),
            // It ends by itself.
            Ok(Err(error)) => tracing::info!(lease = self.name, %error, "The lease could not be given back."),
            Err(_) => tracing::info!(lease = self.name, "Giving the lease back was not answered."),
        }
    }

    /// Looks once and does what follows; says whether this replica leads.
    async fn round(&mut self) -> kube::Result<bool> {
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(spec(&self.identity, &self.times, Timestamp::now())),
            };
            return self.write(lease, true).await;
        };
        let now = Instant::now();
        let seen = Sighting::look(self.seen.as_ref(), lease, now);
        let step = seen.step(&self.identity, now);
        let held = seen.held_by(&self.identity, &self.times, Timestamp::now());
        self.seen = Some(seen);
        match step {
            Step::Wait => Ok(false),
            Step::Renew | Step::Take => self.write(held, false).await,
        }
    }

    async fn write(&mut self, lease: Lease, new: bool) -> kube::Result<bool> {
        // From before the request: what comes later is on the safe side.
        let begun = Instant::now();
        let params = PostParams::default();
        let written = match new {
            true => self.api.create(&params, &lease).await,
            false => self.api.replace(&self.name, &params, &lease).await,
        };
        match written {
            Ok(lease) => {
                self.seen = Some(Sighting::look(self.seen.as_ref(), lease, Instant::now()));
                self.permit.extend(begun + self.times.renew);
                Ok(true)
            }
            // Somebody was faster; the next look says who. A holder's permit goes on until then, or ends by itself.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(self.permit.check().is_ok()),
            Err(error) => Err(error),
        }
    }
}
