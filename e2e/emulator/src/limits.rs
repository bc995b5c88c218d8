//! Numbers of the service, each with where it is written down.

use std::time::Duration;

/// Resource ids: 3 to 255 characters (REST reference of `projects.topics.create`).
pub(crate) const ID_LENGTH: std::ops::RangeInclusive<usize> = 3..=255;

/// One message, and one publish request (quotas page, "Resource limits").
pub(crate) const MAX_PUBLISH_BYTES: usize = 10_000_000;
/// Messages in one publish request (same).
pub(crate) const MAX_PUBLISH_MESSAGES: usize = 1_000;
/// Attributes of a message (same).
pub(crate) const MAX_ATTRIBUTES: usize = 100;
/// Length of an attribute's key (same).
pub(crate) const MAX_ATTRIBUTE_KEY: usize = 256;
/// Length of an attribute's value (same).
pub(crate) const MAX_ATTRIBUTE_VALUE: usize = 1_024;
/// Length of an ordering key (same).
pub(crate) const MAX_ORDERING_KEY: usize = 1_024;
/// Any request (the service's own words: "Request payload size exceeds the limit: 10485760 bytes.").
pub(crate) const MAX_REQUEST_BYTES: usize = 10 << 20;
/// A request that acknowledges or extends leases, in a stream or by itself (quotas page, "Resource
/// limits"; its words are those of the other limit).
pub(crate) const MAX_ACK_REQUEST_BYTES: usize = 512 << 10;

/// A request that is neither of both. The service takes more; no policy (64 KB), schema (300 KB) or
/// configuration comes near, and this bounds what one can become in memory.
pub(crate) const MAX_ADMIN_REQUEST_BYTES: usize = 1 << 20;
/// Repeated fields and map entries of a request: twice what 1,000 messages of 100 attributes have.
pub(crate) const MAX_ENTRIES: usize = 200_000;

/// Labels of a resource ("Requirements for labels").
pub(crate) const MAX_LABELS: usize = 64;
/// Length of a label's key and of its value, in characters (same).
pub(crate) const MAX_LABEL_LENGTH: usize = 63;

/// `Subscription.ack_deadline_seconds`: 10 to 600, and 0 means the default.
pub(crate) const ACK_DEADLINE_SECONDS: std::ops::RangeInclusive<i32> = 10..=600;
pub(crate) const DEFAULT_ACK_DEADLINE_SECONDS: i32 = 10;

/// `message_retention_duration` of topics and subscriptions: 10 minutes to 31 days.
pub(crate) const RETENTION: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(600)..=Duration::from_secs(31 * 86_400);
pub(crate) const DEFAULT_RETENTION_SECONDS: i64 = 7 * 86_400;

/// `ExpirationPolicy.ttl`: at least a day; 31 days when no policy is given.
pub(crate) const MIN_EXPIRATION: Duration = Duration::from_secs(86_400);
pub(crate) const DEFAULT_EXPIRATION_SECONDS: i64 = 31 * 86_400;

/// `RetryPolicy`: each backoff between 0 and 600 seconds; 10 and 600 when a policy leaves them out.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(600);
pub(crate) const DEFAULT_MIN_BACKOFF_SECONDS: i64 = 10;
pub(crate) const DEFAULT_MAX_BACKOFF_SECONDS: i64 = 600;

/// `DeadLetterPolicy.max_delivery_attempts`: 5 to 100; 0 means 5.
pub(crate) const DELIVERY_ATTEMPTS: std::ops::RangeInclusive<i32> = 5..=100;
pub(crate) const DEFAULT_DELIVERY_ATTEMPTS: i32 = 5;

/// Objects per project and per topic (quotas page).
pub(crate) const MAX_TOPICS: usize = 10_000;
pub(crate) const MAX_SUBSCRIPTIONS: usize = 10_000;
pub(crate) const MAX_SNAPSHOTS: usize = 5_000;

/// Quota "Administrator operations" of a project (quotas page); it cannot be raised.
pub(crate) const ADMIN_QUOTA_PER_MINUTE: u32 = 6_000;

/// A page of a list: not documented; what the service was seen to answer with when asked for more.
pub(crate) const MAX_PAGE: usize = 1_000;
pub(crate) const DEFAULT_PAGE: usize = 100;

/// `modifyAckDeadline` takes 0 (nack) to 600 seconds.
pub(crate) const MAX_ACK_EXTENSION_SECONDS: i32 = 600;

/// A nacked message comes again no sooner than this. Without a retry policy the service redelivers "immediately", which
/// takes it a moment as well, and clients rely on it: Go nacks what it holds at its stop *before* it closes the stream
/// (google-cloud-go pubsub/v2, `messageIterator.stop`), so what came again within the same millisecond would be sent to
/// a stream that is read no more. The length is chosen.
pub(crate) const NACK_REDELIVERY: Duration = Duration::from_millis(100);

/// One response holds at most this much, so that a stream's buffers stay small.
pub(crate) const MAX_DELIVERY_BYTES: usize = 2 << 20;
pub(crate) const MAX_DELIVERY_MESSAGES: usize = 1_000;

/// A stream that asks for no limit on outstanding messages or bytes gets the service's: 1,000
/// messages or 100 MB are the clients' own defaults, so this only bounds a client that sets none.
pub(crate) const DEFAULT_OUTSTANDING_MESSAGES: usize = 10_000;
pub(crate) const DEFAULT_OUTSTANDING_BYTES: usize = 1 << 30;

/// A snapshot lives for 7 days less the age of its oldest message, and is refused below one hour
/// (`CreateSnapshotRequest`, `Snapshot.expire_time`).
pub(crate) const SNAPSHOT_LIFE: Duration = Duration::from_secs(7 * 86_400);
pub(crate) const SNAPSHOT_MIN_LIFE: Duration = Duration::from_secs(3_600);
