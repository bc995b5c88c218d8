//! A service that gets CloudEvents and answers as the test says.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::oneshot};

type Answer = Arc<dyn Fn(&str) -> (StatusCode, std::time::Duration) + Send + Sync>;

#[derive(Clone)]
struct Shared {
    answer: Answer,
    seen: Arc<Mutex<Vec<String>>>,
}

pub struct Service {
    pub address: SocketAddr,
    pub url: String,
    /// The ids of the events it was given, in order.
    pub seen: Arc<Mutex<Vec<String>>>,
    _stop: oneshot::Sender<()>,
}

async fn take(State(shared): State<Shared>, headers: HeaderMap) -> StatusCode {
    let id = headers["ce-id"].to_str().unwrap().to_owned();
    let (status, wait) = (shared.answer)(&id);
    shared.seen.lock().push(id);
    tokio::time::sleep(wait).await;
    status
}

impl Service {
    /// Answers each event, by its id, with a status after a while.
    pub async fn start(
        address: SocketAddr,
        answer: impl Fn(&str) -> (StatusCode, std::time::Duration) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::default();
        let shared = Shared {
            answer: Arc::new(answer),
            seen: Arc::clone(&seen),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let app = Router::new().route("/", post(take)).with_state(shared);
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
    pub fn times(&self, id: &str) -> usize {
        self.seen.lock().iter().filter(|seen| *seen == id).count()
    }
}

pub const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
