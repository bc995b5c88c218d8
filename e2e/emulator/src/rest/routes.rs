//! Which path and verb is which method.

use super::{
    request::{Query, Reply, decode_path},
    tables::Table,
    transcode,
};
use crate::{
    api::Api,
    gate::Caller,
    status::{Code, Result, Status},
};
use axum::http::Method;
use prost::Message;
use serde_json::{Value, json};

/// Runs the method that a request names.
pub(super) async fn call(
    api: &Api,
    caller: &Caller,
    verb: &Method,
    path: &str,
    query: &Query,
    body: &[u8],
) -> Result<Reply> {
    if let ("GET", Some(project)) = (verb.as_str(), monitored_project(path)) {
        return super::metrics::list(api, caller, project, query).await;
    }
    let Some(rest) = path.strip_prefix("/v1/") else {
        return Err(not_a_route(verb, path));
    };
    let rest = decode_path(rest);
    // A colon before the last slash belongs to a project such as `example.com:p`.
    let (resource, action) = match rest
        .rfind(':')
        .filter(|at| rest.rfind('/').is_some_and(|slash| slash < *at))
    {
        Some(at) => rest.split_at(at),
        None => (rest.as_str(), ""),
    };
    let segments: Vec<&str> = resource.split('/').collect();
    let request = Request {
        api,
        caller,
        query,
        body,
        name: resource.to_owned(),
    };
    match (verb.as_str(), segments.as_slice(), action) {
        ("POST", ["token"], "") => crate::identity::exchange(body).map(Reply::Value),
        // The resource manager has it as a POST, Pub/Sub as a GET.
        ("GET" | "POST", _, ":getIamPolicy") => request.get_policy().await,
        ("POST", _, ":setIamPolicy") => request.set_policy().await,
        ("POST", _, ":testIamPermissions") => request.test_permissions().await,
        (verb, ["projects", _, "topics", ..], action) => request.topics(verb, &segments, action).await,
        (verb, ["projects", _, "subscriptions", ..], action) => {
            request.subscriptions(verb, &segments, action).await
        }
        (verb, ["projects", _, "snapshots", ..], action) => request.snapshots(verb, &segments, action).await,
        (verb, ["projects", _, "schemas", ..], action) => request.schemas(verb, &segments, action).await,
        ("GET", ["projects", project], "") => {
            let call = async {
                let id = api.engine.project_id(project);
                let number = api.engine.project_number(&id);
                Ok(
                    json!({"projectId": id, "name": id, "projectNumber": number.to_string(), "lifecycleState": "ACTIVE"}),
                )
            };
            let found = api
                .gate
                .pass(&crate::methods::GET_PROJECT, resource, &[], caller, call)
                .await;
            found.map(Reply::Value)
        }
        _ => Err(not_a_route(verb, path)),
    }
}

/// Cloud Monitoring's one path.
fn monitored_project(path: &str) -> Option<&str> {
    path.strip_prefix("/v3/projects/")?
        .strip_suffix("/timeSeries")
        .filter(|project| !project.contains('/'))
}

fn not_a_route(verb: &Method, path: &str) -> Status {
    Status::new(
        Code::Unimplemented,
        format!("The emulator does not serve {verb} {path}."),
    )
}

pub(super) struct Request<'a> {
    pub(super) api: &'a Api,
    pub(super) caller: &'a Caller,
    pub(super) query: &'a Query,
    pub(super) body: &'a [u8],
    pub(super) name: String,
}

impl Request<'_> {
    /// The body as a message, with what the path says put over it.
    pub(super) fn read<M: Message + Default>(&self, table: &Table) -> Result<M> {
        let value: Value = if self.body.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(self.body)
                .map_err(|error| Status::invalid(format!("Invalid JSON payload received. {error}")))?
        };
        let bytes = transcode::from_json(&value, table)?;
        M::decode(bytes.as_slice())
            .map_err(|error| Status::invalid(format!("Invalid JSON payload received. {error}")))
    }

    pub(super) fn unknown(&self, verb: &str, action: &str) -> Status {
        Status::new(
            Code::Unimplemented,
            format!("The emulator does not serve {verb} /v1/{}{action}.", self.name),
        )
    }

    /// `projects/p` of `projects/p/topics`.
    pub(super) fn parent(&self) -> String {
        self.name
            .rsplit_once('/')
            .map(|(parent, _)| parent.to_owned())
            .unwrap_or_default()
    }

    pub(super) fn page(&self) -> Result<(i32, String)> {
        Ok((
            self.query.number("pageSize", "page_size")?,
            self.query.text("pageToken", "page_token"),
        ))
    }
}
