//! Our status as Google's REST surface answers it.

use crate::status::{Detail, Status};
use axum::response::Response;
use serde_json::{Value, json};

pub(super) fn response(status: &Status) -> Response {
    let mut error = json!({
        "code": status.code.http(),
        "message": status.message,
        "status": status.code.name(),
    });
    if !status.details.is_empty()
        && let Some(error) = error.as_object_mut()
    {
        error.insert("details".to_owned(), status.details.iter().map(detail).collect());
    }
    super::request::json(status.code.http(), &json!({ "error": error }))
}

fn detail(detail: &Detail) -> Value {
    match detail {
        Detail::ErrorInfo {
            reason,
            domain,
            metadata,
        } => json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": domain,
            "metadata": metadata,
        }),
        Detail::QuotaFailure { subject, description } => json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{ "subject": subject, "description": description }],
        }),
    }
}
