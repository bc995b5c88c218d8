//! A service that gets CloudEvents and answers as the test says.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::oneshot};

type Answer = Arc<dyn Fn(&str, &str) -> (StatusCode, std::time::Duration) + Send + Sync>;

#[derive(Clone)]
struct Shared {
    answer: Answer,
    seen: Arc<Mutex<Vec<String>>>,
}

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    /// The ids of the events it was given, in order.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    _stop: oneshot::Sender<()>,
}

/// The body is read first: who answers before breaks the connection off, and the worker cannot know what came of it.
async fn take(State(shared): State<Shared>, headers: HeaderMap, _body: Bytes) -> StatusCode {
    let [id, source] = ["ce-id", "ce-source"].map(|name| headers[name].to_str().unwrap().to_owned());
    let (status, wait) = (shared.answer)(&id, &source);
    shared.seen.lock().push(id);
    tokio::time::sleep(wait).await;
    status
}

impl Service {
    /// Answers each event, by its id, with a status after a while.
    pub(crate) async fn start(
        address: SocketAddr,
        answer: impl Fn(&str) -> (StatusCode, std::time::Duration) + Send + Sync + 'static,
    ) -> Self {
        Self::serve(address, Arc::new(move |id, _| answer(id))).await
    }

    /// Answers each event, by its source, with a status at once.
    pub(crate) async fn start_by_source(
        address: SocketAddr,
        answer: impl Fn(&str) -> StatusCode + Send + Sync + 'static,
    ) -> Self {
        let answer = move |_: &str, source: &str| (answer(source), std::time::Duration::ZERO);
        Self::serve(address, Arc::new(answer)).await
    }

    async fn serve(address: SocketAddr, answer: Answer) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::default();
        let shared = Shared {
            answer,
            seen: Arc::clone(&seen),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let app = Router::new()
            .route("/", post(take))
            .layer(DefaultBodyLimit::disable())
            .with_state(shared);
        tokio::spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(async {
                let _ = stopped.await;
            });
            served.await.unwrap();
        });
        Self {
            address,
            url: format!("http://{address}/"),
            seen,
            _stop: stop,
        }
    }

    /// How often an event was seen.
    pub(crate) fn times(&self, id: &str) -> usize {
        self.seen.lock().iter().filter(|seen| *seen == id).count()
    }
}

pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
