//! The development server: publish over HTTP, and watch what becomes of it.

mod guard;
mod openapi;
mod page;
mod problem;
mod publish;
mod stream;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    middleware,
    routing::{MethodRouter, get, post},
};
use events::{Publisher, TenantId};
use parking_lot::RwLock;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::problem::Problem;
use crate::{feed::Feed, samples};

/// The largest body: a batch may hold several events, and a message of Pub/Sub has 10 MB at most.
const LARGEST_BODY: usize = 20_000_000;

/// What the server knows.
#[derive(Debug)]
pub(crate) struct Dev {
    /// Made anew when the catalogue changes.
    pub(crate) publisher: RwLock<Publisher>,
    pub(crate) feed: Feed,
    /// The tenants that have a worker; where there is none, it is not known, and every tenant is taken.
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) project: String,
}

type Shared = Arc<Dev>;

/// Every route; `openapi.json` describes those that are not the page's.
fn routes() -> Vec<(&'static str, MethodRouter<Shared>)> {
    vec![
        ("/test/publish-event", post(publish::test_event)),
        ("/events", post(publish::cloud_events)),
        ("/events/stream", get(stream::stream)),
        ("/about", get(about)),
        ("/openapi.json", get(openapi::document)),
        ("/", get(page::html)),
        ("/page.js", get(page::script)),
        ("/page.css", get(page::style)),
    ]
}

/// The whole server, for one of the hosts that may be asked for.
pub(crate) fn app(dev: Shared, hosts: guard::Hosts) -> Router {
    let router = routes().into_iter().fold(Router::new(), |router, (path, route)| {
        router.route(path, route.fallback(problem::wrong_method))
    });
    router
        .fallback(problem::no_route)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn(move |request, next| {
            guard::only_own_hosts(hosts.clone(), request, next)
        }))
        .with_state(dev)
}

/// Listens, and serves until the process ends.
pub(crate) fn serve(
    listen: SocketAddr,
    dev: Shared,
    hosts: Vec<String>,
) -> anyhow::Result<(SocketAddr, tokio::task::JoinHandle<std::io::Result<()>>)> {
    let listener = events::listen(listen).with_context(|| format!("--listen: cannot listen on {listen}"))?;
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    let app = app(dev, guard::Hosts::new(hosts));
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((address, serving))
}

/// What there is to publish to, for the page's form.
async fn about(State(dev): State<Shared>) -> Json<Value> {
    let catalogue = dev.publisher.read().catalogue().clone();
    let topics = catalogue
        .topics()
        .map(|(key, topic)| (key.to_owned(), json!(topic.to_string())));
    Json(json!({
        "project": dev.project,
        "tenants": dev.tenants.iter().map(TenantId::as_str).collect::<Vec<_>>(),
        "topics": topics.collect::<serde_json::Map<_, _>>(),
        "samples": samples::all(),
    }))
}

impl Dev {
    /// Refuses an event that no worker here would ever get.
    fn check_tenant(&self, tenant: &TenantId) -> Result<(), Problem> {
        if self.tenants.is_empty() || self.tenants.contains(tenant) {
            return Ok(());
        }
        let known: Vec<&str> = self.tenants.iter().map(TenantId::as_str).collect();
        let detail = format!(
            "no worker is here for this tenant; there are {}, and --tenant adds more",
            known.join(", ")
        );
        Err(Problem::field("tenant_id", detail))
    }
}

#[cfg(test)]
mod tests;
