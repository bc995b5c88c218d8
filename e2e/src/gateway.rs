//! A way to the API server that can be made bad: for a while every request is refused, watches are ended or held back. It
//! stands on the wire, below the retries of the operator's own client.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::State,
    response::{IntoResponse as _, Response},
};
use futures::{Stream, StreamExt as _, stream};
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use kube::{Client, Config};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
};

use crate::control_plane::ControlPlane;

/// How a watch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In good order, as the API server ends each after a while.
    Closed,
    /// The connection breaks.
    Broken,
    /// It is told that what it knows is too old, and that it has to list anew.
    Expired,
}

/// Stands before an API server. It ends with the runtime it was made in.
pub struct Gateway {
    address: SocketAddr,
    config: Config,
    weather: Arc<Weather>,
}

/// How requests are treated.
struct Weather {
    server: Client,
    storms: AtomicBool,
    /// How often each request was refused.
    refused: Mutex<BTreeMap<String, usize>>,
    /// The resources whose watches are held back.
    held: watch::Sender<BTreeSet<&'static str>>,
    /// How many watches there have been.
    watches: AtomicUsize,
    /// For all watches that are open.
    ends: broadcast::Sender<&'static [End]>,
}

impl Gateway {
    /// One for a user of this API server.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub async fn before(plane: &ControlPlane, user: &str) -> anyhow::Result<Self> {
        let config = plane.config(user).await?;
        let mut direct = config.clone();
        direct.default_retry = false;
        let weather = Arc::new(Weather {
            server: Client::try_from(direct)?,
            storms: AtomicBool::new(false),
            refused: Mutex::default(),
            held: watch::Sender::default(),
            watches: AtomicUsize::new(0),
            ends: broadcast::Sender::new(1),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let routes = Router::new().fallback(pass).with_state(Arc::clone(&weather));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self {
            address,
            config,
            weather,
        })
    }

    /// A client that goes this way.
    ///
    /// # Errors
    /// When there is none to be made.
    pub fn client(&self) -> anyhow::Result<Client> {
        let mut config = self.config.clone();
        config.cluster_url = format!("http://{}", self.address).parse()?;
        Ok(Client::try_from(config)?)
    }

    /// From now on every request is refused, in turn with 429, 503 and 500, and nothing of it reaches the API server; all
    /// watches have to begin anew.
    pub fn storm_begins(&self) {
        self.weather.refused.lock().clear();
        self.weather.storms.store(true, Ordering::SeqCst);
        self.end_watches(&[End::Expired, End::Closed, End::Broken]);
    }

    /// From now on all is well.
    pub fn storm_ends(&self) {
        self.weather.storms.store(false, Ordering::SeqCst);
    }

    /// How often each request was refused since the last storm began.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<String, usize> {
        self.weather.refused.lock().clone()
    }

    /// Ends all watches that are open, in these ways in turn.
    pub fn end_watches(&self, how: &'static [End]) {
        // Nobody listens when none is open.
        let _ = self.weather.ends.send(how);
    }

    /// What these resources' watches say is held back until others are held back, or none. It is not lost.
    pub fn hold_back(&self, resources: &[&'static str]) {
        let resources = resources.iter().copied().collect();
        self.weather.held.send_replace(resources);
    }
}

async fn pass(State(weather): State<Arc<Weather>>, request: Request<Body>) -> Response {
    if weather.storms.load(Ordering::SeqCst) {
        return weather.refuse(request.method(), request.uri());
    }
    let watched = watched(request.uri());
    match weather.forward(request).await {
        Ok(answer) => match watched {
            Some(resource) if answer.status().is_success() => {
                answer.map(|body| Body::from_stream(weather.watch(resource, body)))
            }
            _ => answer,
        },
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response(),
    }
}

/// The resource that is watched, if it is a watch.
fn watched(uri: &Uri) -> Option<String> {
    let is_watch = uri.query()?.split('&').any(|one| one == "watch=true");
    let resource = uri.path().rsplit('/').next()?;
    is_watch.then(|| resource.to_owned())
}

impl Weather {
    async fn forward(&self, request: Request<Body>) -> anyhow::Result<Response> {
        let (mut parts, body) = request.into_parts();
        // The client to the server has its own.
        for own in [header::HOST, header::AUTHORIZATION] {
            parts.headers.remove(own);
        }
        let body = to_bytes(body, usize::MAX).await?;
        let answer = self.server.send(Request::from_parts(parts, body.into())).await?;
        let (parts, body) = answer.into_parts();
        let kept = [header::CONTENT_TYPE, header::RETRY_AFTER];
        let mut answer = Response::builder().status(parts.status);
        for (name, value) in parts.headers.iter().filter(|(name, _)| kept.contains(name)) {
            answer = answer.header(name, value);
        }
        answer.body(Body::new(body)).context("an answer")
    }

    fn refuse(&self, method: &Method, uri: &Uri) -> Response {
        let number: usize = {
            let mut refused = self.refused.lock();
            let what = match watched(uri) {
                Some(_) => "WATCH",
                None => method.as_str(),
            };
            *refused.entry(format!("{what} {}", uri.path())).or_default() += 1;
            refused.values().sum()
        };
        let (code, reason) = match number % 3 {
            0 => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests"),
            1 => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        };
        let status = status(code, reason, "there is a storm").to_string();
        let mut answer = (code, [(header::CONTENT_TYPE, "application/json")], status).into_response();
        if code == StatusCode::TOO_MANY_REQUESTS {
            // What the API server's flow control says.
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }

    /// What a watch says, when it may say so, until it has to end.
    fn watch(
        &self,
        resource: String,
        said: Body,
    ) -> impl Stream<Item = Result<Bytes, axum::Error>> + Send + use<> {
        let held = self.held.subscribe();
        let said = said.into_data_stream().then(move |chunk| {
            let (mut held, resource) = (held.clone(), resource.clone());
            async move {
                let _ = held.wait_for(|held| !held.contains(resource.as_str())).await;
                chunk
            }
        });
        let number = self.watches.fetch_add(1, Ordering::SeqCst);
        let open = Some((said.boxed(), self.ends.subscribe()));
        stream::unfold(open, move |open| async move {
            let (mut said, mut ends) = open?;
            tokio::select! {
                chunk = said.next() => Some((chunk?, Some((said, ends)))),
                how = ends.recv() => match how.unwrap_or_default().iter().cycle().nth(number) {
                    Some(End::Closed) => None,
                    Some(End::Expired) => Some((Ok(too_old()), None)),
                    Some(End::Broken) | None => Some((Err(axum::Error::new("the connection breaks")), None)),
                },
            }
        })
    }
}

fn too_old() -> Bytes {
    let status = status(StatusCode::GONE, "Expired", "too old resource version: 1 (2)");
    let event = json!({"type": "ERROR", "object": status});
    // On a line of its own, whatever was said before.
    Bytes::from(format!("\n{event}\n"))
}

fn status(code: StatusCode, reason: &str, message: &str) -> serde_json::Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "reason": reason, "message": message, "code": code.as_u16(),
    })
}
