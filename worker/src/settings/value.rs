//! Pure: from a setting's text to its value, or to what is allowed.

use std::{path::PathBuf, time::Duration};

use events::{EventType, ProjectId};
use reqwest::Url;

use super::{Flags, HandlerKind, StoreKind, WrongSetting, wrong};
use crate::{
    envelope::Envelope,
    handlers::{batch::BatchSettings, http::HttpSettings, status::InvalidStatus},
    once::redis::RedisSettings,
    process::UnknownVersion,
    subscriptions::{Source, parse_list},
    telemetry::Audit,
};

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
    flags: &Flags,
    max_concurrent: usize,
    timeout: Duration,
) -> Result<HandlerKind, WrongSetting> {
    match flags.handler.as_str() {
        "log" => Ok(HandlerKind::Log),
        "http" => http(flags, max_concurrent, timeout).map(|http| HandlerKind::Http(Box::new(http))),
        other => Err(wrong(
            "HANDLER",
            format!("{other:?} is neither \"log\" nor \"http\""),
        )),
    }
}

fn http(flags: &Flags, max_concurrent: usize, timeout: Duration) -> Result<HttpSettings, WrongSetting> {
    let text = given(flags.handler_url.clone())
        .ok_or_else(|| wrong("HANDLER_URL", "is missing: HANDLER=http posts events to it"))?;
    // The text is not repeated: it may hold credentials.
    let url = Url::parse(&text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| wrong("HANDLER_URL", "is not an http:// or https:// URL"))?;
    let size = number("BATCH_SIZE", &flags.batch_size)?;
    if size > max_concurrent {
        let problem = format!(
            "{size} is more than MAX_CONCURRENT_MESSAGES, {max_concurrent}: a batch could never be full"
        );
        return Err(wrong("BATCH_SIZE", problem));
    }
    let wait = duration(
        "BATCH_WAIT",
        &flags.batch_wait,
        Duration::from_millis(1),
        seconds(60),
    )?;
    Ok(HttpSettings {
        url,
        timeout,
        ca_file: path(flags.handler_ca_file.as_deref()),
        identity_files: pair(
            ("HANDLER_CERT_FILE", flags.handler_cert_file.as_deref()),
            ("HANDLER_KEY_FILE", flags.handler_key_file.as_deref()),
        )?,
        token_file: path(flags.handler_token_file.as_deref()),
        batch: (size > 1).then_some(BatchSettings { size, wait }),
        statuses: flags
            .handler_status
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|error: InvalidStatus| wrong("HANDLER_STATUS", error))?,
    })
}

/// Where ends are remembered.
pub(super) fn store(flags: &Flags) -> Result<StoreKind, WrongSetting> {
    if flags.idempotency_url.starts_with("memory:") {
        return Ok(StoreKind::Memory);
    }
    let mut redis =
        RedisSettings::parse(&flags.idempotency_url).map_err(|error| wrong("IDEMPOTENCY_URL", error))?;
    redis.username = given(flags.idempotency_username.clone());
    redis.password_file = path(flags.idempotency_password_file.as_deref());
    redis.sentinel_username = given(flags.idempotency_sentinel_username.clone());
    redis.sentinel_password_file = path(flags.idempotency_sentinel_password_file.as_deref());
    for (variable, set) in [
        ("IDEMPOTENCY_SENTINEL_USERNAME", redis.sentinel_username.is_some()),
        (
            "IDEMPOTENCY_SENTINEL_PASSWORD_FILE",
            redis.sentinel_password_file.is_some(),
        ),
    ] {
        if set && !redis.has_sentinels() {
            return Err(wrong(
                variable,
                "is set, and IDEMPOTENCY_URL names no Sentinels: redis-sentinel://",
            ));
        }
    }
    if redis.sentinel_username.is_some() && redis.sentinel_password_file.is_none() {
        return Err(wrong(
            "IDEMPOTENCY_SENTINEL_PASSWORD_FILE",
            "is missing, and IDEMPOTENCY_SENTINEL_USERNAME is set; set both, or the password alone",
        ));
    }
    redis.ca_file = path(flags.idempotency_ca_file.as_deref());
    redis.identity_files = pair(
        ("IDEMPOTENCY_CERT_FILE", flags.idempotency_cert_file.as_deref()),
        ("IDEMPOTENCY_KEY_FILE", flags.idempotency_key_file.as_deref()),
    )?;
    Ok(StoreKind::Redis(Box::new(redis)))
}

fn path(text: Option<&str>) -> Option<PathBuf> {
    given(text.map(ToOwned::to_owned)).map(PathBuf::from)
}

/// A certificate and its key: both or none.
fn pair(
    (certificate, certificate_file): (&'static str, Option<&str>),
    (key, key_file): (&'static str, Option<&str>),
) -> Result<Option<(PathBuf, PathBuf)>, WrongSetting> {
    match (path(certificate_file), path(key_file)) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(wrong(
            key,
            format!("is missing, and {certificate} is set; set both"),
        )),
        (None, Some(_)) => Err(wrong(
            certificate,
            format!("is missing, and {key} is set; set both"),
        )),
    }
}

/// `document.ingested=1.0+2.0,user.login=1.0`
pub(super) fn versions(text: Option<String>) -> Result<Vec<(EventType, Vec<String>)>, WrongSetting> {
    const VARIABLE: &str = "HANDLED_VERSIONS";
    let text = text.unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let form = || {
                wrong(
                    VARIABLE,
                    format!("{entry:?} is not of the form TYPE=VERSION+VERSION"),
                )
            };
            let (event_type, versions) = entry.split_once('=').ok_or_else(form)?;
            let event_type = EventType::parse(event_type).map_err(|error| wrong(VARIABLE, error))?;
            let versions: Vec<_> = versions.split('+').map(ToOwned::to_owned).collect();
            if versions.iter().any(String::is_empty) {
                return Err(form());
            }
            Ok((event_type, versions))
        })
        .collect()
}

pub(super) fn unknown_version(text: &str) -> Result<UnknownVersion, WrongSetting> {
    match text {
        "ack" => Ok(UnknownVersion::Ack),
        "retry" => Ok(UnknownVersion::Retry),
        other => Err(wrong(
            "UNKNOWN_VERSION",
            format!("{other:?} is neither \"ack\" nor \"retry\""),
        )),
    }
}

pub(super) fn envelope(text: &str) -> Result<Envelope, WrongSetting> {
    match text {
        "domain" => Ok(Envelope::Domain),
        "cloudevents" => Ok(Envelope::CloudEvents),
        "raw" => Ok(Envelope::Raw),
        other => Err(wrong(
            "ENVELOPE",
            format!("{other:?} is none of \"domain\", \"cloudevents\", \"raw\""),
        )),
    }
}

pub(super) fn audit(text: &str) -> Result<Audit, WrongSetting> {
    match text {
        "all" => Ok(Audit::All),
        "failures" => Ok(Audit::Failures),
        "off" => Ok(Audit::Off),
        other => Err(wrong(
            "AUDIT_LOG",
            format!("{other:?} is none of \"all\", \"failures\", \"off\""),
        )),
    }
}

/// From 1 to 1000.
pub(super) fn number(variable: &'static str, text: &str) -> Result<usize, WrongSetting> {
    text.parse()
        .ok()
        .filter(|n| (1..=1000).contains(n))
        .ok_or_else(|| wrong(variable, format!("{text:?} is not a number from 1 to 1000")))
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
