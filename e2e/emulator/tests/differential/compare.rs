//! What was seen, held against what was expected, and against what another server did.

use super::{
    data::{Difference, Scenario},
    play::Observed,
};
use serde_json::Value;
use std::{
    cell::Cell,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// Different in each run, or made by the server as it likes.
const VOLATILE: [&str; 10] = [
    "ackId",
    "messageId",
    "messageIds",
    "publishTime",
    "etag",
    "expireTime",
    "revisionId",
    "revisionCreateTime",
    "nextPageToken",
    "CloudPubSubDeadLetterSourceTopicPublishTime",
];

/// What ours did that is not as the scenario says.
pub(crate) fn against_expectations(scenario: &Scenario, seen: &[Observed]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, (step, seen)) in (1..).zip(scenario.steps.iter().zip(seen)) {
        let mut say = |what: String| wrong.push(format!("{} step {number}: {what}", scenario.id));
        if seen.code != step.code {
            say(format!(
                "{} instead of {}: {}",
                seen.code, step.code, seen.message
            ));
            continue;
        }
        if let Some(part) = &step.says
            && !seen.message.to_lowercase().contains(&part.to_lowercase())
        {
            say(format!("the message does not say {part:?}: {:?}", seen.message));
        }
        if let Some(expected) = &step.details {
            missing("", expected, &seen.details, &mut say);
        }
        let project = scenario.project();
        if let Some(expected) = &step.reply {
            let expected = filled(expected, &project);
            missing("", &expected, &seen.reply, &mut say);
        }
        for field in &step.without {
            if seen.reply.pointer(field).is_some() {
                say(format!("the reply has {field}: {}", seen.reply));
            }
        }
        let expects = step.pull.as_ref().map(|pull| pull.expect);
        if let Some(count) = expects.or_else(|| step.stream.as_ref().map(|stream| stream.expect)) {
            let got = seen.reply["messages"].as_array().map_or(0, Vec::len);
            if got != count {
                say(format!("{got} messages instead of {count}: {}", seen.reply));
            }
        }
    }
    wrong
}

fn filled(value: &Value, project: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{p}", project)),
        Value::Array(items) => items.iter().map(|item| filled(item, project)).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(k, v)| (k.clone(), filled(v, project)))
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Says what of `expected` is not in `seen`. Lists are compared whole, objects by what is expected.
fn missing(path: &str, expected: &Value, seen: &Value, say: &mut impl FnMut(String)) {
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            for (key, value) in expected {
                missing(
                    &format!("{path}/{key}"),
                    value,
                    seen.get(key).unwrap_or(&Value::Null),
                    say,
                );
            }
        }
        (Value::Array(expected), Value::Array(seen)) if expected.len() == seen.len() => {
            for (i, (expected, seen)) in expected.iter().zip(seen).enumerate() {
                missing(&format!("{path}/{i}"), expected, seen, say);
            }
        }
        (expected, seen) if expected == seen => {}
        (expected, seen) => say(format!("{path} is {seen} instead of {expected}")),
    }
}

/// Server, scenario and step; what it did instead.
pub(crate) type Differences = BTreeMap<(String, String, usize), String>;

/// The fields in which a server differs everywhere, and whether it was seen to.
pub(crate) struct Everywhere {
    server: String,
    fields: BTreeMap<String, Cell<bool>>,
}

impl Everywhere {
    pub(crate) fn of(server: &str, listed: &[Difference]) -> Self {
        let rows = listed
            .iter()
            .filter(|row| row.server == server && row.scenario.is_none());
        let fields = rows.flat_map(|row| row.fields.iter().map(|field| (field.clone(), Cell::new(false))));
        Self {
            server: server.to_owned(),
            fields: fields.collect(),
        }
    }

    fn covers(&self, path: &str) -> bool {
        let field = path.rsplit('/').next().and_then(|name| self.fields.get(name));
        field.inspect(|seen| seen.set(true)).is_some()
    }

    pub(crate) fn gone(&self) -> Vec<String> {
        let unseen = self.fields.iter().filter(|(_, seen)| !seen.get());
        unseen
            .map(|(field, _)| format!("gone: {} differs in {field} nowhere", self.server))
            .collect()
    }
}

/// Where another server does something else than ours: another code, or other fields in the reply.
pub(crate) fn between(
    everywhere: &Everywhere,
    scenario: &Scenario,
    ours: &[Observed],
    theirs: &[Observed],
) -> Differences {
    (1..)
        .zip(ours.iter().zip(theirs))
        .filter_map(|(number, (ours, theirs))| {
            let what = difference(everywhere, ours, theirs)?;
            Some(((everywhere.server.clone(), scenario.id.clone(), number), what))
        })
        .collect()
}

fn difference(everywhere: &Everywhere, ours: &Observed, theirs: &Observed) -> Option<String> {
    if ours.code != theirs.code {
        return Some(theirs.code.clone());
    }
    let count = |seen: &Observed| seen.reply.get("messages").and_then(Value::as_array).map(Vec::len);
    // How many more there are may be a matter of time.
    match count(theirs).cmp(&count(ours)) {
        Ordering::Less => return Some("fewer messages".to_owned()),
        Ordering::Greater => return Some("more messages".to_owned()),
        Ordering::Equal => {}
    }
    let mut paths = BTreeSet::new();
    unlike("", &ours.reply, &theirs.reply, &mut paths);
    paths.retain(|path| !everywhere.covers(path));
    (!paths.is_empty()).then(|| paths.into_iter().collect::<Vec<_>>().join(", "))
}

fn unlike(path: &str, ours: &Value, theirs: &Value, paths: &mut BTreeSet<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
            for key in keys.into_iter().filter(|key| !VOLATILE.contains(&key.as_str())) {
                let of = |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                unlike(&format!("{path}/{key}"), &of(ours), &of(theirs), paths);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                unlike(&format!("{path}/{i}"), ours, theirs, paths);
            }
        }
        (ours, theirs) if ours == theirs => {}
        _ => drop(paths.insert(path.to_owned())),
    }
}

/// Differences that nobody has looked at, and rows whose difference is no more. Rows of servers that
/// did not run are left alone.
pub(crate) fn unlisted_and_gone(
    found: &Differences,
    listed: &[Difference],
    ran: &BTreeSet<&str>,
) -> Vec<String> {
    let mut known = Differences::new();
    let mut problems = Vec::new();
    for row in listed.iter().filter(|row| ran.contains(row.server.as_str())) {
        let scenario = row.scenario.clone().unwrap_or_default();
        for (step, got) in &row.got {
            let key = (row.server.clone(), scenario.clone(), *step);
            if known.insert(key, got.clone()).is_some() {
                problems.push(format!("{} {scenario} step {step} is listed twice", row.server));
            }
        }
    }
    let keys: BTreeSet<_> = found.keys().chain(known.keys()).collect();
    for key in keys {
        let (server, scenario, step) = key;
        match (found.get(key), known.get(key)) {
            (Some(found), Some(known)) if found == known => {}
            (Some(found), None) => problems.push(format!("unlisted: {server} {scenario} {step}: {found}")),
            (None, Some(known)) => problems.push(format!("gone: {server} {scenario} {step}: {known}")),
            (found, known) => problems.push(format!(
                "changed: {server} {scenario} {step}: {} (listed: {})",
                found.map_or("", String::as_str),
                known.map_or("", String::as_str)
            )),
        }
    }
    problems
}
