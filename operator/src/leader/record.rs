//! Pure: what the Lease says, and what follows from it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use tokio::time::Instant;

/// The times of an election; `lease` is longer than `renew`, and `renew` than `retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// How long a Lease counts after its last renewal, as others see it.
    pub lease: Duration,
    /// How long its holder writes after the last renewal that was answered. Shorter than `lease`, so that a write that
    /// was begun at the last moment is over before another replica begins.
    pub renew: Duration,
    /// How often the holder renews it, and the others look.
    pub retry: Duration,
}

/// client-go's defaults
/// (<https://pkg.go.dev/k8s.io/component-base/config/v1alpha1#LeaderElectionConfiguration>).
impl Default for Times {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// The Lease as it was seen, and since when it has been so.
#[derive(Debug, Clone)]
pub struct Sighting {
    lease: Lease,
    since: Instant,
}

/// What to do about a Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is ours.
    Renew,
    /// It is nobody's, or its holder has been silent for too long.
    Take,
    /// Somebody else holds it.
    Wait,
}

impl Sighting {
    /// Looks again: a Lease that did not change has been so since it was first seen so, on this process' own clock.
    #[must_use]
    pub fn look(before: Option<&Self>, lease: Lease, now: Instant) -> Self {
        let since = match before {
            Some(before) if before.lease.spec == lease.spec => before.since,
            _ => now,
        };
        Self { lease, since }
    }

    /// Decides.
    #[must_use]
    pub fn step(&self, identity: &str, now: Instant) -> Step {
        let Some(holder) = self.holder() else {
            return Step::Take;
        };
        if holder == identity {
            return Step::Renew;
        }
        let seconds = self
            .lease
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_duration_seconds)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .unwrap_or(0);
        match now.duration_since(self.since) >= Duration::from_secs(seconds) {
            true => Step::Take,
            false => Step::Wait,
        }
    }

    /// Who holds it.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        let holder = self.lease.spec.as_ref()?.holder_identity.as_deref()?;
        (!holder.is_empty()).then_some(holder)
    }

    /// The Lease to write so that this identity holds it, or goes on holding it. Its resourceVersion is that of the one
    /// seen.
    #[must_use]
    pub fn held_by(&self, identity: &str, times: &Times, wall: Timestamp) -> Lease {
        let before = self.lease.spec.clone().unwrap_or_default();
        let ours = self.holder() == Some(identity);
        let transitions = before.lease_transitions.unwrap_or(0);
        Lease {
            metadata: self.lease.metadata.clone(),
            spec: Some(LeaseSpec {
                acquire_time: match ours {
                    true => before.acquire_time,
                    false => Some(MicroTime(wall)),
                },
                lease_transitions: Some(match ours {
                    true => transitions,
                    false => transitions.saturating_add(1),
                }),
                ..spec(identity, times, wall)
            }),
        }
    }

    /// The Lease to write so that nobody holds it, and the next may take it at once.
    #[must_use]
    pub fn released(&self) -> Lease {
        let spec = self.lease.spec.clone().unwrap_or_default();
        Lease {
            metadata: self.lease.metadata.clone(),
            spec: Some(LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(1),
                ..spec
            }),
        }
    }
}

/// The spec of a Lease that this identity begins to hold.
#[must_use]
pub fn spec(identity: &str, times: &Times, wall: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(times.lease.as_secs()).ok(),
        acquire_time: Some(MicroTime(wall)),
        renew_time: Some(MicroTime(wall)),
        lease_transitions: Some(0),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(identity: &str, renewed: i64) -> Lease {
        let wall = Timestamp::from_second(renewed).unwrap();
        Lease {
            spec: Some(spec(identity, &Times::default(), wall)),
            ..Lease::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_is_silent_only_on_our_own_clock() {
        let seen =
            |before: Option<&Sighting>, renewed| Sighting::look(before, held("b", renewed), Instant::now());
        // Renewed an hour "ago" or "in" an hour by the other pod's clock: that says nothing.
        for renewed in [-3600, 3600] {
            assert_eq!(seen(None, renewed).step("a", Instant::now()), Step::Wait);
        }
        let first = seen(None, 0);
        tokio::time::advance(Duration::from_secs(14)).await;
        let again = seen(Some(&first), 0);
        assert_eq!(again.step("a", Instant::now()), Step::Wait);
        let renewed = seen(Some(&again), 2);
        tokio::time::advance(Duration::from_secs(14)).await;
        assert_eq!(renewed.step("a", Instant::now()), Step::Wait, "it was renewed");
        assert_eq!(seen(Some(&again), 0).step("a", Instant::now()), Step::Take);
    }

    #[tokio::test(start_paused = true)]
    async fn ours_and_nobodys() {
        let now = Instant::now();
        let ours = Sighting::look(None, held("a", 0), now);
        assert_eq!(ours.step("a", now), Step::Renew);
        let freed = Sighting::look(None, ours.released(), now);
        assert_eq!(
            freed.step("b", now),
            Step::Take,
            "a Lease that was given back is taken at once"
        );
        assert_eq!(
            Sighting::look(None, Lease::default(), now).step("b", now),
            Step::Take
        );
    }

    #[tokio::test(start_paused = true)]
    async fn transitions_are_counted_and_renewals_are_not() {
        let now = Instant::now();
        let wall = Timestamp::from_second(50).unwrap();
        let transitions = |lease: &Lease| lease.spec.as_ref().unwrap().lease_transitions;
        let renewed = Sighting::look(None, held("a", 0), now).held_by("a", &Times::default(), wall);
        assert_eq!(transitions(&renewed), Some(0));
        let spec = renewed.spec.clone().unwrap();
        assert_eq!(spec.acquire_time.unwrap().0, Timestamp::from_second(0).unwrap());
        assert_eq!(spec.renew_time.unwrap().0, wall);
        let taken = Sighting::look(None, renewed, now).held_by("b", &Times::default(), wall);
        assert_eq!(transitions(&taken), Some(1));
    }
}
