//! The API server's audit log: who asked for what, as the server saw it.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde::Deserialize;

/// One request, as the audit log has it (<https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `get`, `list`, `watch`, `create`, `patch` …
    pub verb: String,
    /// The path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who asked.
    pub user: User,
    /// About what, where it is about an object.
    pub object_ref: Option<ObjectRef>,
    /// What was answered.
    pub response_status: Option<ResponseStatus>,
}

/// Who asked.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    /// The user's name.
    pub username: String,
}

/// About what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// `tenants`, `pods` …
    pub resource: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// `status`, or nothing.
    pub subresource: String,
}

/// What was answered.
#[derive(Debug, Clone, Deserialize)]
pub struct ResponseStatus {
    /// The HTTP status.
    pub code: u16,
}

impl Entry {
    /// Whether it asked to change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

/// Every entry of a log file; a last line that is still being written is left out.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let complete = text
        .rfind('\n')
        .map_or("", |end| text.get(..end).unwrap_or_default());
    complete
        .lines()
        .map(|line| serde_json::from_str(line).context("an audit entry of another shape"))
        .collect()
}
