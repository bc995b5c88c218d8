//! One port for gRPC, REST and the emulator's own API: HTTP/1.1 and HTTP/2, told apart by the
//! connection's first bytes and the content type.

use crate::{
    api::Api,
    control, grpc,
    outgoing::{Outgoing, outgoing},
    rest,
};
use anyhow::Context as _;
use axum::{
    Router,
    body::Body,
    http::{Request, Response},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use std::{convert::Infallible, net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Flow-control windows of a stream and of a connection: large enough that a batch of 1,000 messages
/// of 1 KB never waits for the client's window update.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// How long open calls may take to end at shutdown.
const GRACE: Duration = Duration::from_millis(500);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Server {
    pub(crate) async fn start(host: &str, port: u16, api: Api) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((host, port))
            .await
            .with_context(|| format!("cannot listen on {host}:{port}"))?;
        let address = listener.local_addr()?;
        let stop = api.engine.stop.clone();
        let task = tokio::spawn(accept(listener, api, stop.clone()));
        Ok(Self {
            address,
            stop,
            task: Some(task),
        })
    }

    pub(crate) async fn shutdown(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // It only fails if the runtime is going down too.
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, api: Api, stop: CancellationToken) {
    let service = Dispatch {
        grpc: grpc::routes(api.clone()).into_axum_router(),
        control: control::router(api.clone()),
        api,
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, service.clone(), stop.clone()))),
                Err(error) => {
                    // Out of file descriptors, most likely: give others time to close theirs.
                    tracing::warn!(%error, "Could not accept a connection.");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, drained).await;
}

async fn serve(stream: TcpStream, service: Dispatch, stop: CancellationToken) {
    // Without it a client that waits for each reply falls to some 80 calls a second.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(Some(256 * 1024))
        .max_send_buf_size(2 << 20)
        .max_concurrent_streams(Some(10_000));
    let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request.map(Body::new)).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "A connection ended early.");
    }
}

#[derive(Clone)]
struct Dispatch {
    grpc: Router,
    control: Router,
    api: Api,
}

impl Dispatch {
    async fn answer(self, request: Request<Body>) -> Response<Outgoing> {
        let is_grpc = request
            .headers()
            .get(axum::http::header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        let path = request.uri().path();
        outgoing(if is_grpc {
            infallible(self.grpc.oneshot(request).await)
        } else if path.starts_with("/emulator/") || path == "/healthz" {
            infallible(self.control.oneshot(request).await)
        } else {
            rest::serve(self.api, request).await
        })
    }
}

fn infallible(result: Result<Response<Body>, Infallible>) -> Response<Body> {
    match result {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
