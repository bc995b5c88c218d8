//! A streaming pull, step by step.

use super::wire::Bytes;
use futures::{StreamExt as _, channel::mpsc};
use prost::Message as _;
use pubsub_emulator::pb;
use tonic::{
    Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

pub(crate) type Requests = mpsc::UnboundedSender<Vec<u8>>;

/// A streaming pull whose every step is the test's own, on a connection of its own.
pub(crate) struct StreamingPull {
    channel: Channel,
    pub(crate) requests: Requests,
    replies: tonic::Streaming<Vec<u8>>,
}

impl StreamingPull {
    /// `window`: how much of a response the client takes before it reads.
    pub(crate) async fn open(
        address: std::net::SocketAddr,
        window: Option<u32>,
        first: pb::StreamingPullRequest,
    ) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let endpoint = endpoint
            .initial_stream_window_size(window)
            .initial_connection_window_size(window);
        let channel = endpoint.connect().await.unwrap();
        let mut grpc = Grpc::new(channel.clone());
        grpc.ready().await.unwrap();
        let (requests, coming) = mpsc::unbounded();
        requests.unbounded_send(first.encode_to_vec()).unwrap();
        let path = PathAndQuery::from_static("/google.pubsub.v1.Subscriber/StreamingPull");
        let replies = grpc.streaming(Request::new(coming), path, Bytes);
        Self {
            channel,
            requests,
            replies: replies.await.unwrap().into_inner(),
        }
    }

    pub(crate) fn send(&self, request: &pb::StreamingPullRequest) {
        self.requests.unbounded_send(request.encode_to_vec()).unwrap();
    }

    /// Ends the requests; replies can still come.
    pub(crate) fn half_close(&self) {
        self.requests.close_channel();
    }

    pub(crate) async fn next(&mut self) -> Option<Result<pb::StreamingPullResponse, Status>> {
        let reply = self.replies.next().await?;
        Some(reply.map(|bytes| pb::StreamingPullResponse::decode(bytes.as_slice()).unwrap()))
    }

    /// Another call on the same connection.
    pub(crate) async fn unary(&self, path: &'static str, body: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static(path);
        let reply = grpc.unary(Request::new(body), path, Bytes).await;
        reply.map(tonic::Response::into_inner)
    }
}
