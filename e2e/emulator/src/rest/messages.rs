//! Paths that take and answer messages, for clients without gRPC.

use super::{request::Reply, routes::Request, tables as t};
use crate::{limits::MAX_ACK_REQUEST_BYTES, pb, status::Result};

impl Request<'_> {
    pub(super) async fn messages(&self, action: &str) -> Result<Reply> {
        let (api, caller, name) = (self.api, self.caller, self.name.clone());
        if action != ":pull" && self.body.len() > MAX_ACK_REQUEST_BYTES {
            return Err(super::too_large(MAX_ACK_REQUEST_BYTES));
        }
        match action {
            ":pull" => {
                let request = pb::PullRequest {
                    subscription: name,
                    ..self.read(&t::PULL)?
                };
                let pulled = api.pull(caller, request).await?;
                let received_messages = pulled
                    .received
                    .iter()
                    .map(|delivery| pb::ReceivedMessage {
                        ack_id: delivery.ack_id.to_string(),
                        message: Some(delivery.message.decode()),
                        delivery_attempt: i32::try_from(delivery.attempt).unwrap_or(i32::MAX),
                    })
                    .collect();
                Ok(Reply::of(&pb::PullResponse { received_messages }, &t::PULLED))
            }
            ":acknowledge" => {
                let request = pb::AcknowledgeRequest {
                    subscription: name,
                    ..self.read(&t::ACKNOWLEDGE)?
                };
                api.acknowledge(caller, request).await.map(|()| Reply::empty())
            }
            _ => {
                let request = pb::ModifyAckDeadlineRequest {
                    subscription: name,
                    ..self.read(&t::MODIFY_ACK_DEADLINE)?
                };
                api.modify_ack_deadline(caller, request)
                    .await
                    .map(|()| Reply::empty())
            }
        }
    }
}
