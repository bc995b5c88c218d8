//! How much may be on its way: the official client queues without a bound, and a publisher that is faster than Pub/Sub
//! would fill the memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::PublishError;

/// How many events, and how many bytes of them, may be on their way to Pub/Sub at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowControl {
    /// Events; 1,000 by default, as in Google's other clients. At least 1.
    pub max_events: u32,
    /// Bytes of their messages; 100,000,000 by default. An event that is larger alone waits until nothing else is on its way.
    pub max_bytes: u32,
    /// What happens with the next.
    pub when_full: WhenFull,
}

/// What happens with an event when as many as allowed are on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It waits.
    #[default]
    Wait,
    /// It is refused with [`PublishError::Full`].
    Refuse,
}

impl Default for FlowControl {
    fn default() -> Self {
        Self {
            max_events: 1_000,
            max_bytes: 100_000_000,
            when_full: WhenFull::Wait,
        }
    }
}

#[derive(Debug)]
pub(super) struct Flow {
    events: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    capacity: u32,
    when_full: WhenFull,
}

/// The room one event takes, until it is dropped.
pub(super) struct Room {
    _event: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Flow {
    pub(super) fn new(control: FlowControl) -> Self {
        // At least one of each, or nothing could ever be sent; and no more than a semaphore counts.
        let permits = |count: u32| {
            Arc::new(Semaphore::new(
                (count.max(1) as usize).min(Semaphore::MAX_PERMITS),
            ))
        };
        Self {
            events: permits(control.max_events),
            bytes: permits(control.max_bytes),
            capacity: control.max_bytes.max(1),
            when_full: control.when_full,
        }
    }

    pub(super) async fn room(&self, bytes: usize) -> Result<Room, PublishError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        let (events, room) = (self.events.clone(), self.bytes.clone());
        let (event, bytes) = match self.when_full {
            // A semaphore ends when it is closed, which these never are.
            WhenFull::Wait => (
                events.acquire_owned().await.map_err(|_| PublishError::Closed)?,
                room.acquire_many_owned(bytes)
                    .await
                    .map_err(|_| PublishError::Closed)?,
            ),
            WhenFull::Refuse => (
                events.try_acquire_owned().map_err(|_| PublishError::Full)?,
                room.try_acquire_many_owned(bytes)
                    .map_err(|_| PublishError::Full)?,
            ),
        };
        Ok(Room {
            _event: event,
            _bytes: bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(max_events: u32, max_bytes: u32) -> Flow {
        Flow::new(FlowControl {
            max_events,
            max_bytes,
            when_full: WhenFull::Refuse,
        })
    }

    #[tokio::test]
    async fn events_and_bytes_are_bounded_and_room_comes_back() {
        let events = flow(2, 1_000);
        let (first, _second) = (events.room(1).await.unwrap(), events.room(1).await.unwrap());
        assert!(matches!(events.room(1).await, Err(PublishError::Full)));
        drop(first);
        assert!(events.room(1).await.is_ok());

        let bytes = flow(10, 100);
        let first = bytes.room(60).await.unwrap();
        assert!(bytes.room(60).await.is_err());
        drop(first);
        assert!(bytes.room(60).await.is_ok());
    }

    #[tokio::test]
    async fn an_event_larger_than_all_room_goes_alone() {
        let flow = flow(10, 100);
        let all = flow.room(5_000).await.unwrap();
        assert!(flow.room(1).await.is_err());
        drop(all);
        assert!(flow.room(1).await.is_ok());
    }

    #[tokio::test]
    async fn no_room_at_all_is_room_for_one() {
        let flow = Flow::new(FlowControl {
            max_events: 0,
            max_bytes: 0,
            when_full: WhenFull::Wait,
        });
        assert!(flow.room(7).await.is_ok());
    }
}
