//! Does the steps of a scenario on a server, and notes what was seen.

use super::{
    data::{Pull, Scenario, Step, Stream},
    schema::{Schema, decode, encode},
    wire::{Connection, code_name, error_info},
};
use futures::StreamExt as _;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tonic::Status;

/// Calls of a repetition in flight.
const IN_FLIGHT: usize = 64;
/// After the last expected message, or none, this long for one too many.
const QUIET: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Observed {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) details: Value,
    pub(crate) reply: Value,
}

impl Observed {
    fn ok(reply: Value) -> Self {
        Self {
            code: "OK".to_owned(),
            reply,
            ..Self::default()
        }
    }
}

impl From<Status> for Observed {
    fn from(status: Status) -> Self {
        // What comes from the connection instead of the server has a source, and codes that vary.
        let lost = std::error::Error::source(&status).is_some();
        Self {
            code: if lost {
                "NO ANSWER".to_owned()
            } else {
                code_name(status.code())
            },
            message: status.message().to_owned(),
            details: error_info(&status),
            reply: Value::Null,
        }
    }
}

struct Player<'a> {
    connection: &'a Connection,
    schema: &'a Schema,
    known: BTreeMap<String, Value>,
}

pub(crate) async fn play(scenario: &Scenario, connection: &Connection, schema: &Schema) -> Vec<Observed> {
    let mut player = Player {
        connection,
        schema,
        known: BTreeMap::from([("p".to_owned(), json!(scenario.project()))]),
    };
    let mut seen = Vec::new();
    for step in &scenario.steps {
        let observed = player.step(step).await;
        for (name, pointer) in &step.save {
            let value = observed
                .reply
                .pointer(pointer)
                .cloned()
                .unwrap_or_else(|| json!("nothing"));
            player.known.insert(name.clone(), value);
        }
        seen.push(observed);
    }
    seen
}

impl Player<'_> {
    async fn step(&mut self, step: &Step) -> Observed {
        // What nobody gets is an empty list, so that the scenario goes on.
        let holds = step.pull.as_ref().and_then(|pull| pull.hold.as_ref());
        let holds = holds.or_else(|| step.stream.as_ref().and_then(|stream| stream.hold.as_ref()));
        if let Some(name) = holds {
            self.known.insert(name.clone(), json!([]));
        }
        let by = step.by.as_deref();
        match (&step.call, &step.pull, &step.stream, &step.get, step.wait) {
            (Some(method), None, None, None, None) => self.call(method, step, by).await,
            (None, Some(pull), None, None, None) => self.pull(pull, by).await,
            (None, None, Some(stream), None, None) => self.stream(stream, by).await,
            (None, None, None, Some(path), None) => self.get(path, by).await,
            (None, None, None, None, Some(seconds)) => {
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                Observed::ok(Value::Null)
            }
            _ => panic!("a step does one thing: {step:?}"),
        }
    }

    async fn call(&self, method: &str, step: &Step, by: Option<&str>) -> Observed {
        let method = self.schema.method(method);
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let calls = (1..=step.times).map(|n| {
            let request = encode(&method, &self.fill_numbered(&step.with, n));
            self.connection.unary(&path, request, by)
        });
        let mut replies = futures::stream::iter(calls).buffered(IN_FLIGHT);
        let mut last = Observed::default();
        while let Some(reply) = replies.next().await {
            match reply {
                Ok(bytes) => last = Observed::ok(decode(&method, &bytes)),
                Err(status) => return status.into(),
            }
        }
        last
    }

    async fn pull(&mut self, pull: &Pull, by: Option<&str>) -> Observed {
        let method = self.schema.method("Subscriber/Pull");
        let request = json!({"subscription": pull.from, "maxMessages": 1000, "returnImmediately": true});
        let request = encode(&method, &self.fill(&request));
        let until = Instant::now() + Duration::from_secs_f64(pull.within);
        let (mut received, mut complete) = (Vec::new(), None);
        loop {
            let reply = self
                .connection
                .unary("/google.pubsub.v1.Subscriber/Pull", request.clone(), by)
                .await;
            match reply {
                Err(status) => return status.into(),
                Ok(bytes) => received.extend(messages(&decode(&method, &bytes))),
            }
            if received.len() >= pull.expect && complete.is_none() {
                complete = Some(Instant::now() + QUIET);
            }
            let end = complete.unwrap_or(until);
            if Instant::now() >= end {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.received(received, pull.ordered, pull.hold.as_deref())
    }

    async fn stream(&mut self, stream: &Stream, by: Option<&str>) -> Observed {
        let method = self.schema.method("Subscriber/StreamingPull");
        let first = [Some(&stream.open), stream.then.as_ref()].into_iter().flatten();
        let first = first
            .map(|request| encode(&method, &self.fill(request)))
            .collect();
        let opened = self
            .connection
            .streaming("/google.pubsub.v1.Subscriber/StreamingPull", first, by)
            .await;
        let (mut replies, _open) = match opened {
            Ok(opened) => opened,
            Err(status) => return status.into(),
        };
        let mut received = Vec::new();
        loop {
            let patience = if received.len() < stream.expect {
                Duration::from_secs(5)
            } else {
                QUIET
            };
            match tokio::time::timeout(patience, replies.message()).await {
                Err(_) | Ok(Ok(None)) => break,
                Ok(Ok(Some(bytes))) => received.extend(messages(&decode(&method, &bytes))),
                Ok(Err(status)) => return status.into(),
            }
        }
        self.received(received, stream.ordered, stream.hold.as_deref())
    }

    fn received(&mut self, mut received: Vec<Value>, ordered: bool, hold: Option<&str>) -> Observed {
        if !ordered {
            received.sort_by_key(|message| {
                ["data", "attributes", "ackId"].map(|field| message[field].to_string())
            });
        }
        if let Some(name) = hold {
            let ids = received.iter().map(|message| message["ackId"].clone()).collect();
            self.known.insert(name.to_owned(), Value::Array(ids));
        }
        Observed::ok(json!({ "messages": received }))
    }

    async fn get(&self, path: &str, by: Option<&str>) -> Observed {
        let path = self.text(path, &Value::Null);
        let path = path.as_str().expect("a path");
        match self.connection.get(path, by).await {
            Some((200, body)) => Observed::ok(body),
            Some((_, body)) => Observed {
                code: body["error"]["status"].as_str().unwrap_or("UNKNOWN").to_owned(),
                message: body["error"]["message"].as_str().unwrap_or_default().to_owned(),
                details: Value::Null,
                reply: Value::Null,
            },
            None => Observed {
                code: "NO REST".to_owned(),
                ..Observed::default()
            },
        }
    }

    fn fill(&self, value: &Value) -> Value {
        self.fill_with(value, &Value::Null)
    }

    fn fill_numbered(&self, value: &Value, n: u32) -> Value {
        self.fill_with(value, &json!(n.to_string()))
    }

    fn fill_with(&self, value: &Value, n: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text, n),
            Value::Array(items) => items.iter().map(|item| self.fill_with(item, n)).collect(),
            Value::Object(fields) => {
                let key = |k: &str| self.text(k, n).as_str().unwrap_or(k).to_owned();
                let filled = fields.iter().map(|(k, v)| (key(k), self.fill_with(v, n)));
                Value::Object(filled.collect::<Map<_, _>>())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// A text that is one name becomes its value; `{name.0}` is an element; `{x*9}` repeats a letter;
    /// `{messages 9}` and `{attributes 9}` are as many.
    fn text(&self, text: &str, n: &Value) -> Value {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, inner)) = rest.split_once('{') {
            out.push_str(before);
            let name = inner.split_once('}').filter(|(name, _)| is_name(name));
            let Some((name, after)) = name else {
                out.push('{');
                rest = inner;
                continue;
            };
            let value = self.known(name, n);
            if out.is_empty() && after.is_empty() {
                return value;
            }
            out.push_str(
                value
                    .as_str()
                    .unwrap_or_else(|| panic!("{{{name}}} is not a text")),
            );
            rest = after;
        }
        out.push_str(rest);
        Value::String(out)
    }

    fn known(&self, name: &str, n: &Value) -> Value {
        if name == "n" {
            return n.clone();
        }
        if let Some((letter, times)) = name.split_once('*') {
            return json!(letter.repeat(times.parse().expect("a number")));
        }
        if let Some((what, count)) = name.split_once(' ') {
            let numbers = 1..=count.parse().expect("a number");
            return match what {
                "messages" => numbers.map(|_: u32| json!({"data": "eA=="})).collect(),
                "attributes" => Value::Object(numbers.map(|i| (format!("k{i}"), json!("v"))).collect()),
                _ => panic!("no such things: {name}"),
            };
        }
        let (name, index) = name
            .split_once('.')
            .map_or((name, None), |(name, i)| (name, i.parse::<usize>().ok()));
        let value = self
            .known
            .get(name)
            .unwrap_or_else(|| panic!("nothing is called {name}"));
        index.map_or_else(
            || value.clone(),
            |i| value.get(i).cloned().unwrap_or_else(|| json!("nothing")),
        )
    }
}

/// What may stand in braces; JSON in a text may not.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'*' | b'_' | b' '))
}

/// The messages of a reply, with ack id and attempt beside data and attributes; data as text.
fn messages(reply: &Value) -> Vec<Value> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let received = reply["receivedMessages"].as_array().cloned().unwrap_or_default();
    received
        .into_iter()
        .map(|received| {
            let mut message = received["message"].clone();
            let data = STANDARD
                .decode(message["data"].as_str().unwrap_or_default())
                .unwrap_or_default();
            message["data"] = json!(String::from_utf8_lossy(&data));
            message["ackId"] = received["ackId"].clone();
            if let Some(attempt) = received.get("deliveryAttempt") {
                message["deliveryAttempt"] = attempt.clone();
            }
            message
        })
        .collect()
}
