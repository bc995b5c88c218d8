//! Metrics and probes.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use crds::{ConditionType, condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::context::Context;

/// Answers `/metrics`, `/healthz` and `/readyz` until the process ends.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(address: SocketAddr, ctx: Arc<Context>) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/metrics", get(metrics))
        // It answers, so it lives; a watch that does not get on shows in the metrics.
        .route("/healthz", get(|| async { "ok\n" }))
        // Listening begins when all caches are filled.
        .route("/readyz", get(|| async { "ok\n" }))
        .with_state(ctx);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, routes).await
}

async fn metrics(State(ctx): State<Arc<Context>>) -> impl IntoResponse {
    count_objects(&ctx);
    match ctx.metrics.render() {
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

/// Gauges are counted when they are asked for, so that they cannot be forgotten anywhere.
fn count_objects(ctx: &Context) {
    let tenants = ctx.tenants.state();
    let tenants = tenants
        .iter()
        .map(|one| one.status.as_ref().map(|status| status.conditions.as_slice()));
    count(ctx, "Tenant", tenants);
    let subscriptions = ctx.subscriptions.state();
    let subscriptions = subscriptions
        .iter()
        .map(|one| one.status.as_ref().map(|status| status.conditions.as_slice()));
    count(ctx, "EventSubscription", subscriptions);
}

fn count<'a>(ctx: &Context, kind: &str, objects: impl Iterator<Item = Option<&'a [Condition]>>) {
    let (mut yes, mut no, mut unknown) = (0, 0, 0);
    for conditions in objects {
        let ready = condition::find(conditions.unwrap_or_default(), ConditionType::Ready);
        match ready.map(|condition| condition.status.as_str()) {
            Some("True") => yes += 1,
            Some("False") => no += 1,
            _ => unknown += 1,
        }
    }
    for (ready, number) in [("True", yes), ("False", no), ("Unknown", unknown)] {
        ctx.metrics.set_objects(kind, ready, number);
    }
}
