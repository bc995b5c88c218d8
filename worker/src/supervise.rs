//! Tasks that must run as long as the worker does: one that panics is started again, and the worker says so.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{circuit::jittered, process::Pipeline};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Runs a task until it ends by itself or `stop` is cancelled. After a panic it is started again, with a backoff; until then
/// the worker is not ready.
pub(crate) async fn supervised<F: Future<Output = ()>>(
    task: &'static str,
    pipeline: &Pipeline,
    stop: &CancellationToken,
    start: impl Fn() -> F,
) {
    let who = format!("task {task}");
    let mut wait = FIRST_WAIT;
    loop {
        let started = Instant::now();
        if AssertUnwindSafe(start()).catch_unwind().await.is_ok() {
            return;
        }
        pipeline.metrics.task_restarts.with_label_values(&[task]).inc();
        pipeline
            .health
            .blocked(&who, "it panicked, and is started again; see the log");
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
        pipeline.health.fine(&who);
    }
}
