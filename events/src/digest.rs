//! A payload's fingerprint: two payloads that say the same have the same one, however their fields are ordered and their text
//! is spaced.
//!
//! It is computed from the text, so that numbers beyond a double's precision count with all their digits.

use std::{borrow::Cow, fmt, hash::Hasher, str::FromStr};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::{DomainEvent, Payload};

/// The field that names the schema's version; it counts by its value, so that naming the default changes nothing.
const VERSION: &[u8] = b"version";

/// 128 bits that stand for a payload. Equal payloads have equal digests in every process and release; unequal ones
/// share a digest once in 10³⁸.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(u128);

/// Why a text is not a [`Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest has 32 hexadecimal digits")]
pub struct InvalidDigest;

impl Digest {
    /// The digest of a payload's fields and its version.
    #[must_use]
    pub fn of(payload: &Payload) -> Self {
        let mut reader = Reader {
            rest: payload.text().as_bytes(),
        };
        let fields = reader.object(Some(VERSION));
        Self(hash(b'p', &[payload.version().as_bytes(), &fields.to_le_bytes()]))
    }
}

impl Digest {
    /// The digest of what an event says: its payload, and its data as bytes where they are no JSON object.
    #[must_use]
    pub fn of_event(event: &DomainEvent) -> Self {
        let payload = Self::of(&event.data);
        match event.foreign.as_ref().and_then(|foreign| foreign.body.as_ref()) {
            None => payload,
            Some(body) => Self(hash(b'b', &[&payload.0.to_le_bytes(), body])),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let digits = (text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(text);
        let number = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        number.map(Self).ok_or(InvalidDigest)
    }
}

/// `SipHash` with fixed keys: the digest is compared across processes and stored. The kind keeps `"1"` and `1` apart.
fn hash(kind: u8, parts: &[&[u8]]) -> u128 {
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write_u8(kind);
    for part in parts {
        hasher.write(part);
    }
    hasher.finish128().as_u128()
}

/// Reads JSON that is known to be well-formed: [`Payload`] has checked it, its depth included.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next byte that is not white space or punctuation between values.
    fn peek(&mut self) -> Option<u8> {
        let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        let skip = self.rest.iter().take_while(|byte| is_between(byte)).count();
        self.take(skip);
        self.rest.first().copied()
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    fn value(&mut self) -> u128 {
        match self.peek() {
            Some(b'{') => self.object(None),
            Some(b'[') => self.array(),
            Some(b'"') => hash(b's', &[&self.string()]),
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
                let length = self.rest.iter().take_while(|byte| !is_end(byte)).count();
                // At least one byte, so that text that is not JSON ends too.
                hash(b'n', &[self.take(length.max(1))])
            }
        }
    }

    /// Fields in any order; one of them may be left out.
    fn object(&mut self, left_out: Option<&[u8]>) -> u128 {
        self.peek();
        self.take(1);
        let mut fields = Vec::new();
        while self.peek().is_some_and(|byte| byte != b'}') {
            let name = self.string();
            let value = self.value();
            if left_out != Some(&*name) {
                fields.push(hash(
                    b'f',
                    &[&hash(b's', &[&name]).to_le_bytes(), &value.to_le_bytes()],
                ));
            }
        }
        self.take(1);
        fields.sort_unstable();
        sequence(b'o', &fields)
    }

    fn array(&mut self) -> u128 {
        self.take(1);
        let mut items = Vec::new();
        while self.peek().is_some_and(|byte| byte != b']') {
            items.push(self.value());
        }
        self.take(1);
        sequence(b'a', &items)
    }

    /// A string's content, escapes resolved.
    fn string(&mut self) -> Cow<'a, [u8]> {
        self.peek();
        let (mut length, mut escaped, mut has_escapes) = (1, false, false);
        for byte in self.rest.iter().skip(1) {
            length += 1;
            match byte {
                _ if escaped => escaped = false,
                b'\\' => (escaped, has_escapes) = (true, true),
                b'"' => break,
                _ => {}
            }
        }
        let quoted = self.take(length);
        if has_escapes && let Ok(text) = serde_json::from_slice::<String>(quoted) {
            return Cow::Owned(text.into_bytes());
        }
        let content = quoted.strip_prefix(b"\"").unwrap_or(quoted);
        Cow::Borrowed(content.strip_suffix(b"\"").unwrap_or(content))
    }
}

fn sequence(kind: u8, items: &[u128]) -> u128 {
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write_u8(kind);
    for item in items {
        hasher.write(&item.to_le_bytes());
    }
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(&serde_json::from_str::<Payload>(text).unwrap())
    }

    #[test]
    fn order_spaces_and_escapes_do_not_count() {
        let plain = digest(r#"{"version":"1.0","a":[1,2,{"x":null}],"b":"ä"}"#);
        for same in [
            r#"{ "b" : "\u00e4", "a" : [ 1 , 2 , { "x" : null } ] , "version" : "1.0" }"#,
            r#"{"\u0061":[1,2,{"x":null}],"b":"ä"}"#,
        ] {
            assert_eq!(digest(same), plain, "{same}");
        }
    }

    #[test]
    fn what_it_says_counts_with_all_digits() {
        let texts = [
            r"{}",
            r#"{"version":"2.0"}"#,
            r#"{"a":1}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[[1]]}"#,
            r#"{"a":{"1":1}}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":[2,1]}"#,
            r#"{"a":{"version":"2.0"}}"#,
            r#"{"a":123456789012345678901234567890}"#,
            r#"{"a":123456789012345678901234567891}"#,
            r#"{"a":true}"#,
            r#"{"a":null}"#,
            r#"{"a":"\""}"#,
            r#"{"a":"\\"}"#,
        ];
        for (i, one) in texts.iter().enumerate() {
            for other in texts.iter().skip(i + 1) {
                assert_ne!(digest(one), digest(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn data_that_is_no_json_counts() {
        let tenant = crate::TenantId::parse("tenant-123").unwrap();
        let event_type = crate::EventType::parse("document.ingested").unwrap();
        let mut event = crate::EventFactory::new("test").create(&tenant, event_type, serde_json::Map::new());
        let plain = Digest::of_event(&event);
        assert_eq!(plain, Digest::of(&event.data));
        let mut with = |body: &'static str| {
            let body = Some(bytes::Bytes::from(body));
            event.foreign = Some(crate::Foreign {
                body,
                ..Default::default()
            });
            Digest::of_event(&event)
        };
        assert!(with("a") != with("b") && with("a") != plain && with("a") == with("a"));
    }

    #[test]
    fn it_is_the_same_in_every_release() {
        assert_eq!(
            digest(r#"{"a":1}"#).to_string(),
            "1800b710c890294db6307dc13a158b95"
        );
        assert_eq!(digest("{}").to_string().parse(), Ok(digest("{}")));
        assert_eq!("0".parse::<Digest>(), Err(InvalidDigest));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Two payloads share a digest exactly when they are equal, whatever form their text has.
        #[test]
        fn equal_payloads_and_no_others_share_one(
            one in prop::collection::btree_map(".*", any_json(), 0..5),
            other in prop::collection::btree_map(".*", any_json(), 0..5),
        ) {
            let text = |fields: &std::collections::BTreeMap<String, Value>, pretty: bool| {
                let value = Value::Object(fields.clone().into_iter().filter(|(name, _)| name != "version").collect());
                if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap()
            };
            prop_assert_eq!(digest(&text(&one, true)), digest(&text(&one, false)));
            let same = text(&one, false) == text(&other, false);
            prop_assert_eq!(digest(&text(&one, false)) == digest(&text(&other, false)), same);
        }
    }
}
