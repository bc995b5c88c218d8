//! What Pub/Sub answers when it does not do as asked.

/// The status codes of gRPC that Pub/Sub uses, and the ways a call can fail before or without one
/// (<https://cloud.google.com/pubsub/docs/reference/error-codes>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The caller gave up.
    Cancelled,
    /// No better code.
    Unknown,
    /// The request cannot be right, whatever the state.
    InvalidArgument,
    /// No answer in time; it may have been done.
    DeadlineExceeded,
    /// It is not there.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// A permission is missing.
    PermissionDenied,
    /// A quota is used up; there is more by and by.
    ResourceExhausted,
    /// The project has as many as it may, until somebody deletes some or raises the limit. Pub/Sub says `RESOURCE_EXHAUSTED` of
    /// this too, but asking less often does not help.
    LimitReached,
    /// The state does not allow it.
    FailedPrecondition,
    /// Somebody else changed it meanwhile.
    Aborted,
    /// The value is out of range.
    OutOfRange,
    /// Not offered.
    Unimplemented,
    /// A fault of the service.
    Internal,
    /// Not now.
    Unavailable,
    /// Data are lost.
    DataLoss,
    /// Credentials are missing or not accepted.
    Unauthenticated,
    /// No connection, or it broke.
    Transport,
    /// The request could not even be written: a fault of ours.
    Unsendable,
    /// This replica does not lead (any more), so the call was not made, or its answer not waited for.
    NotLeading,
}

impl Code {
    /// Every one of them.
    pub const ALL: [Self; 20] = [
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::LimitReached,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
        Self::Transport,
        Self::Unsendable,
        Self::NotLeading,
    ];

    /// As metrics and messages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::LimitReached => "LIMIT_REACHED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Transport => "TRANSPORT",
            Self::Unsendable => "UNSENDABLE",
            Self::NotLeading => "NOT_LEADING",
        }
    }
}

/// One call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} of {object}: {}: {message}", code.as_str())]
pub struct PubSubError {
    /// The method, `CreateSubscription`.
    pub call: &'static str,
    /// The permission it needs, and on what.
    pub permission: &'static str,
    /// The object it was about, by its full name.
    pub object: String,
    /// What was answered.
    pub code: Code,
    /// The answer's text, shortened; it holds names and no secrets.
    pub message: String,
}
