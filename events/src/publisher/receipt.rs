//! What a sender of an event gets.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::task::JoinHandle;

use super::PublishError;

/// The result of one event that is on its way: await it for the message's id. Dropping it takes nothing back.
#[must_use = "a receipt that is not awaited hides whether the event was published"]
pub struct Receipt(JoinHandle<Result<String, PublishError>>);

impl Receipt {
    pub(super) fn new(task: JoinHandle<Result<String, PublishError>>) -> Self {
        Self(task)
    }
}

impl Future for Receipt {
    /// The message's id, or why the event was not published.
    type Output = Result<String, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A task ends without a result when its runtime ends.
        let result = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(result.unwrap_or(Err(PublishError::Closed)))
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("settled", &self.0.is_finished())
            .finish()
    }
}
