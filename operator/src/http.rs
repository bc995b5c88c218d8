//! Metrics and probes.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use parking_lot::RwLock;

use crate::{census, context::Context, metrics::Metrics, pubsub::budget::Budget, scaler::Scaler};

/// What this process is doing, for those who ask.
pub struct Activity {
    metrics: Arc<Metrics>,
    budget: Arc<Budget>,
    stage: RwLock<Stage>,
    scaler: OnceLock<Arc<Scaler>>,
}

#[derive(Clone)]
enum Stage {
    Starting,
    /// Another replica leads; this one could take over, so it is as ready as it can be.
    Waiting,
    /// Another release writes for this cluster, which this one is not ready for.
    Yielding(String),
    /// The caches are filled and reconciles run.
    Working(Arc<Context>),
}

impl Activity {
    /// A process that starts.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, budget: Arc<Budget>) -> Self {
        Self {
            metrics,
            budget,
            stage: RwLock::new(Stage::Starting),
            scaler: OnceLock::new(),
        }
    }

    /// It answers KEDA, whether it leads or not.
    pub fn answers(&self, scaler: Arc<Scaler>) {
        // There is one for the life of the process.
        let _ = self.scaler.set(scaler);
    }

    /// It waits for another replica to end.
    pub fn waits(&self) {
        *self.stage.write() = Stage::Waiting;
    }

    /// It leads its own release, and this other one has the cluster.
    pub fn yields(&self, release: &str) {
        *self.stage.write() = Stage::Yielding(release.to_owned());
        self.metrics.set_yields(Some(release));
    }

    /// It leads, and fills its caches.
    pub fn begins(&self) {
        *self.stage.write() = Stage::Starting;
        self.metrics.set_leading(true);
        self.metrics.set_yields(None);
    }

    /// Its caches are filled.
    pub fn works(&self, ctx: Arc<Context>) {
        *self.stage.write() = Stage::Working(ctx);
    }
}

/// Answers `/metrics`, `/healthz` and `/readyz` until the process ends.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(address: SocketAddr, activity: Arc<Activity>) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/metrics", get(metrics))
        // It answers, so it lives; a watch that does not get on shows in the metrics.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(activity);
    let listener = tokio::net::TcpListener::from_std(events::listen(address)?)?;
    tracing::info!(%address, "Metrics and probes are answered.");
    axum::serve(listener, routes).await
}

async fn ready(State(activity): State<Arc<Activity>>) -> (StatusCode, Cow<'static, str>) {
    match &*activity.stage.read() {
        Stage::Starting => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the caches are being filled\n".into(),
        ),
        Stage::Waiting => (StatusCode::OK, "ok: another replica leads\n".into()),
        Stage::Yielding(release) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "the release {release} writes for the Tenants of this cluster; this one writes nothing\n"
            )
            .into(),
        ),
        Stage::Working(_) => (StatusCode::OK, "ok\n".into()),
    }
}

async fn metrics(State(activity): State<Arc<Activity>>) -> impl IntoResponse {
    let stage = activity.stage.read().clone();
    let quota = activity.budget.now();
    activity.metrics.set_quota(quota.calls_per_minute, quota.wait);
    // Whoever counted before the caches are filled would count nothing where there is something.
    if let Stage::Working(ctx) = stage {
        census::count(&ctx);
    }
    if let Some(scaler) = activity.scaler.get() {
        activity.metrics.set_backlogs(scaler.known());
    }
    match activity.metrics.render() {
        Ok(text) => (
            StatusCode::OK,
            [("content-type", "text/plain; version=0.0.4")],
            text,
        ),
        Err(error) => {
            let text = error.to_string().into_bytes();
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                [("content-type", "text/plain")],
                text,
            )
        }
    }
}
