//! Pure: from a setting's text to its value, or to what is allowed.

use std::{path::PathBuf, time::Duration};

use events::ProjectId;
use reqwest::Url;

use super::{HandlerKind, WrongSetting, wrong};
use crate::subscriptions::{Source, parse_list};

/// A variable that is set to nothing is not set: that is how manifests leave one out.
pub(super) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

pub(super) const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn subscriptions(
    list: Option<String>,
    file: Option<String>,
    project: Option<&ProjectId>,
) -> Result<Source, WrongSetting> {
    match (list, file) {
        (Some(list), None) => parse_list(&list, project)
            .map(Source::Fixed)
            .map_err(|error| wrong("SUBSCRIPTIONS", error)),
        (None, Some(path)) => Ok(Source::File(PathBuf::from(path))),
        (Some(_), Some(_)) => Err(wrong(
            "SUBSCRIPTIONS",
            "is set beside SUBSCRIPTIONS_FILE; set one",
        )),
        (None, None) => Err(wrong(
            "SUBSCRIPTIONS",
            "is missing, and so is SUBSCRIPTIONS_FILE; set one",
        )),
    }
}

pub(super) fn handler(
    kind: &str,
    url: Option<String>,
    timeout: Duration,
) -> Result<HandlerKind, WrongSetting> {
    match kind {
        "log" => Ok(HandlerKind::Log),
        "http" => {
            let text =
                url.ok_or_else(|| wrong("HANDLER_URL", "is missing: HANDLER=http posts events to it"))?;
            // The text is not repeated: it may hold credentials.
            Url::parse(&text)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
                .map(|url| HandlerKind::Http { url, timeout })
                .ok_or_else(|| wrong("HANDLER_URL", "is not an http:// or https:// URL"))
        }
        other => Err(wrong(
            "HANDLER",
            format!("{other:?} is neither \"log\" nor \"http\""),
        )),
    }
}

pub(super) fn only_memory(url: &str) -> Result<(), WrongSetting> {
    match url.split_once(':').map_or(url, |(scheme, _)| scheme) {
        "memory" => Ok(()),
        "redis" | "rediss" => Err(wrong(
            "IDEMPOTENCY_URL",
            "a Redis store is not built into this version; use memory: with one replica",
        )),
        _ => Err(wrong("IDEMPOTENCY_URL", "only memory: is known")),
    }
}

pub(super) fn boolean(variable: &'static str, text: &str) -> Result<bool, WrongSetting> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(wrong(variable, format!("{text:?} is neither true nor false"))),
    }
}

pub(super) fn duration(
    variable: &'static str,
    text: &str,
    least: Duration,
    most: Duration,
) -> Result<Duration, WrongSetting> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..) {
        Some("ms") => Some(1),
        Some("" | "s") => Some(1_000),
        Some("m") => Some(60_000),
        Some("h") => Some(3_600_000),
        _ => None,
    };
    unit.zip(digits.parse::<u64>().ok())
        .and_then(|(unit, number)| number.checked_mul(unit))
        .map(Duration::from_millis)
        .filter(|span| (least..=most).contains(span))
        .ok_or_else(|| {
            let problem =
                format!("{text:?} is not a duration from {least:?} to {most:?}, such as 60 or 60s or 10m");
            wrong(variable, problem)
        })
}
