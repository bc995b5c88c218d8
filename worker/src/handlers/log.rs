//! Does nothing with an event: that it was processed is in the log anyway. For demonstrations and first steps.

use async_trait::async_trait;

use crate::handle::{Event, Handler, Outcome};

/// Succeeds with every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogHandler;

#[async_trait]
impl Handler for LogHandler {
    async fn handle(&self, _event: &Event) -> Outcome {
        Outcome::Success
    }
}
