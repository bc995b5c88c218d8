//! The REST surface: the same methods with JSON bodies, as the official admin clients call them.
//!
//! JSON is transcoded to and from the protobuf encoding by tables of fields (`tables.rs`), so a
//! request has one meaning whichever way it came.

mod error;
mod messages;
mod metrics;
mod policies;
mod request;
mod routes;
mod schemas;
mod snapshots;
mod subscriptions;
mod tables;
mod tables_config;
mod topics;
mod transcode;
mod values;

pub(crate) use request::Query;

use crate::{
    api::Api,
    gate::Caller,
    limits::MAX_REQUEST_BYTES,
    status::{Result, Status},
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, header::CONTENT_ENCODING},
    response::Response,
};
use bytes::Bytes;
use std::io::Read as _;

/// The security token service's one method. Its errors are OAuth's, not Google's.
const TOKEN_PATH: &str = "/v1/token";

/// A message of the largest size is larger in JSON: base64 has four digits for three bytes.
const MAX_BODY_BYTES: usize = MAX_REQUEST_BYTES / 3 * 4;

/// Answers anything that is neither gRPC nor the emulator's own API.
pub(crate) async fn serve(api: Api, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let caller = Caller::new(header("authorization"), header("x-goog-user-project"));
    let query = request::Query::parse(parts.uri.query().unwrap_or_default());
    let body = match axum::body::to_bytes(body, MAX_BODY_BYTES).await {
        Ok(body) => plain(&parts.headers, body),
        Err(_) => Err(too_large(MAX_REQUEST_BYTES)),
    };
    let result = match body {
        Ok(body) if parts.method == Method::POST && parts.uri.path() == TOKEN_PATH => {
            return exchange(&api, &body).await;
        }
        Ok(body) => {
            routes::call(
                &api,
                &caller,
                &verb(&parts.method, &parts.headers),
                parts.uri.path(),
                &query,
                &body,
            )
            .await
        }
        Err(status) => Err(status),
    };
    match result {
        Ok(reply) => request::json(200, &reply.json(query.enums_as_numbers())),
        Err(status) => error::response(&status),
    }
}

/// The body as it was before the client compressed it (RFC 9110, 8.4), bounded by what it becomes.
fn plain(headers: &HeaderMap, body: Bytes) -> Result<Bytes> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => {
            let mut out = Vec::new();
            flate2::read::MultiGzDecoder::new(body.as_ref())
                .take(MAX_BODY_BYTES as u64 + 1)
                .read_to_end(&mut out)
                .map_err(|error| Status::invalid(format!("Invalid gzip payload received. {error}")))?;
            if out.len() > MAX_BODY_BYTES {
                return Err(too_large(MAX_REQUEST_BYTES));
            }
            Ok(out.into())
        }
        Some(other) => Err(Status::invalid(format!(
            "Unsupported content encoding: {}.",
            String::from_utf8_lossy(other)
        ))),
    }
}

/// Clients without PATCH (Java's HTTP/JSON transport) send a POST that says what it stands for. Of other methods the
/// header changes nothing: a GET never becomes a write.
fn verb(method: &Method, headers: &HeaderMap) -> Method {
    let stands_for = headers
        .get("x-http-method-override")
        .filter(|_| method == Method::POST);
    stands_for
        .and_then(|verb| Method::from_bytes(verb.as_bytes()).ok())
        .filter(|verb| [Method::PATCH, Method::PUT, Method::DELETE].contains(verb))
        .unwrap_or_else(|| method.clone())
}

/// The service's words.
fn too_large(limit: usize) -> Status {
    Status::invalid(format!("Request payload size exceeds the limit: {limit} bytes."))
}

async fn exchange(api: &Api, body: &[u8]) -> Response {
    match api.tokens.exchange(body, api.engine.clock.wall_now()).await {
        Ok(reply) => request::json(200, &reply),
        Err(refusal) => request::json(400, &refusal.json()),
    }
}
