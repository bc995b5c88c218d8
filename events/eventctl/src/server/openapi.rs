//! `GET /openapi.json`: the server's description. A test compares it with the routes there are.

use axum::{http::header, response::IntoResponse};

/// The document.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

pub(super) async fn document() -> impl IntoResponse {
    let media_type = "application/vnd.oai.openapi+json; version=3.1";
    ([(header::CONTENT_TYPE, media_type)], DOCUMENT)
}
