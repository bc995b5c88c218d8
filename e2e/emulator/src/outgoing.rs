//! Responses on their way into the transport, with an account of which deliveries it has written.
//!
//! HTTP/2 keeps what is to be sent until the client's flow-control window and the socket take it, and drops it when the
//! stream is reset or the connection ends. It writes from these buffers by `advance`, so that is what is counted. (A
//! chunk of less than some 256 bytes is copied into the connection's write buffer first, and counts as written then.)

use crate::engine::Unsent;
use axum::{body::Body, http::Response};
use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A response's body.
pub(crate) struct Outgoing {
    body: Body,
    unsent: Option<Arc<Unsent>>,
}

/// The account travels in the response's extensions, where a method that delivers messages has left it.
pub(crate) fn outgoing(response: Response<Body>) -> Response<Outgoing> {
    let (mut parts, body) = response.into_parts();
    let unsent = parts.extensions.remove();
    Response::from_parts(parts, Outgoing { body, unsent })
}

impl hyper::body::Body for Outgoing {
    type Data = Chunk;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        frame.map_ok(|frame| {
            frame.map_data(|bytes| Chunk {
                bytes,
                unsent: self.unsent.clone(),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A part of a body, as the transport holds it.
pub(crate) struct Chunk {
    bytes: Bytes,
    unsent: Option<Arc<Unsent>>,
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(unsent) = &self.unsent {
            unsent.written(count);
        }
    }
}
