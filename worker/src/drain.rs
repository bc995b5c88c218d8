//! How the worker stops: no more pulling, running handlers finish, the rest goes back, acknowledgements go out.

use std::{future::Future, time::Duration};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Kept from the grace period for giving back what did not finish and for flushing acknowledgements.
const FLUSH: Duration = Duration::from_secs(3);

/// The stages of a stop, and everything that must end before the process may.
#[derive(Debug, Clone)]
pub struct Drain {
    /// How long a stop may take.
    pub grace: Duration,
    /// No more pulling, and nothing that waits goes on waiting.
    pub stopping: CancellationToken,
    /// The grace is over for handlers that still run.
    pub cut: CancellationToken,
    /// Deliveries that are not settled.
    pub deliveries: TaskTracker,
    /// Closed streams that still have leases to keep or acknowledgements to send.
    pub streams: TaskTracker,
}

impl Drain {
    /// Nothing stops yet; when it does it may take so long.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            stopping: CancellationToken::new(),
            cut: CancellationToken::new(),
            deliveries: TaskTracker::new(),
            streams: TaskTracker::new(),
        }
    }

    /// Runs a wait unless the worker stops first.
    pub async fn unless_stopping<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        self.stopping.run_until_cancelled(wait).await
    }

    /// Stops within the grace period. `pulling` ends when no stream pulls any more. Returns whether all was settled
    /// in time.
    pub async fn run(&self, pulling: impl Future<Output = ()>) -> bool {
        let deadline = Instant::now() + self.grace;
        let flush = FLUSH.min(self.grace / 2);
        self.stopping.cancel();
        pulling.await;
        self.deliveries.close();
        self.streams.close();
        if tokio::time::timeout_at(deadline - flush, self.deliveries.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                handlers = self.deliveries.len(),
                "Handlers did not finish within the grace period; their events are given back."
            );
            self.cut.cancel();
        }
        let settled = async {
            self.deliveries.wait().await;
            self.streams.wait().await;
        };
        tokio::time::timeout_at(deadline, settled).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(25);

    #[tokio::test(start_paused = true)]
    async fn waits_for_what_finishes_in_time() {
        let drain = Drain::new(GRACE);
        drain
            .deliveries
            .spawn(tokio::time::sleep(Duration::from_secs(10)));
        let start = Instant::now();
        assert!(drain.run(async {}).await);
        assert_eq!(start.elapsed(), Duration::from_secs(10));
        assert!(!drain.cut.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn cuts_what_does_not_and_leaves_time_to_flush() {
        let drain = Drain::new(GRACE);
        let cut = drain.cut.clone();
        drain.deliveries.spawn(async move { cut.cancelled().await });
        drain.streams.spawn(tokio::time::sleep(Duration::from_secs(23)));
        let start = Instant::now();
        assert!(drain.run(async {}).await);
        assert_eq!(start.elapsed(), Duration::from_secs(23));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_at_the_end_of_the_grace_whatever_hangs() {
        let drain = Drain::new(GRACE);
        drain.deliveries.spawn(std::future::pending::<()>());
        let start = Instant::now();
        assert!(!drain.run(async {}).await);
        assert_eq!(start.elapsed(), GRACE);
    }
}
