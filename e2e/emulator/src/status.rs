//! The one error of the emulator, mapped once to gRPC (`grpc/`) and once to REST (`rest/`).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Result of every operation.
pub type Result<T> = std::result::Result<T, Status>;

/// The canonical codes of `google.rpc.Code`, without OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(i32)]
#[allow(missing_docs, reason = "the names are the documentation, see google.rpc.Code")]
pub enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// `NOT_FOUND` and so on.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that Google's REST surface answers with.
    #[must_use]
    pub fn http(self) -> u16 {
        self.row().1
    }

    fn row(self) -> (&'static str, u16) {
        match self {
            Self::Cancelled => ("CANCELLED", 499),
            Self::Unknown => ("UNKNOWN", 500),
            Self::InvalidArgument => ("INVALID_ARGUMENT", 400),
            Self::DeadlineExceeded => ("DEADLINE_EXCEEDED", 504),
            Self::NotFound => ("NOT_FOUND", 404),
            Self::AlreadyExists => ("ALREADY_EXISTS", 409),
            Self::PermissionDenied => ("PERMISSION_DENIED", 403),
            Self::ResourceExhausted => ("RESOURCE_EXHAUSTED", 429),
            Self::FailedPrecondition => ("FAILED_PRECONDITION", 400),
            Self::Aborted => ("ABORTED", 409),
            Self::OutOfRange => ("OUT_OF_RANGE", 400),
            Self::Unimplemented => ("UNIMPLEMENTED", 501),
            Self::Internal => ("INTERNAL", 500),
            Self::Unavailable => ("UNAVAILABLE", 503),
            Self::DataLoss => ("DATA_LOSS", 500),
            Self::Unauthenticated => ("UNAUTHENTICATED", 401),
        }
    }
}

/// Machine-readable part of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// `google.rpc.ErrorInfo`
    ErrorInfo {
        /// Upper-case reason.
        reason: String,
        /// The service that answers.
        domain: String,
        /// Names and values.
        metadata: BTreeMap<String, String>,
    },
    /// `google.rpc.QuotaFailure` with one violation.
    QuotaFailure {
        /// Whose quota.
        subject: String,
        /// Which one, and how to get more.
        description: String,
    },
}

/// Why an operation did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct Status {
    /// Its class.
    pub code: Code,
    /// For people.
    pub message: String,
    /// For programs.
    pub details: Vec<Detail>,
}

impl Status {
    /// A status without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// Google's words for "there is no such topic, subscription, snapshot or schema".
    pub(crate) fn not_found(name: &str) -> Self {
        Self::new(
            Code::NotFound,
            format!("Resource not found (resource={}).", short(name)),
        )
    }

    pub(crate) fn already_exists(name: &str) -> Self {
        Self::new(
            Code::AlreadyExists,
            format!(
                "Resource already exists in the project (resource={}).",
                short(name)
            ),
        )
    }

    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    #[must_use]
    pub(crate) fn with(mut self, detail: Detail) -> Self {
        self.details.push(detail);
        self
    }
}

/// Google's messages name the last segment, and of schemas alone the whole path (recorded traffic of the service, Config
/// Connector's fixtures).
fn short(name: &str) -> &str {
    if name.contains("/schemas/") {
        return name;
    }
    name.rsplit('/').next().unwrap_or(name)
}
