//! Is the worker fit to work, and if not, why? Served on `/healthz` and `/readyz`, with `/metrics` beside them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use parking_lot::RwLock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// What keeps the worker from working, by who says so.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Problems>);

#[derive(Debug, Default)]
struct Problems {
    by_who: RwLock<BTreeMap<String, String>>,
    /// How many there are: asked for with every message, and nearly always zero.
    count: AtomicUsize,
}

impl Health {
    /// Says that something keeps the worker from working, and what to do about it.
    pub fn blocked(&self, who: impl Into<String>, why: impl Into<String>) {
        let mut problems = self.0.by_who.write();
        problems.insert(who.into(), why.into());
        self.0.count.store(problems.len(), Ordering::Release);
    }

    /// Takes that back.
    pub fn fine(&self, who: &str) {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut problems = self.0.by_who.write();
        problems.remove(who);
        self.0.count.store(problems.len(), Ordering::Release);
    }

    /// Everything that keeps the worker from working, a line each; none when it is ready.
    #[must_use]
    pub fn problems(&self) -> Option<String> {
        let problems = self.0.by_who.read();
        let lines = problems.iter().map(|(who, why)| format!("{who}: {why}\n"));
        (!problems.is_empty()).then(|| lines.collect())
    }
}

#[derive(Clone)]
struct Shared {
    health: Health,
    metrics: Option<Arc<Metrics>>,
}

/// Listens, so that a busy port is an error at the start; on `[::]` for both families.
///
/// # Errors
/// When the address cannot be bound.
#[allow(
    clippy::unused_async,
    reason = "it needs the runtime that an async function is sure to have"
)]
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::from_std(events::listen(address)?)
}

/// Serves health, and metrics if there are any to serve, until told to stop.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Option<Arc<Metrics>>,
    stop: CancellationToken,
) {
    let app = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(text))
        .with_state(Shared { health, metrics });
    let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "The health and metrics server ended.");
    }
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    shared.health.problems().map_or_else(
        || (StatusCode::OK, "ok\n".to_owned()),
        |problems| (StatusCode::SERVICE_UNAVAILABLE, problems),
    )
}

async fn text(State(shared): State<Shared>) -> Response {
    let Some(metrics) = shared.metrics else {
        return (StatusCode::NOT_FOUND, "metrics are off: ENABLE_METRICS\n").into_response();
    };
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_until_it_is_gone() {
        let health = Health::default();
        assert_eq!(health.problems(), None);
        health.blocked("handler", "not there");
        health.blocked("store", "not reachable");
        assert_eq!(
            health.problems().unwrap(),
            "handler: not there\nstore: not reachable\n"
        );
        health.fine("handler");
        health.fine("store");
        assert_eq!(health.problems(), None);
    }
}
