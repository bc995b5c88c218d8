//! The right to write, which ends by itself.

use std::{future::Future, sync::Arc};

use parking_lot::RwLock;
use tokio::time::{Instant, timeout_at};

/// The right to write to Kubernetes and Pub/Sub. It ends before anybody else can take the Lease, unless it is renewed;
/// a process that was stopped for a while finds it ended when it goes on.
#[derive(Debug, Clone)]
pub struct Permit(Vec<Arc<RwLock<Until>>>);

#[derive(Debug, Clone, Copy)]
enum Until {
    /// This process does not lead.
    Never,
    /// It leads until then, on its own monotonic clock.
    At(Instant),
    /// There is no election.
    Always,
}

/// This process does not hold the Lease (any more), so it must not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this replica does not hold the lease, so it does not write")]
pub struct NotLeading;

impl Permit {
    /// One that is not given yet.
    #[must_use]
    pub fn none() -> Self {
        Self(vec![Arc::new(RwLock::new(Until::Never))])
    }

    /// One that never ends: for a single process that nobody competes with.
    #[must_use]
    pub fn always() -> Self {
        Self(vec![Arc::new(RwLock::new(Until::Always))])
    }

    /// One that is there while both are, and ends with the first.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self([self.0.as_slice(), other.0.as_slice()].concat())
    }

    /// Gives it, or extends it.
    pub fn extend(&self, until: Instant) {
        for part in &self.0 {
            *part.write() = Until::At(until);
        }
    }

    /// Takes it away.
    pub fn withdraw(&self) {
        for part in &self.0 {
            *part.write() = Until::Never;
        }
    }

    /// Whether this process may write now.
    ///
    /// # Errors
    /// [`NotLeading`] when it may not.
    pub fn check(&self) -> Result<(), NotLeading> {
        match self.until() {
            Until::Always => Ok(()),
            Until::At(end) if Instant::now() < end => Ok(()),
            Until::At(_) | Until::Never => Err(NotLeading),
        }
    }

    /// The least of its parts.
    fn until(&self) -> Until {
        let parts = self.0.iter().map(|part| *part.read());
        parts.fold(Until::Always, |least, part| match (least, part) {
            (Until::Never, _) | (_, Until::Never) => Until::Never,
            (Until::Always, other) | (other, Until::Always) => other,
            (Until::At(one), Until::At(other)) => Until::At(one.min(other)),
        })
    }

    /// Makes a write under it: not begun without it, and given up when it ends, so that no retry inside the write comes
    /// after somebody else may write.
    ///
    /// # Errors
    /// [`NotLeading`] when it had ended, or ended before the write was answered; then the write may have been done.
    pub async fn cover<T>(&self, write: impl Future<Output = T>) -> Result<T, NotLeading> {
        let until = self.until();
        self.check()?;
        match until {
            Until::At(end) => timeout_at(end, write).await.map_err(|_| NotLeading),
            Until::Always | Until::Never => Ok(write.await),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_by_itself() {
        let permit = Permit::none();
        assert_eq!(permit.check(), Err(NotLeading));
        permit.extend(Instant::now() + Duration::from_secs(10));
        assert_eq!(permit.check(), Ok(()));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(permit.check(), Err(NotLeading), "nobody had to take it away");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_does_not_outlive_it() {
        let permit = Permit::none();
        permit.extend(Instant::now() + Duration::from_secs(10));
        let begun = Instant::now();
        let write = permit.cover(std::future::pending::<()>());
        assert_eq!(write.await, Err(NotLeading));
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
        let polled = permit.cover(async { panic!("a write was begun without the permit") });
        assert_eq!(polled.await, Err(NotLeading));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_both_are_needed() {
        let (one, other) = (Permit::none(), Permit::none());
        let both = one.and(&other);
        one.extend(Instant::now() + Duration::from_secs(20));
        assert_eq!(both.check(), Err(NotLeading));
        other.extend(Instant::now() + Duration::from_secs(10));
        assert_eq!(both.check(), Ok(()));
        let begun = Instant::now();
        assert_eq!(both.cover(std::future::pending::<()>()).await, Err(NotLeading));
        assert_eq!(begun.elapsed(), Duration::from_secs(10), "it ends with the first");
        other.extend(Instant::now() + Duration::from_secs(10));
        assert_eq!(both.check(), Ok(()));
        one.withdraw();
        assert_eq!(both.check(), Err(NotLeading));
        assert_eq!(other.check(), Ok(()));
    }

    #[tokio::test]
    async fn withdrawn_it_covers_nothing() {
        let permit = Permit::always();
        assert_eq!(permit.cover(async { 7 }).await, Ok(7));
        permit.withdraw();
        assert_eq!(permit.cover(async { 7 }).await, Err(NotLeading));
    }
}
