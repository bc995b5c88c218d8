//! The emulator's own HTTP API: `/emulator/v1/…` and `/healthz`. None of it is in the call log.

mod calls;
mod inspect;
mod plans;

use crate::{api::Api, status::Code};
use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde_json::json;

/// Routes of the control API.
pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/emulator/v1/calls", get(calls::list).delete(calls::clear))
        .route("/emulator/v1/counters", get(calls::counters))
        .route(
            "/emulator/v1/settings",
            get(plans::settings).patch(plans::change_settings),
        )
        .route(
            "/emulator/v1/faults",
            get(plans::faults)
                .post(plans::add_fault)
                .delete(plans::clear_faults),
        )
        .route("/emulator/v1/streams:break", post(plans::break_streams))
        .route("/emulator/v1/topics", get(inspect::topics))
        .route("/emulator/v1/subscriptions", get(inspect::subscriptions))
        .route("/emulator/v1/projects", get(inspect::projects))
        .route("/emulator/v1/projects/{project}", put(inspect::set_project))
        .route("/emulator/v1/policies/{*resource}", put(inspect::set_policy))
        .fallback(|| async {
            problem(
                StatusCode::NOT_FOUND,
                "there is no such path; see the README for the control API",
            )
        })
        .with_state(api)
}

fn problem(status: StatusCode, message: &str) -> Response {
    (
        status,
        Json(json!({ "error": { "code": status.as_u16(), "message": message } })),
    )
        .into_response()
}

/// Ends every open stream. Returns how many there were.
pub(crate) fn break_streams(api: &Api, code: Option<Code>) -> usize {
    api.engine.break_streams(code.unwrap_or(Code::Unavailable))
}
