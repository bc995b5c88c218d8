//! Refuses requests for a foreign host: a web page elsewhere that had its name point to this machine (DNS rebinding) would
//! else be taken for the server's own page, and could publish.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::problem::Problem;

/// The names that this machine has for itself.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The hosts that may be asked for.
#[derive(Debug, Clone)]
pub(crate) struct Hosts(Arc<[String]>);

impl Hosts {
    /// This machine's own names for itself, and more.
    pub(crate) fn new(more: Vec<String>) -> Self {
        let own = OWN.map(ToOwned::to_owned).into_iter();
        Self(own.chain(more).map(|host| host.to_ascii_lowercase()).collect())
    }

    fn allow(&self, request: &Request) -> bool {
        // HTTP/2 has the host in the URI.
        let in_uri = request
            .uri()
            .authority()
            .map(|authority| authority.host().to_owned());
        let host = in_uri.or_else(|| host(request.headers()));
        host.is_some_and(|host| self.0.contains(&host.to_ascii_lowercase()))
    }
}

fn host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    Some(host.parse::<Authority>().ok()?.host().to_owned())
}

pub(super) async fn only_own_hosts(hosts: Hosts, request: Request, next: Next) -> Response {
    let mut response = if hosts.allow(&request) {
        next.run(request).await
    } else {
        let detail = format!("allowed are {}; --allow-host adds another", hosts.0.join(", "));
        Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "The Host header names a foreign host",
            detail,
        )
        .wrong("Host", "a name of this machine")
        .into_response()
    };
    let headers = response.headers_mut();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
