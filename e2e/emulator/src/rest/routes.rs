//! Which path and verb is which method.

use super::{
    request::{Query, Reply, decode_path},
    tables::Table,
    transcode,
};
use crate::{
    api::Api,
    gate::Caller,
    limits::MAX_ENTRIES,
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
    match (verb.as_str(), path_of_third_version(path)) {
        ("GET", Some((project, "timeSeries"))) => {
            return super::metrics::list(api, caller, project, query).await;
        }
        // Its resource manager names a project by its number (https://cloud.google.com/resource-manager/reference/rest/v3/projects).
        ("GET", Some((project, ""))) => {
            let third = |id: &str, number: u64| json!({"name": format!("projects/{number}"), "projectId": id, "state": "ACTIVE"});
            return self::project(api, caller, project, third).await;
        }
        _ => {}
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
            let first = |id: &str, number: u64| json!({"projectId": id, "name": id, "projectNumber": number.to_string(), "lifecycleState": "ACTIVE"});
            self::project(api, caller, project, first).await
        }
        _ => Err(not_a_route(verb, path)),
    }
}

/// A project, in the form of a version of the resource manager.
async fn project(
    api: &Api,
    caller: &Caller,
    project: &str,
    form: impl Fn(&str, u64) -> serde_json::Value,
) -> Result<Reply> {
    let resource = format!("projects/{project}");
    let call = async {
        let id = api.engine.project_id(project);
        let number = api.engine.project_number(&id);
        Ok(form(&id, number))
    };
    let found = api
        .gate
        .pass(&crate::methods::GET_PROJECT, &resource, &[], caller, call)
        .await;
    found.map(Reply::Value)
}

/// The project, and what is asked for of it: Cloud Monitoring's `timeSeries`, or nothing more.
fn path_of_third_version(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v3/projects/")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

fn not_a_route(verb: &Method, path: &str) -> Status {
    Status::new(
        Code::Unimplemented,
        format!("The emulator does not serve {verb} {path}."),
    )
}

/// Commas and openings outside strings: no JSON has more values than that and one. A value of two
/// bytes in the text is some thirty in memory.
fn entries(body: &[u8]) -> usize {
    let (mut count, mut in_text, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
    }
    count
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
        message(&self.json()?, table)
    }

    /// An update. Its mask stands in the body, as the method is annotated, or in the query, where the service takes it
    /// from as well (Terraform's provider and Config Connector put it there).
    pub(super) fn read_update<M: Message + Default>(&self, table: &Table) -> Result<M> {
        let mut value = self.json()?;
        let mask = ["updateMask", "update_mask"]
            .iter()
            .find_map(|name| self.query.get(name));
        if let (Some(mask), Value::Object(fields)) = (mask, &mut value) {
            fields.remove("update_mask");
            fields.insert("updateMask".to_owned(), Value::from(mask));
        }
        message(&value, table)
    }

    fn json(&self) -> Result<Value> {
        let value: Value = if self.body.is_empty() {
            json!({})
        } else {
            if entries(self.body) > MAX_ENTRIES {
                return Err(Status::invalid(format!(
                    "The request has more than {MAX_ENTRIES} entries."
                )));
            }
            serde_json::from_slice(self.body)
                .map_err(|error| Status::invalid(format!("Invalid JSON payload received. {error}")))?
        };
        Ok(value)
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

fn message<M: Message + Default>(value: &Value, table: &Table) -> Result<M> {
    let bytes = transcode::from_json(value, table)?;
    M::decode(bytes.as_slice())
        .map_err(|error| Status::invalid(format!("Invalid JSON payload received. {error}")))
}

#[cfg(test)]
mod tests {
    use super::entries;

    #[test]
    fn entries_are_counted_outside_texts() {
        assert_eq!(entries(br#"{"a": [1, 2], "b": {}}"#), 5);
        assert_eq!(entries(br#"{"a,[": "\",{", "b\\": ""}"#), 2);
    }
}
