//! Settings and planned faults.

use super::problem;
use crate::{api::Api, faults::Fault, settings::Settings, status::Code};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) async fn settings(State(api): State<Api>) -> Json<Settings> {
    Json(api.engine.settings.read().clone())
}

/// Changes what the body names, and nothing else.
pub(super) async fn change_settings(State(api): State<Api>, Json(change): Json<Value>) -> Response {
    let mut settings = api.engine.settings.write();
    let Ok(mut next) = serde_json::to_value(&*settings) else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "settings cannot be written");
    };
    match (next.as_object_mut(), change) {
        (Some(next), Value::Object(change)) => next.extend(change),
        _ => return problem(StatusCode::BAD_REQUEST, "the body must be an object of settings"),
    }
    match serde_json::from_value::<Settings>(next) {
        Ok(next) => {
            settings.clone_from(&next);
            Json(next).into_response()
        }
        Err(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

pub(super) async fn faults(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "faults": api.gate.faults.list() }))
}

pub(super) async fn add_fault(State(api): State<Api>, Json(fault): Json<Value>) -> Response {
    match serde_json::from_value::<Fault>(fault) {
        Ok(fault) => {
            api.gate.faults.add(fault.clone());
            Json(fault).into_response()
        }
        Err(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

pub(super) async fn clear_faults(State(api): State<Api>) -> Json<Value> {
    api.gate.faults.clear();
    Json(json!({}))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Break {
    code: Option<Code>,
}

pub(super) async fn break_streams(State(api): State<Api>, body: Option<Json<Break>>) -> Json<Value> {
    let code = body.and_then(|Json(body)| body.code);
    Json(json!({ "streams": super::break_streams(&api, code) }))
}
