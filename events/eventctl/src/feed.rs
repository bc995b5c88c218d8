//! What is seen of the events on their way: the latest are kept, and each goes to all who watch.

use std::{collections::VecDeque, sync::Arc};

use events::TenantId;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast;

/// So many of the latest are kept for a page that is opened later.
const KEPT: usize = 1_000;

/// What was seen of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Pub/Sub has it, from this server.
    Published,
    /// A worker's handler took it, or had taken it before.
    Handled,
    /// A worker's handler failed; it is delivered again, or becomes a dead letter.
    Failed,
    /// A worker refused the message: it is another tenant's, or no event.
    Refused,
    /// Pub/Sub put it into the dead letters.
    DeadLettered,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Handled => "handled",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::DeadLettered => "dead-lettered",
        }
    }
}

/// One observation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    /// Whose worker or subscription saw it; of what was published, whose event it is.
    pub(crate) tenant: String,
    pub(crate) event_id: Option<String>,
    pub(crate) event_type: Option<String>,
    /// The topic or subscription.
    pub(crate) place: Option<String>,
    pub(crate) message_id: Option<String>,
    /// The worker's verdict, as its audit log has it.
    pub(crate) outcome: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) delivery_attempt: Option<u64>,
}

/// An observation with its place in the feed.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) seen_at: Timestamp,
    #[serde(flatten)]
    pub(crate) seen: Seen,
}

/// The observations, in the order in which they came in.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    kept: Arc<Mutex<Kept>>,
    sender: broadcast::Sender<Arc<Entry>>,
}

#[derive(Debug, Default)]
struct Kept {
    next: u64,
    entries: VecDeque<Arc<Entry>>,
}

impl Default for Feed {
    fn default() -> Self {
        let (sender, _) = broadcast::channel(KEPT);
        Self {
            kept: Arc::default(),
            sender,
        }
    }
}

impl Feed {
    pub(crate) fn add(&self, seen: Seen) {
        let mut kept = self.kept.lock();
        kept.next += 1;
        let entry = Arc::new(Entry {
            id: kept.next,
            seen_at: Timestamp::now(),
            seen,
        });
        if kept.entries.len() == KEPT {
            kept.entries.pop_front();
        }
        kept.entries.push_back(Arc::clone(&entry));
        // Nobody has to watch.
        let _ = self.sender.send(entry);
    }

    /// What was seen after an entry, and everything that follows: nothing is left out between the two.
    pub(crate) fn after(&self, id: u64) -> (VecDeque<Arc<Entry>>, broadcast::Receiver<Arc<Entry>>) {
        let kept = self.kept.lock();
        let entries = kept.entries.iter().filter(|entry| entry.id > id);
        (entries.map(Arc::clone).collect(), self.sender.subscribe())
    }
}

impl Entry {
    pub(crate) fn is_of(&self, tenant: Option<&TenantId>) -> bool {
        tenant.is_none_or(|tenant| tenant.as_str() == self.seen.tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(event_id: &str) -> Seen {
        Seen {
            kind: Kind::Handled,
            tenant: "tenant-123".to_owned(),
            event_id: Some(event_id.to_owned()),
            event_type: None,
            place: None,
            message_id: None,
            outcome: None,
            reason: None,
            delivery_attempt: None,
        }
    }

    #[tokio::test]
    async fn a_late_watcher_gets_the_latest_and_all_that_follow_once() {
        let feed = Feed::default();
        for number in 0..KEPT + 5 {
            feed.add(seen(&number.to_string()));
        }
        let (kept, mut live) = feed.after(0);
        assert_eq!((kept.len(), kept[0].id), (KEPT, 6));
        assert_eq!(feed.after(1_004).0.len(), 1);
        feed.add(seen("next"));
        assert_eq!(live.recv().await.unwrap().id, 1_006);
        assert!(live.try_recv().is_err());
    }
}
