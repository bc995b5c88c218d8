//! What an event says, as its publisher wrote it. It is looked through once, where it comes in, and passed on letter by letter:
//! numbers keep all their digits, and fields their order.

use std::{fmt, sync::OnceLock};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

/// The version a payload without one has.
pub const DEFAULT_VERSION: &str = "1.0";

/// A JSON object. It may hold anything of a tenant's, so its `Debug` shows only its size.
#[derive(Clone)]
pub struct Payload {
    text: Box<RawValue>,
    version: Option<String>,
    /// Read when somebody asks.
    fields: OnceLock<Map<String, Value>>,
}

impl Payload {
    /// The payload's fields.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        self.fields.get_or_init(|| self.parsed())
    }

    /// The payload's fields, to make another payload of.
    #[must_use]
    pub fn into_fields(mut self) -> Map<String, Value> {
        self.fields.take().unwrap_or_else(|| self.parsed())
    }

    /// It has been looked through with the same reader: it can be read.
    fn parsed(&self) -> Map<String, Value> {
        self.read().unwrap_or_default()
    }

    /// The payload as a type of yours.
    ///
    /// # Errors
    /// When it is none; the error's text may repeat values.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.text.get())
    }

    /// The payload as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.get()
    }

    /// The version of its schema: the field `version`, a text, or a number as it was written (`2.0` is `"2.0"`);
    /// [`DEFAULT_VERSION`] when it names none.
    #[must_use]
    pub fn version(&self) -> &str {
        self.version.as_deref().unwrap_or(DEFAULT_VERSION)
    }
}

impl Payload {
    /// The payload of an event in another envelope, where it is a JSON object. Its version is what that envelope says: a
    /// field `version` of another team's data may mean anything.
    ///
    /// # Errors
    /// When it is no JSON object that can be read.
    pub fn foreign(data: &[u8], version: Option<String>) -> serde_json::Result<Self> {
        let text: Box<RawValue> = serde_json::from_slice(data)?;
        let Object = serde_json::from_str(text.get())?;
        Ok(Self {
            text,
            version,
            fields: OnceLock::new(),
        })
    }

    /// The same payload in another version; none is [`DEFAULT_VERSION`].
    #[must_use]
    pub fn with_version(self, version: Option<String>) -> Self {
        Self { version, ..self }
    }
}

impl From<Map<String, Value>> for Payload {
    fn from(fields: Map<String, Value>) -> Self {
        let version = fields.get("version").and_then(|version| match version {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        Self {
            // What is a map of values has a JSON form.
            text: to_raw_value(&fields).unwrap_or_default(),
            version,
            fields: OnceLock::from(fields),
        }
    }
}

impl Default for Payload {
    fn default() -> Self {
        Map::new().into()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.fields() == other.fields()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.text.get().len())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        // The position is of the payload's own start, and the text may repeat values: neither is passed on.
        let Head { version } = serde_json::from_str(text.get())
            .map_err(|_| D::Error::custom("data is no JSON object that can be read"))?;
        Ok(Self {
            text,
            version,
            fields: OnceLock::new(),
        })
    }
}

/// What is kept of an object that is looked through: all of it has to be readable, and nested no deeper than the reader goes.
struct Head {
    version: Option<String>,
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Head;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head, A::Error> {
                let mut version = None;
                while let Some(Key { is_version }) = map.next_key()? {
                    if is_version {
                        // The last one counts, as it does in a map.
                        version = version_of(map.next_value()?)?;
                    } else {
                        map.next_value::<Anything>()?;
                    }
                }
                Ok(Head { version })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A number counts as it was written: as a number 2.0 would be 2. Anything else is a mistake, and reading it as the default
/// would have a handler of another version work with the payload.
fn version_of<E: serde::de::Error>(value: &RawValue) -> Result<Option<String>, E> {
    let wrong = || E::custom("version is neither a text nor a number");
    match serde_json::from_str(value.get()).map_err(|_| wrong())? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(_) => Ok(Some(value.get().to_owned())),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(wrong()),
    }
}

/// A field's name, which is not kept.
struct Key {
    is_version: bool,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field's name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(Key {
                    is_version: name == "version",
                })
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// An object, looked through like [`Head`], of which nothing is kept.
struct Object;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Anything).map(|Anything| Self)
    }
}

/// Any value, read as one would be that is kept. What serde ignores is not read: no depth is counted, and no number and no
/// character is checked.
struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Anything {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_key::<Key>()?.is_some() {
            map.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn payload(text: &str) -> serde_json::Result<Payload> {
        serde_json::from_str(text)
    }

    #[test]
    fn it_is_passed_on_letter_by_letter() {
        let text = r#"{"z":1,"amount": 123456789012345678901234567890.10,"a":0.1000000000000000055511151231257827,"version":"2.0"}"#;
        let payload = payload(text).unwrap();
        assert_eq!(serde_json::to_string(&payload).unwrap(), text);
        assert_eq!(payload.text(), text);
        assert_eq!(payload.version(), "2.0");
        assert_eq!(payload.fields()["z"], json!(1));
    }

    #[test]
    fn what_cannot_be_read_is_refused_where_it_comes_in() {
        let deep = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert!(payload(&deep(100)).is_ok());
        for wrong in [
            deep(1_000).as_str(),
            deep(100_000).as_str(),
            r#"{"a": 1e400}"#,
            r#"{"a": "\ud800"}"#,
            r#"{"a": {"\ud800": 1}}"#,
            r#"{"a": tru}"#,
            "[]",
            "null",
            "\"text\"",
            "7",
            r#"{"version": true}"#,
            r#"{"version": ["2.0"]}"#,
            r#"{"version": {"major": 2}}"#,
            r#"{"version": 1e400}"#,
            r#"{"version": {}, "version": "2.0"}"#,
        ] {
            assert!(payload(wrong).is_err(), "{wrong:.40}");
        }
    }

    #[test]
    fn the_last_version_counts_and_a_number_is_its_text() {
        let version = |text| payload(text).unwrap().version().to_owned();
        assert_eq!(version(r#"{"version":"2.0","version":"3.0"}"#), "3.0");
        assert_eq!(version(r#"{"a":{"version":"2.0"}}"#), DEFAULT_VERSION);
        assert_eq!(version(r#"{"version":2}"#), "2");
        assert_eq!(version(r#"{"version": 2.0 }"#), "2.0");
        assert_eq!(version(r#"{"version":2.10}"#), "2.10");
        assert_eq!(version(r#"{"version":null}"#), DEFAULT_VERSION);
        assert_eq!(version("{}"), DEFAULT_VERSION);
        let made = |version: Value| Payload::from(Map::from_iter([("version".to_owned(), version)]));
        assert_eq!(made(json!(2.0)).version(), "2.0");
        assert_eq!(made(json!(2)).version(), "2");
        assert_eq!(version(r#"{"ver\u0073ion":"2.0"}"#), "2.0");
    }

    #[test]
    fn data_of_another_envelope_is_any_object_in_the_version_that_the_envelope_says() {
        let foreign = |text: &str| Payload::foreign(text.as_bytes(), Some("2.0".to_owned()));
        let kept = foreign(" {\"version\": {\"major\": 7}, \"n\": 1.50}\n").unwrap();
        assert_eq!(
            (kept.text(), kept.version()),
            ("{\"version\": {\"major\": 7}, \"n\": 1.50}", "2.0")
        );
        assert_eq!(kept.with_version(None).version(), DEFAULT_VERSION);
        for wrong in ["", "[]", "1", "\"text\"", "{", "{\"a\": 1e400}", "{} {}"] {
            assert!(foreign(wrong).is_err(), "{wrong}");
        }
        assert!(Payload::foreign(b"{\"a\": \"\xff\"}", None).is_err());
    }

    #[test]
    fn a_payload_can_be_made_of_another() {
        let mut fields = payload(r#"{"version":"1.0","name":"Ada"}"#)
            .unwrap()
            .into_fields();
        fields.insert("version".into(), json!("2.0"));
        let lifted = Payload::from(fields);
        assert_eq!(lifted.version(), "2.0");
        assert_eq!(
            serde_json::to_value(&lifted).unwrap(),
            json!({"name": "Ada", "version": "2.0"})
        );
        assert_eq!(Payload::default().text(), "{}");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map("version|.*", inner, 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever the text is: it is let in exactly when it can be read as an object, and says then what that says.
        #[test]
        fn it_is_let_in_when_it_is_an_object(value in any_json(), cut in 0_usize..200) {
            let full = value.to_string();
            let part: String = full.chars().take(cut).collect();
            for text in [full, part] {
                let read = serde_json::from_str::<Map<String, Value>>(&text);
                let payload = payload(&text);
                let version = read.as_ref().ok().and_then(|read| read.get("version"));
                let no_version = version.is_some_and(|version| matches!(version, Value::Bool(_) | Value::Array(_) | Value::Object(_)));
                prop_assert_eq!(payload.is_ok(), read.is_ok() && !no_version);
                if let (Ok(payload), Ok(read)) = (payload, read) {
                    prop_assert_eq!(payload.fields(), &read);
                    match read.get("version") {
                        Some(Value::String(version)) => prop_assert_eq!(payload.version(), version),
                        // As written, which is not as the reader writes it.
                        Some(number @ Value::Number(_)) => {
                            let version: Value = serde_json::from_str(payload.version()).unwrap();
                            prop_assert_eq!(&version, number);
                        }
                        _ => prop_assert_eq!(payload.version(), DEFAULT_VERSION),
                    }
                    prop_assert_eq!(serde_json::to_string(&payload).unwrap(), text.trim());
                }
            }
        }
    }
}
