//! A service whose effects are counted: which event took effect in which life of the worker.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::mpsc};

/// Where a request stops, until the worker that sent it is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    BeforeEffect,
    AfterEffect,
}

#[derive(Default)]
struct State_ {
    /// Life and event, in the order of taking effect.
    effects: Vec<(usize, String)>,
    trap: Option<(Stop, mpsc::UnboundedSender<String>)>,
}

#[derive(Clone)]
pub(crate) struct Effects {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State_>>,
    takes: Duration,
}

async fn take(State(effects): State<Effects>, Path(life): Path<usize>, headers: HeaderMap) -> StatusCode {
    let id = headers["ce-id"].to_str().unwrap().to_owned();
    let sprung = {
        let mut state = effects.state.lock();
        let trap = state.trap.take();
        if !matches!(trap, Some((Stop::BeforeEffect, _))) {
            state.effects.push((life, id.clone()));
        }
        trap
    };
    if let Some((_, sprung)) = sprung {
        sprung.send(id).unwrap();
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(effects.takes).await;
    StatusCode::OK
}

impl Effects {
    /// Each effect takes so long to be answered.
    pub(crate) async fn start(takes: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let effects = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
            takes,
        };
        let app = Router::new()
            .route("/{life}", post(take))
            .with_state(effects.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        effects
    }

    pub(crate) fn url(&self, life: usize) -> String {
        format!("http://{}/{life}", self.address)
    }

    /// The next request stops; tells which event's it was.
    pub(crate) fn trap(&self, stop: Stop) -> mpsc::UnboundedReceiver<String> {
        let (sender, sprung) = mpsc::unbounded_channel();
        self.state.lock().trap = Some((stop, sender));
        sprung
    }

    pub(crate) fn disarm(&self) {
        self.state.lock().trap = None;
    }

    pub(crate) fn all(&self) -> Vec<(usize, String)> {
        self.state.lock().effects.clone()
    }

    /// In which lives an event took effect.
    pub(crate) fn lives(&self, id: &str) -> Vec<usize> {
        let state = self.state.lock();
        let of = state.effects.iter().filter(|(_, other)| other == id);
        of.map(|(life, _)| *life).collect()
    }
}
