//! Waiting for conditions, never for time.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(50);

/// Looks until `look` gives `Ok`, and gives what it found.
///
/// # Panics
/// After `patience`, with what was wanted and what was seen last.
#[allow(clippy::panic, reason = "this is how a test fails")]
pub async fn eventually<T, E: Debug>(
    wanted: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if start.elapsed() > patience => {
                panic!("not within {patience:?}: {wanted}; seen last: {seen:#?}")
            }
            Err(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}
