//! gRPC without generated code: bytes out, bytes in, and the status with its details.

use futures::StreamExt as _;
use prost::bytes::{Buf as _, BufMut as _};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::oneshot;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

/// One call may take so long; a pull waits for messages on the server.
/// How long a stream may take to begin: less than the shortest lease, whose end would be its beginning on a server that
/// keeps its headers back.
const HEADERS: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Connection {
    channel: Channel,
    endpoint: String,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Self {
        let endpoint = format!("http://{address}");
        let channel = Endpoint::from_shared(endpoint.clone()).unwrap().connect().await;
        Self {
            channel: channel.unwrap_or_else(|e| panic!("{endpoint}: {e}")),
            endpoint,
        }
    }

    fn request<T>(body: T, by: Option<&str>) -> Request<T> {
        let mut request = Request::new(body);
        if let Some(member) = by {
            let value = format!("Bearer {member}").parse().expect("a header");
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    pub(crate) async fn unary(&self, path: &str, body: Vec<u8>, by: Option<&str>) -> Result<Vec<u8>, Status> {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        grpc.ready()
            .await
            .map_err(|e| Status::unavailable(e.to_string()))?;
        let path: PathAndQuery = path.parse().expect("a path");
        let call = grpc.unary(Self::request(body, by), path, Bytes);
        match tokio::time::timeout(TIMEOUT, call).await {
            Ok(reply) => reply.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("no answer")),
        }
    }

    /// Sends the requests, and leaves the stream open for as long as both parts of the answer are kept.
    pub(crate) async fn streaming(
        &self,
        path: &str,
        first: Vec<Vec<u8>>,
        by: Option<&str>,
    ) -> Result<(tonic::Streaming<Vec<u8>>, oneshot::Sender<()>), Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready()
            .await
            .map_err(|e| Status::unavailable(e.to_string()))?;
        let (open, end) = oneshot::channel();
        let end = futures::stream::once(end).filter_map(|_| std::future::ready(None));
        let requests = futures::stream::iter(first).chain(end);
        let path: PathAndQuery = path.parse().expect("a path");
        let reply = grpc.streaming(Self::request(requests, by), path, Bytes);
        // A server may keep its headers until it has something to send.
        let reply = tokio::time::timeout(HEADERS, reply)
            .await
            .map_err(|_| Status::deadline_exceeded("no headers came"))?;
        reply.map(|reply| (reply.into_inner(), open))
    }

    /// Status and body of a GET; nothing from a server without REST.
    pub(crate) async fn get(&self, path: &str, by: Option<&str>) -> Option<(u16, Value)> {
        let mut request = reqwest::Client::new().get(format!("{}{path}", self.endpoint));
        if let Some(member) = by {
            request = request.bearer_auth(member);
        }
        let response = request.timeout(TIMEOUT).send().await.ok()?;
        let status = response.status().as_u16();
        response.json().await.ok().map(|body| (status, body))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

/// `NOT_FOUND`
pub(crate) fn code_name(code: tonic::Code) -> String {
    let camel = format!("{code:?}");
    let mut name = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(btree_map = "string, string", tag = "3")]
    metadata: BTreeMap<String, String>,
}

/// The `google.rpc.ErrorInfo` of a status.
pub(crate) fn error_info(status: &Status) -> Value {
    let details = <RpcStatus as prost::Message>::decode(status.details()).unwrap_or_default();
    let info = details
        .details
        .iter()
        .find(|any| any.type_url.ends_with("google.rpc.ErrorInfo"));
    let info = info.and_then(|any| <ErrorInfo as prost::Message>::decode(any.value.as_slice()).ok());
    info.map_or(
        Value::Null,
        |info| json!({"reason": info.reason, "domain": info.domain, "metadata": info.metadata}),
    )
}
