//! Wall time that follows tokio's clock, so that pausing and advancing it moves publish times,
//! backoff, deadlines and retention together.

use prost_types::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Two readings taken at once; everything else is derived from them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    instant: Instant,
    wall: SystemTime,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            instant: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    pub(crate) fn wall(self, at: Instant) -> SystemTime {
        if at >= self.instant {
            self.wall + at.duration_since(self.instant)
        } else {
            self.wall - self.instant.duration_since(at)
        }
    }

    pub(crate) fn wall_now(self) -> SystemTime {
        self.wall(Instant::now())
    }
}

pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    }
}

pub(crate) fn system_time(at: &Timestamp) -> SystemTime {
    match (u64::try_from(at.seconds), u32::try_from(at.nanos)) {
        (Ok(seconds), Ok(nanos)) => UNIX_EPOCH + Duration::new(seconds, nanos),
        _ => UNIX_EPOCH,
    }
}

/// RFC 3339 with as many digits as needed, as in JSON and in the dead-letter attributes.
pub(crate) fn rfc3339(at: &Timestamp) -> String {
    jiff::Timestamp::new(at.seconds, at.nanos).map_or_else(|_| String::new(), |t| t.to_string())
}

pub(crate) fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// `None` for a negative duration.
pub(crate) fn duration(d: &prost_types::Duration) -> Option<Duration> {
    Some(Duration::new(
        u64::try_from(d.seconds).ok()?,
        u32::try_from(d.nanos).ok()?,
    ))
}
