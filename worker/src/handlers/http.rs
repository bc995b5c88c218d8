//! POSTs each event as a CloudEvent to a service, and reads the service's answer as a verdict.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{Client, Response, StatusCode, Url, header::RETRY_AFTER, redirect::Policy};

use super::cloud_event;
use crate::handle::{Event, Handler, Outcome};

/// A service that is there takes a connection in less.
const CONNECT: Duration = Duration::from_secs(5);
/// The answer's body says nothing to the worker, but a short one is read so that the connection can be used again.
const MOST_BODY: usize = 64 * 1024;

/// Posts events to one URL.
#[derive(Debug, Clone)]
pub struct HttpHandler {
    client: Client,
    url: Url,
}

impl HttpHandler {
    /// A handler for a URL, which may take so long for one event.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(url: Url, timeout: Duration) -> reqwest::Result<Self> {
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(CONNECT.min(timeout))
            // A redirect could turn the POST into a GET that answers 200 without any effect.
            .redirect(Policy::none())
            .user_agent(concat!("event-worker/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, url })
    }
}

#[async_trait]
impl Handler for HttpHandler {
    async fn handle(&self, event: &Event) -> Outcome {
        let mut request = self.client.post(self.url.clone()).json(&event.data);
        for (name, value) in cloud_event::headers(event) {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(mut response) => {
                let outcome = outcome(response.status(), retry_after(&response));
                drain(&mut response).await;
                outcome
            }
            Err(error) if error.is_connect() => Outcome::unavailable("the handler takes no connection"),
            Err(error) if error.is_timeout() => {
                Outcome::retryable("the handler did not answer within HANDLER_TIMEOUT")
            }
            Err(_) => Outcome::retryable("the connection to the handler broke"),
        }
    }
}

/// What a status means. The codes that say "not you, not here, not now" are no verdict on the event: they come from a
/// proxy, a wrong URL or an overloaded service, and would come for every event.
fn outcome(status: StatusCode, retry_after: Option<Duration>) -> Outcome {
    let reason = format!("the handler answered {status}").into();
    match status.as_u16() {
        200..=299 => Outcome::Success,
        400 | 410 | 413 | 415 | 422 => Outcome::Permanent { reason },
        401 | 403 | 404 | 429 | 503 => Outcome::Unavailable { reason, retry_after },
        _ => Outcome::Retryable { reason, retry_after },
    }
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

async fn drain(response: &mut Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MOST_BODY {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_read_as_documented() {
        let of = |code| outcome(StatusCode::from_u16(code).unwrap(), None);
        for code in [200, 201, 202, 204] {
            assert_eq!(of(code), Outcome::Success, "{code}");
        }
        for code in [400, 410, 413, 415, 422] {
            assert!(matches!(of(code), Outcome::Permanent { .. }), "{code}");
        }
        for code in [401, 403, 404, 429, 503] {
            assert!(matches!(of(code), Outcome::Unavailable { .. }), "{code}");
        }
        for code in [301, 302, 307, 402, 405, 408, 409, 500, 502, 504] {
            assert!(matches!(of(code), Outcome::Retryable { .. }), "{code}");
        }
    }

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
