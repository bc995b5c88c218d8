//! The call log and the counters.

use crate::{api::Api, calls::Call};
use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
pub(super) struct Wanted {
    /// Only this method; a trailing `*` stands for anything.
    method: Option<String>,
    /// Only calls with this sequence number or a later one.
    since: Option<u64>,
}

pub(super) async fn list(State(api): State<Api>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let mut calls = api.gate.calls.all();
    calls.retain(|call| wanted.admits(call));
    Json(json!({ "calls": calls }))
}

impl Wanted {
    fn admits(&self, call: &Call) -> bool {
        let by_method = self
            .method
            .as_deref()
            .is_none_or(|method| match method.strip_suffix('*') {
                Some(prefix) => call.method.starts_with(prefix),
                None => call.method == method,
            });
        by_method && self.since.is_none_or(|since| call.sequence >= since)
    }
}

pub(super) async fn clear(State(api): State<Api>) -> Json<Value> {
    api.gate.calls.clear();
    Json(json!({}))
}

pub(super) async fn counters(State(api): State<Api>) -> Json<Value> {
    let calls: Vec<Value> = api
        .gate
        .calls
        .counts()
        .into_iter()
        .map(|((method, code, caller), count)| {
            json!({ "method": method, "code": code, "caller": caller, "count": count })
        })
        .collect();
    Json(json!({ "calls": calls, "subscriptions": api.engine.all_stats() }))
}
