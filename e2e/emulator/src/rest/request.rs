//! Query strings in, JSON replies out.

use super::{tables::Table, transcode};
use crate::status::{Result, Status};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::Response,
};
use prost::Message;
use serde_json::Value;

/// Decoded name-value pairs, in order.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// `camelCase` or `snake_case`, as the service takes both.
    pub(super) fn text(&self, camel: &str, snake: &str) -> String {
        self.get(camel)
            .or_else(|| self.get(snake))
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn number(&self, camel: &str, snake: &str) -> Result<i32> {
        match self.text(camel, snake).as_str() {
            "" => Ok(0),
            text => text
                .parse()
                .map_err(|_| Status::invalid(format!("Invalid value at '{snake}' (TYPE_INT32), {text:?}"))),
        }
    }

    /// `$alt=json;enum-encoding=int`, which the official clients ask for.
    pub(super) fn enums_as_numbers(&self) -> bool {
        self.get("$alt")
            .or_else(|| self.get("alt"))
            .is_some_and(|alt| alt.contains("enum-encoding=int"))
    }
}

fn decode(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| {
                    b.and_then(|b| char::from(b).to_digit(16))
                        .and_then(|d| u8::try_from(d).ok())
                };
                match (digit(bytes.next()), digit(bytes.next())) {
                    (Some(high), Some(low)) => high * 16 + low,
                    _ => b'?',
                }
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Decodes a path segment; `+` means itself there.
pub(super) fn decode_path(text: &str) -> String {
    decode(&text.replace('+', "%2B"))
}

/// What a method answers, before it is known how enums are written.
pub(super) enum Reply {
    Message(Vec<u8>, &'static Table),
    Value(Value),
}

impl Reply {
    pub(super) fn of(message: &impl Message, table: &'static Table) -> Self {
        Self::Message(message.encode_to_vec(), table)
    }

    pub(super) fn empty() -> Self {
        Self::Value(Value::Object(serde_json::Map::new()))
    }

    pub(super) fn json(&self, enums_as_numbers: bool) -> Value {
        match self {
            Self::Message(bytes, table) => transcode::to_json(bytes, table, enums_as_numbers),
            Self::Value(value) => value.clone(),
        }
    }
}

pub(crate) fn json(status: u16, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    );
    response
}
