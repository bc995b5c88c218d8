//! The official client's handler of a message, as our [`Lease`], and its message as our [`Message`].

use std::time::Duration;

use async_trait::async_trait;
use events::SubscriptionName;
use google_cloud_pubsub::{model, subscriber::handler::Handler};
use jiff::Timestamp;

use crate::message::{Delivery, Lease, Message, NotConfirmed};

/// How long an exactly-once acknowledgement may take to be confirmed. The client would try for ten minutes; the
/// event is noted as done, so waiting longer gains nothing.
const CONFIRM: Duration = Duration::from_secs(30);

struct GoogleLease(Handler);

#[async_trait]
impl Lease for GoogleLease {
    async fn ack(self: Box<Self>) -> Result<(), NotConfirmed> {
        let Handler::ExactlyOnce(handler) = self.0 else {
            self.0.ack();
            return Ok(());
        };
        match tokio::time::timeout(CONFIRM, handler.confirmed_ack()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(NotConfirmed(error.to_string())),
            Err(_elapsed) => Err(NotConfirmed("no answer in time".to_owned())),
        }
    }

    fn nack(self: Box<Self>) {
        self.0.nack();
    }
}

/// A delivery from what the client yields.
pub(crate) fn delivery(
    subscription: &SubscriptionName,
    message: model::Message,
    handler: Handler,
) -> Delivery {
    let published_at = message
        .publish_time
        .and_then(|time| Timestamp::new(time.seconds(), time.nanos()).ok());
    Delivery {
        message: Message {
            subscription: subscription.clone(),
            data: message.data,
            attributes: message.attributes,
            published_at,
            ordering_key: message.ordering_key,
            delivery_attempt: handler
                .delivery_attempt()
                .and_then(|attempt| u32::try_from(attempt).ok()),
        },
        lease: Box::new(GoogleLease(handler)),
    }
}
