//! The API server's audit log: who asked for what, as the server saw it.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    path::Path,
};

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
    /// `apps`, or nothing for the core.
    pub api_group: String,
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

/// The entries of a log file from a position in it, and where they end; a last line that is still being written is left out.
pub(crate) fn read(path: &Path, from: u64) -> anyhow::Result<(Vec<Entry>, u64)> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    file.seek(SeekFrom::Start(from)).with_context(cannot)?;
    let mut lines = BufReader::new(file);
    let (mut entries, mut end, mut line) = (Vec::new(), from, String::new());
    // Line by line: the log of a fleet is larger than one likes to have in memory.
    loop {
        line.clear();
        let length = lines.read_line(&mut line).with_context(cannot)?;
        if !line.ends_with('\n') {
            return Ok((entries, end));
        }
        end += u64::try_from(length)?;
        entries.push(serde_json::from_str(&line).context("an audit entry of another shape")?);
    }
}
