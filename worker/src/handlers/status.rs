//! Pure: what a service's status means for the event, and `HANDLER_STATUS`, which changes it.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr, time::Duration};

use reqwest::StatusCode;

use crate::{circuit::Alone, failure::Unavailable, handle::Outcome};

/// What a status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// The event is handled.
    Success,
    /// The event failed and may work later.
    Retry,
    /// The event can never work.
    Permanent,
    /// The service may be down. [`Meaning::Retry`] when other events succeed meanwhile.
    Pending,
    /// The same, and [`Meaning::Permanent`] when other events succeed meanwhile.
    PendingPermanent,
}

/// The meanings of all statuses. A code beats its class (`4xx`), and both beat the defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusTable {
    codes: BTreeMap<u16, Meaning>,
    /// By the first digit.
    classes: BTreeMap<u16, Meaning>,
}

/// Why a text is not a [`StatusTable`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not of the form STATUS=MEANING, with a status such as 404 or 4xx from 200 to 599 and a meaning of success, retry, permanent, pending, pending-permanent"
)]
pub struct InvalidStatus(String);

impl FromStr for Meaning {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "success" => Self::Success,
            "retry" => Self::Retry,
            "permanent" => Self::Permanent,
            "pending" => Self::Pending,
            "pending-permanent" => Self::PendingPermanent,
            _ => return Err(()),
        })
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "success",
            Self::Retry => "retry",
            Self::Permanent => "permanent",
            Self::Pending => "pending",
            Self::PendingPermanent => "pending-permanent",
        })
    }
}

impl FromStr for StatusTable {
    type Err = InvalidStatus;

    /// `404=permanent,5xx=retry`
    fn from_str(text: &str) -> Result<Self, InvalidStatus> {
        let mut table = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let wrong = || InvalidStatus(entry.to_owned());
            let (status, meaning) = entry.split_once('=').ok_or_else(wrong)?;
            let meaning = meaning.trim().parse().map_err(|()| wrong())?;
            let status = status.trim();
            if let Some(class) = status.strip_suffix("xx") {
                let class = class
                    .parse()
                    .ok()
                    .filter(|class| (2..=5).contains(class))
                    .ok_or_else(wrong)?;
                table.classes.insert(class, meaning);
            } else {
                let code = status
                    .parse()
                    .ok()
                    .filter(|code| (200..=599).contains(code))
                    .ok_or_else(wrong)?;
                table.codes.insert(code, meaning);
            }
        }
        Ok(table)
    }
}

impl StatusTable {
    /// What a status means.
    #[must_use]
    pub fn meaning(&self, status: u16) -> Meaning {
        let own = self
            .codes
            .get(&status)
            .or_else(|| self.classes.get(&(status / 100)));
        own.copied().unwrap_or_else(|| by_default(status))
    }

    pub(crate) fn outcome(&self, status: StatusCode, retry_after: Option<Duration>) -> Outcome {
        let reason = || Cow::from(format!("the handler answered {status}"));
        let pending = |alone| {
            Outcome::Unavailable(Unavailable {
                reason: reason(),
                retry_after,
                kind: kind(status.as_u16()),
                alone,
                batch: None,
            })
        };
        match self.meaning(status.as_u16()) {
            Meaning::Success => Outcome::Success,
            Meaning::Permanent => Outcome::Permanent { reason: reason() },
            Meaning::Retry => Outcome::Retryable {
                reason: reason(),
                retry_after,
            },
            Meaning::Pending => pending(Alone::Retryable),
            Meaning::PendingPermanent => pending(Alone::Permanent),
        }
    }
}

/// What RFC 9110 has a status mean, for an event. Codes that a proxy, a wrong URL, a missing right, an overloaded service or
/// a broken one behind it would answer for every event are pending.
fn by_default(status: u16) -> Meaning {
    match status {
        200..=299 => Meaning::Success,
        400 | 410 | 413 | 415 | 422 => Meaning::Permanent,
        404 => Meaning::PendingPermanent,
        401 | 403 | 408 | 429 | 500..=599 => Meaning::Pending,
        _ => Meaning::Retry,
    }
}

/// Failures of one kind are alike.
fn kind(status: u16) -> &'static str {
    match status {
        401 | 403 => "401 or 403",
        404 => "404",
        408 | 504 => "timeout",
        429 => "429",
        500 => "500",
        502 => "502",
        503 => "503",
        _ => "another status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &StatusTable, code: u16) -> Outcome {
        table.outcome(StatusCode::from_u16(code).unwrap(), None)
    }

    #[test]
    fn statuses_read_as_documented() {
        let table = StatusTable::default();
        for code in [200, 201, 202, 204] {
            assert_eq!(of(&table, code), Outcome::Success, "{code}");
        }
        for code in [400, 410, 413, 415, 422] {
            assert!(matches!(of(&table, code), Outcome::Permanent { .. }), "{code}");
        }
        for (code, alone) in [
            (404, Alone::Permanent),
            (401, Alone::Retryable),
            (403, Alone::Retryable),
            (408, Alone::Retryable),
            (429, Alone::Retryable),
            (500, Alone::Retryable),
            (502, Alone::Retryable),
            (503, Alone::Retryable),
            (504, Alone::Retryable),
        ] {
            let Outcome::Unavailable(unavailable) = of(&table, code) else {
                panic!("{code} is a verdict");
            };
            assert_eq!(unavailable.alone, alone, "{code}");
        }
        for code in [301, 302, 307, 402, 405, 409] {
            assert!(matches!(of(&table, code), Outcome::Retryable { .. }), "{code}");
        }
    }

    #[test]
    fn a_setting_changes_codes_and_classes() {
        let table: StatusTable = "404=permanent, 4xx=pending,409=success,501=permanent"
            .parse()
            .unwrap();
        for (code, meaning) in [
            (404, Meaning::Permanent),
            (422, Meaning::Pending),
            (409, Meaning::Success),
            (501, Meaning::Permanent),
            (500, Meaning::Pending),
            (200, Meaning::Success),
        ] {
            assert_eq!(table.meaning(code), meaning, "{code}");
            assert_eq!(meaning.to_string().parse(), Ok(meaning));
        }
        for wrong in [
            "404",
            "404=never",
            "99=success",
            "6xx=retry",
            "4x=retry",
            "=retry",
        ] {
            let error = wrong.parse::<StatusTable>().unwrap_err().to_string();
            assert!(
                error.contains(wrong) && error.contains("pending-permanent"),
                "{error}"
            );
        }
        assert_eq!("".parse(), Ok(StatusTable::default()));
    }
}
