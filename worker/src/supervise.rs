//! Tasks that must run as long as the worker does: one that panics is started again, and the worker says so.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{circuit::jittered, health::Health, metrics::Metrics};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Runs a task until it ends by itself or `stop` is cancelled. After a panic it is started again, with a backoff; until then
/// the worker is not ready.
pub(crate) async fn supervised<F: Future<Output = ()>>(
    task: &'static str,
    health: &Health,
    metrics: &Metrics,
    stop: &CancellationToken,
    start: impl Fn() -> F,
) {
    let who = format!("task {task}");
    // From zero, so that the first restart is seen.
    metrics.task_restarts.with_label_values(&[task]);
    let mut wait = FIRST_WAIT;
    loop {
        let started = Instant::now();
        if AssertUnwindSafe(start()).catch_unwind().await.is_ok() {
            return;
        }
        metrics.task_restarts.with_label_values(&[task]).inc();
        health.blocked(&who, "it panicked, and is started again; see the log");
        if started.elapsed() > LONGEST_WAIT {
            wait = FIRST_WAIT;
        }
        tracing::error!(task, "A task panicked; it is started again.");
        if stop
            .run_until_cancelled(tokio::time::sleep(jittered(wait)))
            .await
            .is_none()
        {
            return;
        }
        wait = (wait * 2).min(LONGEST_WAIT);
        health.fine(&who);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_started_again_and_the_worker_says_so() {
        let (health, metrics, stop) = (
            Health::default(),
            Metrics::new().unwrap(),
            CancellationToken::new(),
        );
        let starts = AtomicU32::new(0);
        let task = supervised("pull", &health, &metrics, &stop, || async {
            assert!(starts.fetch_add(1, Ordering::SeqCst) >= 3, "no");
            std::future::pending::<()>().await;
        });
        tokio::pin!(task);
        let soon = FIRST_WAIT / 4;
        assert!(tokio::time::timeout(soon, &mut task).await.is_err());
        assert!(health.problems().unwrap().contains("task pull: it panicked"));
        assert!(tokio::time::timeout(LONGEST_WAIT, &mut task).await.is_err());
        assert_eq!((starts.load(Ordering::SeqCst), health.problems()), (4, None));
        assert_eq!(metrics.task_restarts.with_label_values(&["pull"]).get(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_it_while_it_waits_to_start_again() {
        let (health, metrics, stop) = (
            Health::default(),
            Metrics::new().unwrap(),
            CancellationToken::new(),
        );
        stop.cancel();
        supervised("pull", &health, &metrics, &stop, || async { panic!("no") }).await;
        assert!(health.problems().is_some());
    }
}
