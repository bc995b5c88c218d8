//! Waiting for conditions, and saying meanwhile how far it is.

use std::time::{Duration, Instant};

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(50);

/// How often it is said.
const SAY: Duration = Duration::from_secs(15);

/// What a look comes to: whether it is so, and else what was seen.
pub(crate) type Look = anyhow::Result<Result<(), String>>;

/// A look that could be taken.
#[allow(clippy::unnecessary_wraps, reason = "others cannot")]
pub(crate) fn so_far(done: bool, seen: impl FnOnce() -> String) -> Look {
    Ok(if done { Ok(()) } else { Err(seen()) })
}

/// Looks until `look` gives `Ok`, and gives how long that took since `begun`.
pub(crate) async fn until(
    what: &str,
    begun: Instant,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Look,
) -> anyhow::Result<Duration> {
    let mut said = Instant::now();
    loop {
        let seen = match look().await? {
            Ok(()) => {
                let took = begun.elapsed();
                eprintln!("  {what}: after {:.1} s", took.as_secs_f64());
                return Ok(took);
            }
            Err(seen) => seen,
        };
        anyhow::ensure!(
            begun.elapsed() < patience,
            "not within {patience:?}: {what}; seen last: {seen}"
        );
        if said.elapsed() > SAY {
            eprintln!("    {seen} …");
            said = Instant::now();
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
