//! Scalars and well-known types: how JSON writes them.

use crate::{clock, status::Result, status::Status};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde_json::Value;

fn wrong(name: &str, kind: &str, value: &Value) -> Status {
    // Values may be payload: only their type is named.
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Status::invalid(format!("Invalid value at '{name}' ({kind}), {found}"))
}

pub(super) fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str> {
    value.as_str().ok_or_else(|| wrong(name, "TYPE_STRING", value))
}

pub(super) fn boolean(name: &str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong(name, "TYPE_BOOL", value))
}

/// Numbers, and strings of them, as `ProtoJSON` takes both: `20.0` and `2e1` are the integer 20 (protobuf's conformance
/// tests, "`FloatTrailingZero`", "`ExponentialFormat`").
pub(super) fn integer(name: &str, value: &Value) -> Result<i64> {
    let number = value
        .as_i64()
        .or_else(|| value.as_f64().and_then(whole))
        .or_else(|| value.as_str().and_then(in_text));
    number.ok_or_else(|| wrong(name, "TYPE_INT64", value))
}

fn in_text(text: &str) -> Option<i64> {
    text.parse()
        .ok()
        .or_else(|| serde_json::from_str::<f64>(text).ok().and_then(whole))
}

/// The integer that a floating-point number is, if it is one that it can name exactly.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "it is whole and in range")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// A name or a number.
pub(super) fn enumeration(name: &str, names: &[&str], value: &Value) -> Result<i64> {
    let known = value
        .as_str()
        .and_then(|text| names.iter().position(|n| *n == text));
    match known {
        Some(position) => i64::try_from(position).map_err(|_| wrong(name, "TYPE_ENUM", value)),
        None => value.as_i64().ok_or_else(|| wrong(name, "TYPE_ENUM", value)),
    }
}

/// Standard or URL-safe base64, padded or not.
pub(super) fn bytes(name: &str, value: &Value) -> Result<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text(name, value)?;
    let url_safe = text.contains(['-', '_']);
    let alphabet = if url_safe {
        alphabet::URL_SAFE
    } else {
        alphabet::STANDARD
    };
    GeneralPurpose::new(&alphabet, config)
        .decode(text)
        .map_err(|_| wrong(name, "TYPE_BYTES", value))
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// `"600s"`, `"1.5s"`.
pub(super) fn duration(name: &str, value: &Value) -> Result<prost_types::Duration> {
    parse_duration(text(name, value)?)
        .ok_or_else(|| wrong(name, "type.googleapis.com/google.protobuf.Duration", value))
}

fn parse_duration(text: &str) -> Option<prost_types::Duration> {
    let number = text.strip_suffix('s')?;
    let (negative, number) = number
        .strip_prefix('-')
        .map_or((false, number), |rest| (true, rest));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    let sign = if negative { -1 } else { 1 };
    Some(prost_types::Duration {
        seconds: seconds * sign,
        nanos: nanos * i32::try_from(sign).ok()?,
    })
}

pub(super) fn duration_text(duration: &prost_types::Duration) -> String {
    let sign = if duration.seconds < 0 || duration.nanos < 0 {
        "-"
    } else {
        ""
    };
    let (seconds, nanos) = (duration.seconds.unsigned_abs(), duration.nanos.unsigned_abs());
    match nanos {
        0 => format!("{sign}{seconds}s"),
        n if n % 1_000_000 == 0 => format!("{sign}{seconds}.{:03}s", n / 1_000_000),
        n if n % 1_000 == 0 => format!("{sign}{seconds}.{:06}s", n / 1_000),
        n => format!("{sign}{seconds}.{n:09}s"),
    }
}

pub(super) fn timestamp(name: &str, value: &Value) -> Result<prost_types::Timestamp> {
    let parsed: Option<jiff::Timestamp> = text(name, value)?.parse().ok();
    let at = parsed.ok_or_else(|| wrong(name, "type.googleapis.com/google.protobuf.Timestamp", value))?;
    Ok(prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    })
}

pub(super) fn timestamp_text(at: &prost_types::Timestamp) -> String {
    clock::rfc3339(at)
}

/// `"ackDeadlineSeconds,labels"`; paths in `snake_case` stay as they are.
pub(super) fn mask(name: &str, value: &Value) -> Result<prost_types::FieldMask> {
    let paths = text(name, value)?
        .split(',')
        .filter(|path| !path.is_empty())
        .map(|path| snake(path.trim()))
        .collect();
    Ok(prost_types::FieldMask { paths })
}

pub(super) fn mask_text(mask: &prost_types::FieldMask) -> String {
    mask.paths
        .iter()
        .map(|path| camel(path))
        .collect::<Vec<_>>()
        .join(",")
}

/// `ack_deadline_seconds` → `ackDeadlineSeconds`
pub(super) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else {
            out.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    out
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_round_trip() {
        for text in ["0s", "600s", "1.500s", "0.000001s", "-3s", "3.000000007s"] {
            assert_eq!(duration_text(&duration("d", &json!(text)).unwrap()), text);
        }
        for text in ["", "s", "1", "1m", "1.s5", "1.0000000001s", "--1s"] {
            assert!(duration("d", &json!(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn integers_may_be_written_as_floating_point_numbers() {
        for good in [
            json!(20),
            json!("20"),
            json!(20.0),
            json!(2e1),
            json!("20.0"),
            json!("2e1"),
        ] {
            assert_eq!(integer("n", &good).unwrap(), 20, "{good}");
        }
        assert_eq!(integer("n", &json!("-9223372036854775808")).unwrap(), i64::MIN);
        for bad in [
            json!(20.5),
            json!(""),
            json!("x"),
            json!(true),
            json!(1e300),
            json!("NaN"),
        ] {
            assert!(integer("n", &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn masks_are_camel_case_on_the_wire() {
        let mask = mask("m", &json!("ackDeadlineSeconds,retry_policy.minimumBackoff")).unwrap();
        assert_eq!(
            mask.paths,
            ["ack_deadline_seconds", "retry_policy.minimum_backoff"]
        );
        assert_eq!(mask_text(&mask), "ackDeadlineSeconds,retryPolicy.minimumBackoff");
    }

    #[test]
    fn bytes_come_in_either_alphabet() {
        for text in ["-_8=", "+/8=", "-_8", "+/8"] {
            assert_eq!(bytes("b", &json!(text)).unwrap(), [0xfb, 0xff], "{text}");
        }
    }
}
