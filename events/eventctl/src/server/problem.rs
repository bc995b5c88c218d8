//! Errors as RFC 9457 has them: which field is wrong, and what is allowed.

use axum::{
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use events::PublishError;
use serde::Serialize;

use crate::draft::{Wrong, listed};

/// What went wrong, for the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "number")]
    status: StatusCode,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title,
            status,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// The same with a field that is wrong.
    pub(super) fn wrong(mut self, field: &str, detail: impl Into<String>) -> Self {
        self.errors.push(Wrong::new(field, detail));
        self
    }

    /// Fields that are wrong.
    pub(super) fn fields(errors: Vec<Wrong>) -> Self {
        let detail = listed(&errors);
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The event is not valid", detail)
        }
    }

    /// One field that is wrong.
    pub(super) fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::fields(vec![Wrong::new(field, detail)])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, axum::Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        let retryable = error.is_retryable();
        let text = format!("{:#}", anyhow::Error::from(error));
        if retryable {
            return Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Pub/Sub did not take the event for now",
                text,
            );
        }
        Self::new(StatusCode::BAD_GATEWAY, "Pub/Sub did not take the event", text)
    }
}

/// Why nothing was sent, of an event that Pub/Sub would have refused.
pub(super) fn not_sent(error: PublishError) -> Problem {
    let wrong = |field: &str, error: &PublishError| Problem::field(field, error.to_string());
    match &error {
        PublishError::NoTopic { .. } => wrong("event_type", &error),
        PublishError::CloudEvent(_) => wrong("source", &error),
        PublishError::TooLarge(large) => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The event is too large",
            large.to_string(),
        )
        .wrong("data", large.to_string()),
        PublishError::Connect(_)
        | PublishError::Encode(_)
        | PublishError::Full
        | PublishError::KeyPaused { .. }
        | PublishError::Publish { .. }
        | PublishError::Closed
        | PublishError::Metrics(_)
        | PublishError::InsideRuntime
        | PublishError::Runtime(_) => error.into(),
    }
}

pub(super) async fn no_route(uri: Uri) -> Problem {
    let detail = format!("{} is not served; GET /openapi.json says what is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "There is no such path", detail)
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!(
        "{method} {} is not served; GET /openapi.json says what is",
        uri.path()
    );
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "The path takes another method",
        detail,
    )
}
