//! What exists, with what the service's own API does not show.

use super::problem;
use crate::{api::Api, iam::pb as iam};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) async fn topics(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "topics": api.engine.topic_names() }))
}

pub(super) async fn subscriptions(State(api): State<Api>) -> Json<Value> {
    Json(json!({ "subscriptions": api.engine.all_stats() }))
}

pub(super) async fn projects(State(api): State<Api>) -> Json<Value> {
    let projects: Vec<Value> = api
        .engine
        .project_numbers()
        .into_iter()
        .map(|(id, number)| json!({ "projectId": id, "projectNumber": number.to_string() }))
        .collect();
    Json(json!({ "projects": projects }))
}

/// `{"projectNumber": "123"}`
pub(super) async fn set_project(
    State(api): State<Api>,
    Path(project): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let number = body.get("projectNumber");
    let number = number.and_then(|n| {
        n.as_u64()
            .or_else(|| n.as_str().and_then(|text| text.parse().ok()))
    });
    match number {
        Some(number) => {
            api.engine.set_project_number(&project, number);
            Json(json!({ "projectId": project, "projectNumber": number.to_string() })).into_response()
        }
        None => problem(StatusCode::BAD_REQUEST, "projectNumber must be a number"),
    }
}

/// A policy as an administrator would give it who needs no permission himself.
#[derive(Deserialize)]
pub(super) struct Policy {
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
struct Binding {
    role: String,
    members: Vec<String>,
}

/// Replaces the policy of a resource or a project, past the gate: with access control on, somebody
/// has to be let in first.
pub(super) async fn set_policy(
    State(api): State<Api>,
    Path(resource): Path<String>,
    Json(policy): Json<Policy>,
) -> Response {
    let bindings = policy.bindings.into_iter();
    let bindings = bindings
        .map(|b| iam::Binding {
            role: b.role,
            members: b.members,
            condition: None,
        })
        .collect();
    let policy = iam::Policy {
        bindings,
        ..iam::Policy::default()
    };
    let request = iam::SetIamPolicyRequest {
        resource,
        policy: Some(policy),
        update_mask: None,
    };
    match api.engine.set_policy(request) {
        Ok(_) => Json(json!({})).into_response(),
        Err(status) => {
            let code = StatusCode::from_u16(status.code.http()).unwrap_or(StatusCode::BAD_REQUEST);
            problem(code, &status.message)
        }
    }
}
