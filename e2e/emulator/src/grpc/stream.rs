//! One streaming pull: requests come in (acks, deadlines), batches of messages go out.
//!
//! It is driven by the transport: a batch is leased only when the connection can take it, so a slow
//! client holds no more than it has room for. A client that is done gets nothing more: what it gives
//! back at its end would otherwise be leased to the very stream that is about to close.

use super::{codec::Deliveries, details::to_tonic};
use crate::{
    api::Api,
    engine::{Engine, Feedback, Puller, Unsent},
    gate::Caller,
    limits::ACK_DEADLINE_SECONDS,
    methods::STREAMING_PULL,
    pb::{self, streaming_pull_response as reply},
    queue::Delivery,
    status::{Code, Result, Status},
};
use futures::{Stream, StreamExt as _, stream};
use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{sync::watch, task::coop};
use tonic::Streaming;

pub(super) type DeliveryStream =
    Pin<Box<dyn Stream<Item = std::result::Result<Deliveries, tonic::Status>> + Send>>;

/// An idle stream of a client that understands it (protocol version 1) hears from us this often.
const HEARTBEAT: Duration = Duration::from_secs(20);

enum Phase {
    Opening {
        api: Api,
        caller: Caller,
        requests: Box<Streaming<pb::StreamingPullRequest>>,
        unsent: Arc<Unsent>,
    },
    Open(Box<Session>),
    Closed,
}

struct Session {
    api: Api,
    caller: Caller,
    requests: Box<Streaming<pb::StreamingPullRequest>>,
    puller: Puller,
    heartbeats: bool,
    breaks: watch::Receiver<Option<Code>>,
    /// What the next response says of acks, on exactly-once subscriptions.
    confirmed: pb::StreamingPullResponse,
    /// What is leased to this stream and not written yet.
    unsent: Arc<Unsent>,
}

/// What a request says of the stream as a whole.
enum Turn {
    GoesOn,
    /// The client has closed its side, or is gone.
    Ended,
}

pub(super) fn open(
    api: Api,
    caller: Caller,
    requests: Streaming<pb::StreamingPullRequest>,
    unsent: Arc<Unsent>,
) -> DeliveryStream {
    let start = Phase::Opening {
        api,
        caller,
        requests: Box::new(requests),
        unsent,
    };
    stream::unfold(start, |phase| async {
        let mut session = match phase {
            Phase::Closed => return None,
            Phase::Open(session) => session,
            Phase::Opening {
                api,
                caller,
                requests,
                unsent,
            } => match Session::start(api, caller, requests, unsent).await {
                Ok(Some(session)) => Box::new(session),
                Ok(None) => return None,
                Err(status) => return Some((Err(to_tonic(status)), Phase::Closed)),
            },
        };
        match session.next().await {
            Ok(Some(batch)) => Some((Ok(batch), Phase::Open(session))),
            Ok(None) => None,
            Err(status) => Some((Err(to_tonic(status)), Phase::Closed)),
        }
    })
    .boxed()
}

impl Session {
    /// `None` if the client went away before it said what it wants.
    async fn start(
        api: Api,
        caller: Caller,
        mut requests: Box<Streaming<pb::StreamingPullRequest>>,
        unsent: Arc<Unsent>,
    ) -> Result<Option<Self>> {
        let Ok(Some(first)) = requests.message().await else {
            return Ok(None);
        };
        let opening = async {
            check_deadline(first.stream_ack_deadline_seconds)?;
            api.engine.attach(
                &first.subscription,
                first.max_outstanding_messages,
                first.max_outstanding_bytes,
                &first.client_id,
            )
        };
        let mut puller = api
            .gate
            .pass(&STREAMING_PULL, &first.subscription, &[], &caller, opening)
            .await?;
        puller.set_hold(first.stream_ack_deadline_seconds);
        let heartbeats = first.protocol_version >= 1;
        let breaks = puller.subscription.breaks.subscribe();
        let mut session = Self {
            api,
            caller,
            requests,
            puller,
            heartbeats,
            breaks,
            confirmed: pb::StreamingPullResponse::default(),
            unsent,
        };
        session.answer(first)?;
        Ok(Some(session))
    }

    /// The next response. `None`: the client is done.
    async fn next(&mut self) -> Result<Option<Deliveries>> {
        loop {
            // A grant that is taken away ends the stream too, not only the next one.
            self.api.gate.authorise(
                &STREAMING_PULL,
                self.puller.subscription.name.as_str(),
                &[],
                &self.caller,
            )?;
            if self.puller.subscription.gone.is_cancelled() {
                return Err(Engine::gone(&self.puller.subscription));
            }
            if self.breaks.has_changed().unwrap_or(false) {
                let code = self.breaks.borrow_and_update().unwrap_or(Code::Unavailable);
                return Err(Status::new(
                    code,
                    "The stream was ended by a planned fault of the emulator.",
                ));
            }
            if let Turn::Ended = self.hear_out().await? {
                return Ok(None);
            }
            let received = self.puller.take();
            if !received.is_empty() || self.confirmed != pb::StreamingPullResponse::default() {
                return Ok(Some(self.response(received)));
            }
            tokio::select! {
                request = self.requests.message() => if let Turn::Ended = self.hear(request)? {
                    return Ok(None);
                },
                () = self.puller.ready() => {}
                () = self.puller.subscription.gone.cancelled() => return Err(Engine::gone(&self.puller.subscription)),
                // Looked at above.
                Ok(()) = self.breaks.changed() => self.breaks.mark_changed(),
                () = self.api.engine.stop.cancelled() => {
                    return Err(Status::new(Code::Unavailable, "The emulator is shutting down."));
                }
                () = tokio::time::sleep(HEARTBEAT), if self.heartbeats => return Ok(Some(self.response(Vec::new()))),
            }
        }
    }

    /// Hears, without waiting, everything that has come in. Only then it is known, as far as it can be, that the client
    /// still reads: its nacks and the end of its stream come in together, and the nacks free what it would be sent.
    /// (A client may also nack on another connection before it closes; that cannot be known.)
    async fn hear_out(&mut self) -> Result<Turn> {
        loop {
            let request = match futures::poll!(pin!(self.requests.message())) {
                Poll::Pending => return Ok(Turn::GoesOn),
                Poll::Ready(request) => request,
            };
            if let Turn::Ended = self.hear(request)? {
                return Ok(Turn::Ended);
            }
            // A client that never stops talking holds up its own deliveries, and nothing else.
            coop::consume_budget().await;
        }
    }

    fn hear(
        &mut self,
        request: std::result::Result<Option<pb::StreamingPullRequest>, tonic::Status>,
    ) -> Result<Turn> {
        let Ok(Some(request)) = request else {
            return Ok(Turn::Ended);
        };
        check_later(&request)?;
        self.answer(request)?;
        Ok(Turn::GoesOn)
    }

    fn response(&mut self, received: Vec<Delivery>) -> Deliveries {
        let mut rest = std::mem::take(&mut self.confirmed);
        rest.subscription_properties = Some(self.puller.properties());
        let batch = Deliveries { received, rest };
        self.unsent
            .add(&self.puller.subscription, &batch.received, batch.framed_len());
        batch
    }

    /// Acks, nacks, extensions and a new deadline, as one request may carry them all.
    fn answer(&mut self, request: pb::StreamingPullRequest) -> Result<()> {
        if request.stream_ack_deadline_seconds != 0 {
            check_deadline(request.stream_ack_deadline_seconds)?;
            self.puller.set_hold(request.stream_ack_deadline_seconds);
        }
        if request.modify_deadline_ack_ids.len() != request.modify_deadline_seconds.len() {
            return Err(Status::invalid(
                "modify_deadline_ack_ids and modify_deadline_seconds must have the same length.",
            ));
        }
        let exactly_once = self.puller.properties().exactly_once_delivery_enabled;
        if !request.ack_ids.is_empty() {
            let Feedback { done, invalid } = Engine::ack(&self.puller.subscription, request.ack_ids)?;
            if exactly_once {
                let confirmation = self.confirmed.acknowledge_confirmation.get_or_insert_default();
                confirmation.ack_ids.extend(done);
                confirmation.invalid_ack_ids.extend(invalid);
            }
        }
        if !request.modify_deadline_ack_ids.is_empty() {
            let seconds = request
                .modify_deadline_seconds
                .into_iter()
                .map(crate::engine::extension);
            let ids = request.modify_deadline_ack_ids.into_iter().zip(seconds);
            let ids = ids
                .map(|(id, seconds)| seconds.map(|seconds| (id, seconds)))
                .collect::<Result<Vec<_>>>()?;
            let Feedback { done, invalid } = self.api.engine.extend(&self.puller.subscription, ids)?;
            if exactly_once {
                let confirmation: &mut reply::ModifyAckDeadlineConfirmation = self
                    .confirmed
                    .modify_ack_deadline_confirmation
                    .get_or_insert_default();
                confirmation.ack_ids.extend(done);
                confirmation.invalid_ack_ids.extend(invalid);
            }
        }
        Ok(())
    }
}

/// What only the first request of a stream may say (documentation of `StreamingPullRequest`'s fields).
fn check_later(request: &pb::StreamingPullRequest) -> Result<()> {
    let field = if !request.subscription.is_empty() {
        "subscription"
    } else if request.max_outstanding_messages != 0 {
        "max_outstanding_messages"
    } else if request.max_outstanding_bytes != 0 {
        "max_outstanding_bytes"
    } else if request.protocol_version != 0 {
        "protocol_version"
    } else {
        return Ok(());
    };
    Err(Status::invalid(format!(
        "{field} must not be set in subsequent requests of a stream."
    )))
}

fn check_deadline(seconds: i32) -> Result<()> {
    if ACK_DEADLINE_SECONDS.contains(&seconds) {
        return Ok(());
    }
    Err(Status::invalid(format!(
        "Invalid stream_ack_deadline_seconds given ({seconds}). It must be between 10 and 600."
    )))
}
