//! What a handler answers when it fails: errors that say whether trying again may help.
//!
//! ```
//! use event_worker::{Event, OrFail, Outcome, Permanent};
//!
//! #[derive(serde::Deserialize)]
//! struct Ingested {
//!     document_id: String,
//! }
//!
//! async fn handle(event: Event) -> Result<(), Outcome> {
//!     let ingested: Ingested = event.payload()?; // permanent when it is none
//!     if ingested.document_id.is_empty() {
//!         return Err(Permanent::new("the event names no document").into());
//!     }
//!     std::fs::metadata("/index").or_unavailable("the index is not there")?;
//!     std::fs::write("/index/new", &ingested.document_id).or_retryable("the index took nothing")?;
//!     Ok(())
//! }
//! ```

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use crate::{
    circuit::{Alone, Failure},
    handle::Outcome,
    pull::chain,
};

/// It did not work now, and may later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retryable {
    reason: Cow<'static, str>,
    retry_after: Option<Duration>,
}

/// It can never work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permanent {
    reason: Cow<'static, str>,
}

/// What does the work may not be there, which would be no fault of the event: whether it is, is decided by what comes of
/// other events meanwhile. As long as that is open the event is held and tried again, and no delivery attempt is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    pub(crate) reason: Cow<'static, str>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) kind: &'static str,
    pub(crate) alone: Alone,
    /// The batch that the event was handed over with.
    pub(crate) batch: Option<u64>,
}

impl Retryable {
    /// With a reason for the log, which must not hold payload.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            retry_after: None,
        }
    }

    /// The event is held for so long before it is given back, within a bound.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl Permanent {
    /// With a reason for the log, which must not hold payload.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl Unavailable {
    /// With a reason for the log, which must not hold payload.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            retry_after: None,
            kind: "unavailable",
            alone: Alone::Retryable,
            batch: None,
        }
    }

    /// It asked to be left alone for so long.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// How long the handler asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Failures of one kind are alike; the kind is `unavailable` where none is given.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    /// What it means when other events succeed meanwhile: [`Alone::Retryable`] where nothing is given.
    #[must_use]
    pub fn alone(mut self, alone: Alone) -> Self {
        self.alone = alone;
        self
    }

    /// The verdict, once the failure is known to be the event's own.
    pub(crate) fn into_own(self) -> Outcome {
        let Self {
            reason, retry_after, ..
        } = self;
        match self.alone {
            Alone::Permanent => Outcome::Permanent { reason },
            Alone::Retryable | Alone::Never => Outcome::Retryable { reason, retry_after },
        }
    }

    pub(crate) fn failure(&self) -> Failure {
        Failure {
            kind: self.kind,
            alone: self.alone,
            batch: self.batch,
        }
    }
}

macro_rules! failure {
    ($name:ident { $($field:ident),+ }) => {
        impl From<$name> for Outcome {
            fn from(failure: $name) -> Self {
                let $name { $($field),+ } = failure;
                Self::$name { $($field),+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.reason)
            }
        }
        impl Error for $name {}
    };
}
failure!(Retryable { reason, retry_after });
failure!(Permanent { reason });

impl From<Unavailable> for Outcome {
    fn from(failure: Unavailable) -> Self {
        Self::Unavailable(failure)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for Unavailable {}

/// Turns other errors into failures, with the chain of their causes as reason: errors of libraries, boxed ones and
/// `anyhow::Error`. Do so only with errors that say nothing of the payload: reasons are logged.
pub trait OrFail<T> {
    /// It did not work now, and may later.
    ///
    /// # Errors
    /// [`Retryable`] when this is an error.
    fn or_retryable(self, what: &'static str) -> Result<T, Retryable>;
    /// It can never work.
    ///
    /// # Errors
    /// [`Permanent`] when this is an error.
    fn or_permanent(self, what: &'static str) -> Result<T, Permanent>;
    /// What does the work is not there.
    ///
    /// # Errors
    /// [`Unavailable`] when this is an error.
    fn or_unavailable(self, what: &'static str) -> Result<T, Unavailable>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> OrFail<T> for Result<T, E> {
    fn or_retryable(self, what: &'static str) -> Result<T, Retryable> {
        self.map_err(|error| Retryable::new(described(what, error)))
    }

    fn or_permanent(self, what: &'static str) -> Result<T, Permanent> {
        self.map_err(|error| Permanent::new(described(what, error)))
    }

    fn or_unavailable(self, what: &'static str) -> Result<T, Unavailable> {
        self.map_err(|error| Unavailable::new(described(what, error)))
    }
}

fn described(what: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> String {
    format!("{what}: {}", chain(&*error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn failures_are_outcomes_with_the_whole_chain_as_reason() {
        let failed = || Err::<(), _>(Outer(std::io::Error::other("inner")));
        let retry_after = None;
        let reason = Cow::from("no save: outer: inner");
        assert_eq!(
            Outcome::from(failed().or_retryable("no save")),
            Outcome::Retryable {
                reason: reason.clone(),
                retry_after
            }
        );
        assert_eq!(
            Outcome::from(failed().or_permanent("no save")),
            Outcome::Permanent {
                reason: reason.clone()
            }
        );
        assert_eq!(
            Outcome::from(failed().or_unavailable("no save")),
            Outcome::Unavailable(Unavailable::new(reason))
        );
        let boxed: Result<(), Box<dyn Error + Send + Sync>> = Err("inner".into());
        assert_eq!(
            boxed.or_retryable("no save").unwrap_err().to_string(),
            "no save: inner"
        );
        let context = anyhow::Error::from(std::io::Error::other("inner")).context("outer");
        assert_eq!(
            Err::<(), _>(context)
                .or_permanent("no save")
                .unwrap_err()
                .to_string(),
            "no save: outer: inner"
        );
        let wait = Duration::from_secs(7);
        assert_eq!(
            Outcome::from(Retryable::new("busy").after(wait)),
            Outcome::Retryable {
                reason: "busy".into(),
                retry_after: Some(wait)
            }
        );
        assert_eq!(Outcome::from(Ok::<(), Permanent>(())), Outcome::Success);
    }
}
