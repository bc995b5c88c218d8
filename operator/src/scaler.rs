//! What KEDA asks before it scales a tenant's worker: how many messages wait for it. Every replica answers, whether it leads
//! or not, with what it has measured itself.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`protocol`] | in which words does KEDA ask? |
//! | [`tenants`] | which subscriptions does a tenant's worker pull? |
//! | [`waiting`] | how many messages wait, and is that certain? |
//! | [`service`] | what is KEDA told? |

pub mod protocol;
pub mod service;
pub mod tenants;
pub mod waiting;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use events::ProjectId;
use jiff::Timestamp;
use kube::Client;
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

use self::{
    protocol::external_scaler_server::ExternalScalerServer,
    service::Service,
    tenants::Tenants,
    waiting::{Pulled, Waiting, waiting},
};
use crate::{
    monitoring::{
        Unread,
        backlog::{Backlogs, Measured},
    },
    settings::Settings,
};

/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Notices a KEDA that went without a word.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Knows how many messages wait for each tenant.
pub struct Scaler {
    tenants: Tenants,
    backlogs: Arc<Backlogs>,
}

/// Why there is no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// No Tenant of that name has that namespace.
    #[error("there is no Tenant {tenant:?} with namespace {namespace:?}")]
    Unknown {
        /// The name.
        tenant: String,
        /// The namespace.
        namespace: String,
    },
    /// The operator does not know its tenants yet.
    #[error("the operator has just started, and does not know its tenants yet")]
    Starting,
    /// What was measured is too old, or nothing was.
    #[error("the backlog is not known: {0}")]
    Unread(#[from] Unread),
}

impl Scaler {
    /// One that knows nothing yet; see [`Scaler::serve`].
    #[must_use]
    pub fn new(backlogs: Arc<Backlogs>, settings: &Settings) -> Self {
        Self {
            tenants: Tenants::new(settings),
            backlogs,
        }
    }

    /// How many messages wait for a tenant's worker.
    ///
    /// # Errors
    /// When that is not known.
    pub async fn waiting(&self, tenant: &str, namespace: &str) -> Result<Waiting, NoAnswer> {
        let pulled = self.tenants.pulled(tenant, namespace)?;
        let mut measured: Vec<(ProjectId, Measured)> = Vec::new();
        for one in &pulled {
            let project = one.name.project();
            if !measured.iter().any(|(id, _)| id == project) {
                measured.push((project.clone(), self.backlogs.of(project).await?));
            }
        }
        Ok(waiting(&pulled, Timestamp::now(), |name| {
            let (_, measured) = measured.iter().find(|(id, _)| id == name.project())?;
            measured.messages(name)
        }))
    }

    /// What is known by now of every tenant, for metrics; asks nobody.
    #[must_use]
    pub fn known(&self) -> Vec<(String, u64)> {
        let known = |(tenant, pulled): (String, Vec<Pulled>)| {
            let mut messages = None;
            for one in &pulled {
                let measured = self.backlogs.known(one.name.project()).ok()?.messages(&one.name);
                if let Some(more) = measured {
                    messages = Some(messages.unwrap_or(0_u64).saturating_add(more));
                }
            }
            Some((tenant, messages?))
        };
        self.tenants.all().into_iter().filter_map(known).collect()
    }

    /// Learns of tenants from the API server, and answers on this socket, until the process ends.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub async fn serve(self: Arc<Self>, client: Client, listener: TcpListener) -> anyhow::Result<()> {
        tracing::info!(address = ?listener.local_addr().ok(), "KEDA's questions are answered.");
        let service = ExternalScalerServer::new(Service::new(Arc::clone(&self)));
        let server = Server::builder()
            .timeout(DEADLINE)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        tokio::select! {
            () = self.tenants.watch(&client) => anyhow::bail!("a watch of the API server ended"),
            ended = server => ended.context("the scaler's socket cannot be used"),
        }
    }
}

#[cfg(test)]
mod tests;
