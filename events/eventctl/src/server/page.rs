//! The page, and what it is made of.

use axum::{
    http::header,
    response::{Html, IntoResponse},
};

/// `GET /`
pub(super) async fn html() -> Html<&'static str> {
    Html(include_str!("page/page.html"))
}

/// `GET /page.js`
pub(super) async fn script() -> impl IntoResponse {
    let media_type = "text/javascript; charset=utf-8";
    ([(header::CONTENT_TYPE, media_type)], include_str!("page/page.js"))
}

/// `GET /page.css`
pub(super) async fn style() -> impl IntoResponse {
    let media_type = "text/css; charset=utf-8";
    (
        [(header::CONTENT_TYPE, media_type)],
        include_str!("page/page.css"),
    )
}
