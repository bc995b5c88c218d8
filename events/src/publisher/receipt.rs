//! What a sender of an event gets.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::task::JoinHandle;

use super::{PublishError, outlet::Use};

/// The result of one event that is on its way: await it for the message's id. Dropping it takes nothing back.
#[must_use = "a receipt that is not awaited hides whether the event was published"]
pub struct Receipt {
    task: JoinHandle<Result<String, PublishError>>,
    /// The ordering key is held until this is dropped.
    _used: Option<Arc<Use>>,
}

impl Receipt {
    pub(super) fn new(task: JoinHandle<Result<String, PublishError>>, used: Option<Arc<Use>>) -> Self {
        Self { task, _used: used }
    }
}

impl Future for Receipt {
    /// The message's id, or why the event was not published.
    type Output = Result<String, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A task ends without a result when its runtime ends.
        let result = ready!(Pin::new(&mut self.task).poll(context));
        Poll::Ready(result.unwrap_or(Err(PublishError::Closed)))
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("settled", &self.task.is_finished())
            .finish_non_exhaustive()
    }
}
