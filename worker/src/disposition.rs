//! Pure: what came of a message, and what Pub/Sub is told about it. The one table of the worker's semantics.

use std::{borrow::Cow, time::Duration};

use crate::guard::Refusal;

/// The longest that a message is held because its handler asked for time, before it is given back.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_mins(1);

/// What came of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Handled, and its end noted.
    Success,
    /// Its effect had happened before.
    Duplicate,
    /// Its type is handled, its version is not, and the worker is set to let such events go.
    UnknownVersion,
    /// It was published after another subscription took the place of the one it comes from, which has it if it is wanted.
    Superseded,
    /// It failed and may work later.
    Retryable {
        /// Why.
        reason: Cow<'static, str>,
        /// How long the handler asked to be given.
        retry_after: Option<Duration>,
    },
    /// It can never work; noted.
    Permanent {
        /// Why.
        reason: Cow<'static, str>,
    },
    /// A handler said before that it can never work; none was called again.
    PermanentBefore,
    /// Another event with its idempotency key has ended, and has another payload: this one was never handled.
    Conflict,
    /// Never shown to a handler.
    Refused(Refusal),
    /// It was handled, but took so long that another has claimed it since.
    Overtaken,
    /// Given back because the worker stops.
    Released,
    /// Given back because too many events wait for their handler.
    Displaced,
}

/// What Pub/Sub is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Never again.
    Ack,
    /// Again, after the subscription's backoff; after enough of them Pub/Sub dead-letters it.
    Nack,
    /// Nothing for so long, then [`Disposition::Nack`].
    Hold(Duration),
}

impl Disposition {
    /// Its name in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Nack => "nack",
            Self::Hold(_) => "hold_and_nack",
        }
    }
}

impl Verdict {
    /// What Pub/Sub is told. Acknowledged is only what has taken effect, and what the worker was told to let go.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Success | Self::Duplicate | Self::UnknownVersion | Self::Superseded => Disposition::Ack,
            Self::Retryable {
                retry_after: Some(wait),
                ..
            } => Disposition::Hold((*wait).min(LONGEST_HOLD)),
            Self::Retryable {
                retry_after: None, ..
            }
            | Self::Permanent { .. }
            | Self::PermanentBefore
            | Self::Conflict
            | Self::Refused(_)
            | Self::Overtaken
            | Self::Released
            | Self::Displaced => Disposition::Nack,
        }
    }

    /// Its name in logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Duplicate => "duplicate",
            Self::UnknownVersion => "unknown_version",
            Self::Superseded => "superseded",
            Self::Retryable { .. } => "retryable",
            Self::Permanent { .. } => "permanent",
            Self::PermanentBefore => "permanent_before",
            Self::Conflict => "conflict",
            Self::Refused(Refusal::OtherTenant(_)) => "tenant_mismatch",
            Self::Refused(Refusal::TooLarge(_) | Refusal::Undecodable(_) | Refusal::OtherType) => {
                "undecodable"
            }
            Self::Overtaken => "overtaken",
            Self::Released => "released",
            Self::Displaced => "displaced",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Evidence;

    #[test]
    fn only_what_took_effect_is_acknowledged() {
        let retryable = |retry_after| Verdict::Retryable {
            reason: "no".into(),
            retry_after,
        };
        let permanent = Verdict::Permanent { reason: "no".into() };
        for (verdict, disposition) in [
            (Verdict::Success, Disposition::Ack),
            (Verdict::Duplicate, Disposition::Ack),
            (Verdict::UnknownVersion, Disposition::Ack),
            (Verdict::Superseded, Disposition::Ack),
            (retryable(None), Disposition::Nack),
            (
                retryable(Some(Duration::from_secs(7))),
                Disposition::Hold(Duration::from_secs(7)),
            ),
            (retryable(Some(Duration::MAX)), Disposition::Hold(LONGEST_HOLD)),
            (permanent, Disposition::Nack),
            (Verdict::PermanentBefore, Disposition::Nack),
            (
                Verdict::Refused(Refusal::OtherTenant(Evidence::Body)),
                Disposition::Nack,
            ),
            (Verdict::Refused(Refusal::OtherType), Disposition::Nack),
            (Verdict::Conflict, Disposition::Nack),
            (Verdict::Displaced, Disposition::Nack),
            (Verdict::Overtaken, Disposition::Nack),
            (Verdict::Released, Disposition::Nack),
        ] {
            assert_eq!(verdict.disposition(), disposition, "{verdict:?}");
        }
    }
}
