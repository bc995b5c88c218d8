//! Many events at a time, for handlers that work better so: collected by number, size and wait, while each event keeps
//! its own claim, lease and verdict.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::handle::{Event, Handler, Outcome};

/// A batch closes at so many bytes of data: what Pub/Sub allows for one message, and services for one request.
const MOST_BYTES: usize = 10 * 1024 * 1024;

/// Numbers batches, so that one that fails counts as one failure. Their own range: calls are numbered from 1.
static NUMBER: AtomicU64 = AtomicU64::new(1 << 63);

/// When a batch is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSettings {
    /// With so many events at the latest. More than `MAX_CONCURRENT_MESSAGES` never come together.
    pub size: usize,
    /// So long after its first event at the latest.
    pub wait: Duration,
}

/// Business logic for many events at a time.
#[async_trait]
pub trait BatchHandler: Send + Sync + 'static {
    /// Handles events; answers with an outcome for each, in their order. Too few, and the rest counts as
    /// [`Outcome::Retryable`]; so does a panic.
    async fn handle_batch(&self, events: &[Event]) -> Vec<Outcome>;

    /// The handler's version, as [`Handler::version`] has it.
    fn version(&self) -> Option<Arc<str>> {
        None
    }
}

/// A batch handler, as a handler.
pub struct Batched<H>(Arc<Inner<H>>);

struct Inner<H> {
    handler: H,
    settings: BatchSettings,
    open: Mutex<Open>,
}

/// The batch that is being collected.
#[derive(Default)]
struct Open {
    waiting: Vec<Waiting>,
    bytes: usize,
    /// Tells the timer of this batch from that of one before.
    serial: u64,
}

struct Waiting {
    event: Event,
    answer: oneshot::Sender<Outcome>,
}

impl<H> fmt::Debug for Batched<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Batched").field(&self.0.settings).finish()
    }
}

impl<H: BatchHandler> Batched<H> {
    /// Collects events for a handler.
    pub fn new(handler: H, settings: BatchSettings) -> Self {
        Self(Arc::new(Inner {
            handler,
            settings,
            open: Mutex::default(),
        }))
    }
}

impl Open {
    fn close(&mut self) -> Vec<Waiting> {
        self.serial += 1;
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }
}

impl<H: BatchHandler> Inner<H> {
    async fn hand_over(&self, batch: Vec<Waiting>) {
        // An event whose handling was cut, by a stop or its time, has left.
        let batch = batch.into_iter().filter(|waiting| !waiting.answer.is_closed());
        let (events, mut answers): (Vec<Event>, Vec<_>) =
            batch.map(|waiting| (waiting.event, waiting.answer)).unzip();
        if events.is_empty() {
            return;
        }
        let outcomes = {
            let handled = self.handler.handle_batch(&events);
            let left = futures::future::join_all(answers.iter_mut().map(oneshot::Sender::closed));
            tokio::select! {
                biased;
                outcomes = handled => outcomes,
                // All were given back: another worker may have them, and this one must not go on beside it.
                _ = left => return,
            }
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        for (answer, mut outcome) in answers.into_iter().zip(outcomes) {
            if let Outcome::Unavailable(unavailable) = &mut outcome {
                unavailable.batch = Some(number);
            }
            // An event that has left needs no answer.
            let _ = answer.send(outcome);
        }
    }
}

#[async_trait]
impl<H: BatchHandler> Handler for Batched<H> {
    async fn handle(&self, event: &Event) -> Outcome {
        let inner = &self.0;
        let (answer, answered) = oneshot::channel();
        let full = {
            let mut open = inner.open.lock();
            open.bytes = open.bytes.saturating_add(event.bytes());
            open.waiting.push(Waiting {
                event: event.clone(),
                answer,
            });
            if open.waiting.len() >= inner.settings.size || open.bytes >= MOST_BYTES {
                Some(open.close())
            } else {
                if open.waiting.len() == 1 {
                    let (inner, serial) = (Arc::clone(inner), open.serial);
                    tokio::spawn(async move {
                        tokio::time::sleep(inner.settings.wait).await;
                        let batch = {
                            let mut open = inner.open.lock();
                            if open.serial != serial {
                                return;
                            }
                            open.close()
                        };
                        inner.hand_over(batch).await;
                    });
                }
                None
            }
        };
        if let Some(batch) = full {
            let inner = Arc::clone(inner);
            // A task of its own: this event may be cut, and the others of its batch must not be cut with it.
            tokio::spawn(async move { inner.hand_over(batch).await });
        }
        answered
            .await
            .unwrap_or_else(|_| Outcome::retryable("the handler of the batch gave no outcome for the event"))
    }

    fn version(&self) -> Option<Arc<str>> {
        self.0.handler.version()
    }
}

#[cfg(test)]
mod tests {
    use events::{EventFactory, EventType, TenantId};
    use tokio::time::Instant;

    use super::*;
    use crate::handle::Context;

    const WAIT: Duration = Duration::from_secs(2);

    fn event(bytes: usize) -> Event {
        let tenant = TenantId::parse("tenant-123").unwrap();
        let event_type = EventType::parse("document.ingested").unwrap();
        let context = Context {
            message_id: "1".to_owned(),
            bytes,
            traceparent: None,
            tracestate: None,
            delivery_attempt: None,
            published_at: None,
            subscription: "projects/acme-events/subscriptions/sub-1".parse().unwrap(),
        };
        let event = EventFactory::new("test").create(&tenant, event_type, serde_json::Map::new());
        Event::new(event, context)
    }

    /// Notes the sizes of its batches; answers for all events but the last.
    struct Sizes(Arc<Mutex<Vec<usize>>>);

    #[async_trait]
    impl BatchHandler for Sizes {
        async fn handle_batch(&self, events: &[Event]) -> Vec<Outcome> {
            self.0.lock().push(events.len());
            assert!(events.len() < 5, "too many for this one");
            vec![Outcome::Success; events.len().saturating_sub(1)]
        }
    }

    async fn sizes_of(settings: BatchSettings, events: Vec<Event>) -> (Vec<usize>, Vec<Outcome>, Duration) {
        let sizes = Arc::default();
        let batched = Batched::new(Sizes(Arc::clone(&sizes)), settings);
        let start = Instant::now();
        let outcomes = futures::future::join_all(events.iter().map(|event| batched.handle(event))).await;
        let sizes = sizes.lock().clone();
        (sizes, outcomes, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn full_batches_go_at_once_and_the_rest_after_the_wait() {
        let settings = BatchSettings { size: 4, wait: WAIT };
        let (sizes, outcomes, took) = sizes_of(settings, vec![event(10); 10]).await;
        assert_eq!(sizes, [4, 4, 2]);
        assert_eq!(took, WAIT);
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Retryable { .. });
        let failed: Vec<_> = outcomes.iter().map(failed).collect();
        let last_of_each = [3, 7, 9].map(|i| failed[i]);
        assert_eq!(last_of_each, [true; 3]);
        assert_eq!(failed.iter().filter(|failed| **failed).count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_closes_at_its_bytes_and_a_panic_is_its_own_only() {
        let settings = BatchSettings { size: 9, wait: WAIT };
        let (sizes, ..) = sizes_of(settings, vec![event(MOST_BYTES / 2); 4]).await;
        assert_eq!(sizes, [2, 2]);
        let (sizes, outcomes, _) = sizes_of(settings, vec![event(10); 11]).await;
        assert_eq!(sizes, [9, 2]);
        assert_eq!(
            outcomes
                .iter()
                .filter(|outcome| **outcome == Outcome::Success)
                .count(),
            1
        );
    }

    /// Notes whether its batch was handled to the end.
    struct Slow(Arc<AtomicU64>);

    #[async_trait]
    impl BatchHandler for Slow {
        async fn handle_batch(&self, events: &[Event]) -> Vec<Outcome> {
            tokio::time::sleep(WAIT).await;
            self.0.fetch_add(1, Ordering::SeqCst);
            vec![Outcome::unavailable("down"); events.len()]
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_ends_with_the_last_of_its_events_and_fails_as_one() {
        let handled = Arc::default();
        let settings = BatchSettings { size: 2, wait: WAIT };
        let batched = Batched::new(Slow(Arc::clone(&handled)), settings);
        let (one, other) = (event(1), event(1));
        let both = || async { tokio::join!(batched.handle(&one), batched.handle(&other)) };
        assert!(tokio::time::timeout(WAIT / 2, both()).await.is_err());
        tokio::time::sleep(WAIT * 2).await;
        assert_eq!(
            handled.load(Ordering::SeqCst),
            0,
            "it went on after its events were given back"
        );
        let (one, other) = both().await;
        let batch = |outcome| {
            let Outcome::Unavailable(unavailable) = outcome else {
                panic!("{outcome:?}");
            };
            unavailable.batch.unwrap()
        };
        assert_eq!(batch(one), batch(other));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_gone_is_not_handled() {
        let sizes = Arc::default();
        let settings = BatchSettings { size: 3, wait: WAIT };
        let batched = Batched::new(Sizes(Arc::clone(&sizes)), settings);
        let gone = tokio::time::timeout(WAIT / 2, async { batched.handle(&event(1)).await });
        assert!(gone.await.is_err());
        let stays = event(1);
        batched.handle(&stays).await;
        assert_eq!(*sizes.lock(), [1]);
    }
}
