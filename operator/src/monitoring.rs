//! What Cloud Monitoring measures of subscriptions, asked for once for the whole fleet.

pub mod backlog;
pub mod google;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use events::{ProjectId, SubscriptionName};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long an answer is used for at most: Pub/Sub's metrics are sampled every minute
/// (<https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-pubsub>).
pub const FRESH: Duration = Duration::from_secs(60);

/// The age of the oldest unacknowledged message of a subscription, and when that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oldest {
    /// The end of the interval that was measured.
    pub at: Timestamp,
    /// The age then; zero when there was no message.
    pub age: Duration,
}

impl Oldest {
    /// When the oldest message was published; when there is none, when that was seen.
    #[must_use]
    pub fn published(&self) -> Timestamp {
        self.at.saturating_sub(self.age).unwrap_or(Timestamp::MIN)
    }
}

/// Monitoring could not be asked; says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unread(pub String);

/// The calls to Cloud Monitoring.
#[async_trait]
pub trait Monitoring: Send + Sync {
    /// The newest measurement of `oldest_unacked_message_age` of each subscription of a project, by its id.
    async fn oldest_unacked(&self, project: &ProjectId) -> Result<HashMap<String, Oldest>, Unread>;

    /// How many messages were sent to the clients of each subscription of a project in the last `window`, by its id.
    async fn delivered(&self, project: &ProjectId, window: Duration) -> Result<HashMap<String, u64>, Unread>;

    /// The newest measurement of `num_undelivered_messages` of each subscription of a project, by its id. It may count
    /// messages that the subscription's filter drops.
    async fn undelivered(&self, project: &ProjectId) -> Result<HashMap<String, u64>, Unread>;
}

/// Remembers answers, so that a thousand reconciles ask once.
pub struct Fleet {
    monitoring: Arc<dyn Monitoring>,
    max_age: Duration,
    projects: Mutex<HashMap<ProjectId, Arc<tokio::sync::Mutex<Option<Answer>>>>>,
    counted: tokio::sync::Mutex<HashMap<(ProjectId, Duration), Counted>>,
}

struct Counted {
    at: Instant,
    delivered: Result<HashMap<String, u64>, Unread>,
}

struct Answer {
    at: Instant,
    oldest: Result<HashMap<String, Oldest>, Unread>,
}

impl Fleet {
    /// Nothing is known yet. An answer is used for a minute, and not for longer than a resync.
    #[must_use]
    pub fn new(monitoring: Arc<dyn Monitoring>, resync: Duration) -> Self {
        Self {
            monitoring,
            max_age: resync.min(FRESH),
            projects: Mutex::default(),
            counted: tokio::sync::Mutex::default(),
        }
    }

    /// How many messages were delivered from a subscription in the last `window`; none when nothing was counted.
    ///
    /// # Errors
    /// When Monitoring cannot be asked; that is remembered too.
    pub async fn delivered(&self, name: &SubscriptionName, window: Duration) -> Result<Option<u64>, Unread> {
        let mut counted = self.counted.lock().await;
        let key = (name.project().clone(), window);
        let is_fresh = counted
            .get(&key)
            .is_some_and(|answer| answer.at.elapsed() < self.max_age);
        if !is_fresh {
            let answer = Counted {
                at: Instant::now(),
                delivered: self.monitoring.delivered(name.project(), window).await,
            };
            counted.insert(key.clone(), answer);
        }
        match counted.get(&key).map(|answer| &answer.delivered) {
            Some(Ok(delivered)) => Ok(delivered.get(name.id()).copied()),
            Some(Err(unread)) => Err(unread.clone()),
            None => Ok(None),
        }
    }

    /// What was measured of a subscription last; none when nothing was.
    ///
    /// # Errors
    /// When Monitoring cannot be asked; that is remembered too, so that it is not asked again by everybody.
    pub async fn oldest(&self, name: &SubscriptionName) -> Result<Option<Oldest>, Unread> {
        let project = Arc::clone(self.projects.lock().entry(name.project().clone()).or_default());
        let mut answer = project.lock().await;
        let fresh = answer
            .as_ref()
            .is_some_and(|answer| answer.at.elapsed() < self.max_age);
        if !fresh {
            let oldest = self.monitoring.oldest_unacked(name.project()).await;
            if let Err(Unread(why)) = &oldest {
                tracing::warn!(project = %name.project(), why, "Cloud Monitoring could not be asked.");
            }
            *answer = Some(Answer {
                at: Instant::now(),
                oldest,
            });
        }
        match answer.as_ref().map(|answer| &answer.oldest) {
            Some(Ok(oldest)) => Ok(oldest.get(name.id()).copied()),
            Some(Err(unread)) => Err(unread.clone()),
            None => Ok(None),
        }
    }
}
