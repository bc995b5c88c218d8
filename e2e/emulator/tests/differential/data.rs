//! The files: scenarios, the rows they cover, and the differences that are known.

use pubsub_emulator::Settings;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// A limit, rule or permission of the service that somebody can rely on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) says: String,
    pub(crate) document: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Also the project that it runs in.
    pub(crate) id: String,
    pub(crate) rows: Vec<String>,
    /// The document that says what is expected.
    pub(crate) source: String,
    /// Settings of ours; other servers have none.
    #[serde(default)]
    pub(crate) settings: Settings,
    /// Roles on the project before the first step, for ours.
    #[serde(default)]
    pub(crate) grants: Vec<Grant>,
    /// What is in the project before the first step, in ours.
    #[serde(default)]
    pub(crate) existing: Existing,
    pub(crate) steps: Vec<Step>,
}

/// Numbers of things that are called `topic-1` and so on. Subscriptions and snapshots are of the
/// first topic.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Existing {
    pub(crate) topics: u32,
    pub(crate) subscriptions: u32,
    pub(crate) snapshots: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) role: String,
    pub(crate) to: String,
}

impl Scenario {
    pub(crate) fn project(&self) -> String {
        format!("projects/{}", self.id)
    }
}

/// What is done (one of the first fields), and what must come of it. In texts `{p}` is the project's name, `{n}` the number of
/// the repetition, and `{name}` what an earlier step saved.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// A unary call: `Publisher/CreateTopic`.
    #[serde(default)]
    pub(crate) call: Option<String>,
    /// Its request, in proto3's JSON.
    #[serde(default)]
    pub(crate) with: Value,
    /// How often, with `{n}` from 1; the first refusal is what was seen.
    #[serde(default = "once")]
    pub(crate) times: u32,
    /// Pulls until as many messages came as are expected, or the time is over. The reply is
    /// `{"messages": […]}`, in the order of their data unless `ordered`.
    #[serde(default)]
    pub(crate) pull: Option<Pull>,
    /// Opens a stream, reads from it for a while, and closes it. The reply is as with `pull`.
    #[serde(default)]
    pub(crate) stream: Option<Stream>,
    /// A GET of the REST surface. The reply is the body.
    #[serde(default)]
    pub(crate) get: Option<String>,
    /// Seconds in which time does its work.
    #[serde(default)]
    pub(crate) wait: Option<f64>,
    /// The caller's principal.
    #[serde(default)]
    pub(crate) by: Option<String>,
    /// `OK`, or the name of a status code.
    #[serde(default = "ok")]
    pub(crate) code: String,
    /// A part of the error's message.
    #[serde(default)]
    pub(crate) says: Option<String>,
    /// A part of the error's details.
    #[serde(default)]
    pub(crate) details: Option<Value>,
    /// A part of the reply. In a list, each element in its place.
    #[serde(default)]
    pub(crate) reply: Option<Value>,
    /// Fields that the reply must not have.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// What later steps need: a name, and a JSON pointer into the reply.
    #[serde(default)]
    pub(crate) save: BTreeMap<String, String>,
    /// Why, for readers.
    #[serde(default)]
    #[allow(dead_code, reason = "a comment that a report could show")]
    pub(crate) because: Option<String>,
}

fn ok() -> String {
    "OK".to_owned()
}

fn once() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pull {
    pub(crate) from: String,
    /// Messages to wait for. One more pull then shows that there are no others.
    pub(crate) expect: usize,
    /// Seconds to wait for them.
    #[serde(default = "patience")]
    pub(crate) within: f64,
    #[serde(default)]
    pub(crate) ordered: bool,
    /// The ack ids are saved under this name, as a list.
    #[serde(default)]
    pub(crate) hold: Option<String>,
}

fn patience() -> f64 {
    5.0
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stream {
    /// The first `StreamingPullRequest`.
    pub(crate) open: Value,
    /// A second request, sent at once.
    #[serde(default)]
    pub(crate) then: Option<Value>,
    /// Messages to wait for; the stream stays open for a moment longer.
    pub(crate) expect: usize,
    #[serde(default)]
    pub(crate) ordered: bool,
    #[serde(default)]
    pub(crate) hold: Option<String>,
}

/// Where a server is known to differ from ours.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    pub(crate) server: String,
    /// Absent for fields that differ in most replies.
    #[serde(default)]
    pub(crate) scenario: Option<String>,
    /// Those fields; scenarios then leave them out.
    #[serde(default)]
    pub(crate) fields: Vec<String>,
    /// What it does instead, by step from 1.
    #[serde(default)]
    pub(crate) got: BTreeMap<usize, String>,
    pub(crate) reason: String,
    pub(crate) document: String,
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

fn read<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Vec<T> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory().join("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().flat_map(|path| read(path)).collect()
}

pub(crate) fn rows() -> Vec<Row> {
    read(&directory().join("rows.yaml"))
}

pub(crate) fn differences() -> Vec<Difference> {
    read(&directory().join("differences.yaml"))
}
