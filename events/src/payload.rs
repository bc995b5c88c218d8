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

    /// A payload of a type of ours: its version goes before its fields.
    pub(crate) fn versioned(version: &str, fields: &impl Serialize) -> Self {
        #[derive(Serialize)]
        struct Versioned<'a, T> {
            version: &'a str,
            #[serde(flatten)]
            fields: &'a T,
        }
        Self {
            // The fields of our types are texts, integers and lists of texts: all have a JSON form.
            text: to_raw_value(&Versioned { version, fields }).unwrap_or_default(),
            version: Some(version.to_owned()),
            fields: OnceLock::new(),
        }
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
mod tests;
