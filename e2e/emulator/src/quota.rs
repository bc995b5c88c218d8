//! The quota of administrative operations: a token bucket per project, refilled by the minute's rate.

use crate::status::{Code, Detail, Result, Status};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use tokio::time::Instant;

#[derive(Default)]
pub(crate) struct Quota {
    /// Tokens left, and when that was so.
    buckets: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Quota {
    /// Takes one operation from the project's bucket.
    pub(crate) fn take(&self, project: &str, number: u64, per_minute: u32, now: Instant) -> Result<()> {
        let full = f64::from(per_minute);
        let mut buckets = self.buckets.lock();
        let (tokens, since) = buckets.entry(project.to_owned()).or_insert((full, now));
        *tokens = (*tokens + now.duration_since(*since).as_secs_f64() * full / 60.0).min(full);
        *since = now;
        if *tokens >= 1.0 {
            *tokens -= 1.0;
            return Ok(());
        }
        Err(exceeded(number, per_minute))
    }
}

/// Word for word what the service answers, details included.
fn exceeded(number: u64, per_minute: u32) -> Status {
    let message = format!(
        "Quota exceeded for quota metric 'Administrator operations' and limit 'Administrator operations per minute' of \
         service 'pubsub.googleapis.com' for consumer 'project_number:{number}'."
    );
    let metadata: BTreeMap<String, String> = [
        ("service", "pubsub.googleapis.com".to_owned()),
        ("consumer", format!("projects/{number}")),
        ("quota_metric", "pubsub.googleapis.com/administrator".to_owned()),
        ("quota_limit", "administratorPerMinutePerProject".to_owned()),
        ("quota_limit_value", per_minute.to_string()),
        ("quota_location", "global".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    Status::new(Code::ResourceExhausted, message.clone())
        .with(Detail::ErrorInfo {
            reason: "RATE_LIMIT_EXCEEDED".to_owned(),
            domain: "googleapis.com".to_owned(),
            metadata,
        })
        .with(Detail::QuotaFailure {
            subject: format!("project_number:{number}"),
            description: message,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn the_default_is_the_services_and_the_refusal_has_its_names() {
        let default = crate::Settings::default().admin_quota_per_minute.unwrap();
        let quota = Quota::default();
        let take = || quota.take("p", 4711, default, Instant::now());
        assert!((0..6_000).all(|_| take().is_ok()));
        let refusal = take().unwrap_err();
        assert!(refusal.message.contains("for consumer 'project_number:4711'"));
        let Some(Detail::ErrorInfo {
            reason,
            domain,
            metadata,
        }) = refusal.details.first()
        else {
            panic!("no details: {refusal:?}");
        };
        assert_eq!(
            (reason.as_str(), domain.as_str()),
            ("RATE_LIMIT_EXCEEDED", "googleapis.com")
        );
        assert_eq!(metadata["consumer"], "projects/4711");
        assert_eq!(metadata["quota_limit_value"], "6000");
        assert_eq!(metadata["quota_limit"], "administratorPerMinutePerProject");
        // A hundred a second come back.
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!((0..100).all(|_| take().is_ok()) && take().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_refills() {
        let quota = Quota::default();
        let take = || quota.take("p", 1, 60, Instant::now());
        assert!((0..60).all(|_| take().is_ok()));
        assert_eq!(take().unwrap_err().code, Code::ResourceExhausted);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(take().is_ok() && take().is_ok() && take().is_err());
        assert!(quota.take("q", 2, 60, Instant::now()).is_ok());
    }
}
