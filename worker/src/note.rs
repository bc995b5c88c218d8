//! Talking to the idempotency store: once, or until it answers.

use std::{future::Future, time::Duration};

use crate::{
    circuit::jittered,
    disposition::Verdict,
    once::{End, Noted, StoreError, Token},
    process::Pipeline,
};

/// Waits between two questions start here and double.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Notes the end of an event, however long the store takes to answer. When the worker's grace ends first the verdict
/// stands: the effect has happened, and acknowledging it unnoted is nearer to once than handling it again.
pub(crate) async fn finish(
    pipeline: &Pipeline,
    key: &str,
    token: &Token,
    end: End,
    verdict: Verdict,
) -> Verdict {
    match patiently(pipeline, || pipeline.store.finish(key, token, end)).await {
        Some(Noted::Yes) | None => verdict,
        Some(Noted::TooLate) => Verdict::Overtaken,
    }
}

pub(crate) async fn release(pipeline: &Pipeline, key: &str, token: &Token) {
    // Unreleased it would expire by itself, later.
    let _ = patiently(pipeline, || pipeline.store.release(key, token)).await;
}

/// Asks the store until it answers or the worker's grace ends.
async fn patiently<T, F>(pipeline: &Pipeline, ask: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut wait = FIRST_WAIT;
    loop {
        if let Ok(answer) = told(pipeline, ask()).await {
            return Some(answer);
        }
        let pause = tokio::time::sleep(jittered(wait));
        pipeline.drain.cut.run_until_cancelled(pause).await?;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Asks the store once, and keeps health and metrics up to date with whether it answers.
pub(crate) async fn told<T>(
    pipeline: &Pipeline,
    ask: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let answer = ask.await;
    match &answer {
        Ok(_) => pipeline.health.fine("store"),
        Err(error) => {
            pipeline.metrics.store_errors.inc();
            pipeline.health.blocked("store", error.to_string());
        }
    }
    answer
}
