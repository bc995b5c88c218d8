//! POSTs each event as a CloudEvent to a service, and reads the service's answer as a verdict; or many at a time.
//! What a status means is in [`StatusTable`].

use std::{borrow::Cow, collections::HashMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{Timestamp, fmt::rfc2822};
use parking_lot::RwLock;
use reqwest::{
    Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use serde::Deserialize;

use super::{
    batch::{BatchHandler, BatchSettings},
    client::{Clients, Files},
    cloud_event,
    status::StatusTable,
};
use crate::{
    circuit::Alone,
    failure::Unavailable,
    handle::{Event, Handler, Outcome},
    settings::shown,
};

/// The answer's body says nothing to the worker, but a short one is read so that the connection can be used again.
const MOST_BODY: usize = 64 * 1024;
/// An answer with a result for each of a thousand events is a tenth of this.
const MOST_RESULTS: usize = 1024 * 1024;

/// Where events are posted, and as whom. Files are read again when they change.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where the service listens.
    pub url: Url,
    /// How long it may take for one request.
    pub timeout: Duration,
    /// The authority that signed its certificate, instead of the system's; PEM.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key, where it asks for one; PEM.
    pub identity_files: Option<(PathBuf, PathBuf)>,
    /// Holds a token that is sent as `Authorization: Bearer`.
    pub token_file: Option<PathBuf>,
    /// Many events at a time.
    pub batch: Option<BatchSettings>,
    /// What the service's statuses mean.
    pub statuses: StatusTable,
}

impl HttpSettings {
    /// A URL, and nothing else out of the ordinary.
    #[must_use]
    pub fn new(url: Url, timeout: Duration) -> Self {
        Self {
            url,
            timeout,
            ca_file: None,
            identity_files: None,
            token_file: None,
            batch: None,
            statuses: StatusTable::default(),
        }
    }
}

/// The URL may hold a password.
impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("url", &shown(&self.url))
            .field("timeout", &self.timeout)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

/// Posts events to one URL.
pub struct HttpHandler {
    clients: Clients,
    url: Url,
    statuses: StatusTable,
    /// The service's version, as its last answer named it.
    version: RwLock<Option<Arc<str>>>,
}

/// The header of an answer that names the service's version.
const VERSION_HEADER: &str = "handler-version";
impl fmt::Debug for HttpHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpHandler").field(&shown(&self.url)).finish()
    }
}

/// A body, and what else the request says.
enum Body<'a> {
    One(&'a Event),
    Batch(Vec<u8>),
}

/// What the service answered, or why it did not.
enum Answer {
    Status(StatusCode, Option<Duration>, Response),
    None(Outcome),
}

/// The answer to a batch.
#[derive(Deserialize)]
struct Results {
    results: Vec<OneResult>,
}

/// The result of one event, as if it had been posted alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneResult {
    idempotencykey: String,
    status: u16,
    /// In seconds.
    retry_after: Option<u64>,
}

impl HttpHandler {
    /// A handler for a service.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(settings: HttpSettings) -> Result<Self, String> {
        let files = Files {
            ca: settings.ca_file,
            identity: settings.identity_files,
            token: settings.token_file,
        };
        Ok(Self {
            clients: Clients::new(files, settings.timeout)?,
            url: settings.url,
            statuses: settings.statuses,
            version: RwLock::default(),
        })
    }

    /// Keeps the service's version. Answers without one are a proxy's, or of a service that has none.
    fn keep_version(&self, response: &Response) {
        let named = response.headers().get(VERSION_HEADER);
        let Some(named) = named.and_then(|value| value.to_str().ok()) else {
            return;
        };
        if self.version.read().as_deref() != Some(named) {
            *self.version.write() = Some(Arc::from(named));
        }
    }

    async fn post(&self, body: Body<'_>) -> Answer {
        let access = match self.clients.current().await {
            Ok(access) => access,
            Err(why) => return Answer::None(unreachable("files", why).into()),
        };
        let mut request = access.client.post(self.url.clone());
        if let Some(token) = access.token {
            request = request.header(AUTHORIZATION, token);
        }
        match body {
            Body::One(event) => {
                request = request.body(cloud_event::body(event));
                if let Some(content_type) = cloud_event::content_type(event) {
                    request = request.header(CONTENT_TYPE, content_type);
                }
                for (name, value) in cloud_event::headers(event) {
                    request = request.header(&*name, value);
                }
            }
            Body::Batch(json) => {
                request = request.header(CONTENT_TYPE, cloud_event::BATCH).body(json);
            }
        }
        match request.send().await {
            Ok(response) => {
                self.keep_version(&response);
                Answer::Status(response.status(), retry_after(&response), response)
            }
            // Refused, no such host, no TLS: never the event's fault.
            Err(error) if error.is_connect() => {
                Answer::None(unreachable("refused", "the handler takes no connection").into())
            }
            Err(error) if error.is_timeout() => Answer::None(
                Unavailable::new("the handler did not answer within HANDLER_TIMEOUT")
                    .kind("timeout")
                    .into(),
            ),
            Err(_) => Answer::None(
                Unavailable::new("the connection to the handler broke")
                    .kind("broken")
                    .into(),
            ),
        }
    }
}

fn unreachable(kind: &'static str, reason: impl Into<Cow<'static, str>>) -> Unavailable {
    Unavailable::new(reason).kind(kind).alone(Alone::Never)
}

#[async_trait]
impl Handler for HttpHandler {
    async fn handle(&self, event: &Event) -> Outcome {
        match self.post(Body::One(event)).await {
            Answer::None(outcome) => outcome,
            Answer::Status(status, retry_after, mut response) => {
                let _ = read(&mut response, MOST_BODY).await;
                self.statuses.outcome(status, retry_after)
            }
        }
    }

    fn version(&self) -> Option<Arc<str>> {
        self.version.read().clone()
    }
}

#[async_trait]
impl BatchHandler for HttpHandler {
    async fn handle_batch(&self, events: &[Event]) -> Vec<Outcome> {
        let all = |outcome: Outcome| vec![outcome; events.len()];
        let Ok(json) = cloud_event::batch(events) else {
            return all(Outcome::permanent("the event cannot be written as JSON"));
        };
        let (status, retry_after, mut response) = match self.post(Body::Batch(json)).await {
            Answer::None(outcome) => return all(outcome),
            Answer::Status(status, retry_after, response) => (status, retry_after, response),
        };
        let body = read(&mut response, MOST_RESULTS).await;
        if status.is_success() {
            return match body {
                Some(body) if body.is_empty() => all(Outcome::Success),
                Some(body) => results(&self.statuses, &body, events),
                None => all(Outcome::retryable(
                    "the handler's answer to a batch broke off or is too long",
                )),
            };
        }
        match self.statuses.outcome(status, retry_after) {
            // Which of them it means is not said, so each is asked about by itself.
            Outcome::Permanent { .. } if events.len() > 1 => {
                let mut outcomes = Vec::with_capacity(events.len());
                for event in events {
                    outcomes.extend(Box::pin(self.handle_batch(std::slice::from_ref(event))).await);
                }
                outcomes
            }
            outcome @ (Outcome::Success
            | Outcome::Retryable { .. }
            | Outcome::Permanent { .. }
            | Outcome::Unavailable { .. }) => all(outcome),
        }
    }

    fn version(&self) -> Option<Arc<str>> {
        self.version.read().clone()
    }
}

/// The results of a batch, in the order of its events. What the answer does not name has no verdict.
fn results(statuses: &StatusTable, body: &[u8], events: &[Event]) -> Vec<Outcome> {
    let Ok(Results { results }) = serde_json::from_slice(body) else {
        let outcome = Outcome::retryable(
            "the handler's answer to a batch is not {\"results\":[{\"idempotencykey\":…,\"status\":…}]}",
        );
        return vec![outcome; events.len()];
    };
    let by_key: HashMap<&str, &OneResult> = results
        .iter()
        .map(|result| (result.idempotencykey.as_str(), result))
        .collect();
    let of = |event: &Event| {
        let Some(result) = by_key.get(event.idempotency_key()) else {
            return Outcome::retryable("the handler's answer to the batch does not name the event");
        };
        match StatusCode::from_u16(result.status) {
            Ok(status) => statuses.outcome(status, result.retry_after.map(Duration::from_secs)),
            Err(_) => {
                Outcome::retryable("the handler's answer to the batch has a status that is none of HTTP's")
            }
        }
    };
    events.iter().map(of).collect()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    parse_retry_after(text, Timestamp::now())
}

/// Seconds, or a date.
fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(date.duration_since(now)).ok()
}

/// A body up to a limit; none when it is longer or broke off.
async fn read(response: &mut Response, limit: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > limit {
            return None;
        }
    }
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-06T08:49:30Z".parse().unwrap();
        let of = |text| parse_retry_after(text, now);
        assert_eq!(of("120"), Some(Duration::from_mins(2)));
        assert_eq!(of("Fri, 06 Nov 2026 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(of("Fri, 06 Nov 2026 08:49:00 GMT"), None);
        assert_eq!(of("soon"), None);
    }
}
