//! Talking to the idempotency store: once, or until it answers.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    circuit::jittered,
    disposition::Verdict,
    once::{End, Identity, Kept, Noted, StoreError, Token},
    process::Pipeline,
};

/// Waits between two questions start here and double.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A worker without events asks this often whether the store is there.
const CHECK: Duration = Duration::from_secs(4);
const WHO: &str = "store";

/// Notes the end of an event, however long the store takes to answer. When the worker's grace ends first the verdict
/// stands: the effect has happened, and acknowledging it unnoted is nearer to once than handling it again.
pub(crate) async fn finish(
    pipeline: &Pipeline,
    event: &Identity<'_>,
    token: Token,
    end: End,
    verdict: Verdict,
) -> Verdict {
    match patiently(pipeline, || pipeline.store.finish(event, token, end)).await {
        Some(Noted::Yes) | None => verdict,
        Some(Noted::TooLate) => Verdict::Overtaken,
    }
}

pub(crate) async fn release(pipeline: &Pipeline, event: &Identity<'_>, token: Token) {
    // Unreleased it would expire by itself, later.
    let _ = patiently(pipeline, || pipeline.store.release(event, token)).await;
}

/// Asks the store until it answers or the worker's grace ends.
async fn patiently<T, F>(pipeline: &Pipeline, ask: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut wait = FIRST_WAIT;
    loop {
        if let Ok(answer) = answered(pipeline, ask()).await {
            return Some(answer);
        }
        let pause = tokio::time::sleep(jittered(wait));
        pipeline.drain.cut.run_until_cancelled(pause).await?;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Asks the store once, and keeps health and metrics up to date with whether it answers.
pub(crate) async fn answered<T>(
    pipeline: &Pipeline,
    ask: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let start = Instant::now();
    let answer = ask.await;
    let took = start.elapsed().as_secs_f64();
    pipeline.metrics.store_seconds.observe(took);
    match &answer {
        Ok(_) => pipeline.health.fine(WHO),
        Err(error) => {
            pipeline.metrics.store_errors.inc();
            pipeline.health.blocked(WHO, error.to_string());
        }
    }
    answer
}

/// Asks the store again and again whether it is there, and still has what it was given.
pub(crate) async fn watch(pipeline: Arc<Pipeline>) {
    pipeline.health.blocked(WHO, "it has not answered yet");
    let (mut away, mut full) = (false, false);
    loop {
        match answered(&pipeline, pipeline.store.check()).await {
            Ok(kept) => {
                if std::mem::take(&mut away) {
                    tracing::info!("The idempotency store answers again.");
                }
                match kept {
                    Kept::Yes => {}
                    Kept::Lost => {
                        pipeline.metrics.store_losses.inc();
                        tracing::error!(
                            "The idempotency store was emptied: events that were handled before may be handled again."
                        );
                    }
                    Kept::Forgot(ends) => {
                        pipeline.metrics.store_forgotten.inc_by(ends);
                        if !std::mem::replace(&mut full, true) {
                            tracing::warn!(
                                "The idempotency store is full and forgets the oldest events before IDEMPOTENCY_TTL: a \
                                 duplicate of one of them would be handled again. Use a Redis, or a shorter TTL."
                            );
                        }
                    }
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "Nothing is handled until the idempotency store answers.");
                }
            }
        }
        let pause = tokio::time::sleep(jittered(if away { FIRST_WAIT * 10 } else { CHECK }));
        if pipeline.drain.unless_stopping(pause).await.is_none() {
            return;
        }
    }
}
