//! JSON to protobuf and back, by the tables. Only what differs from a default is written, on either
//! side, which is what Google's front end does too.

use super::{
    tables::{Field, Kind, Table},
    values,
};
use crate::status::{Result, Status};
use prost::{
    Message as _,
    bytes::Buf as _,
    encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint},
};
use serde_json::{Map, Value};

/// Encodes a JSON object as the message of the table.
pub(super) fn from_json(value: &Value, table: &Table) -> Result<Vec<u8>> {
    let Value::Object(object) = value else {
        return Err(Status::invalid(
            "Invalid JSON payload received. Expected an object.",
        ));
    };
    let mut out = Vec::new();
    for (name, value) in object {
        let field = table
            .fields
            .iter()
            .find(|field| values::camel(field.name) == *name || field.name == name);
        let Some(field) = field else {
            return Err(Status::invalid(format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."
            )));
        };
        match value {
            Value::Null => {}
            Value::Array(items) if field.repeated => {
                items.iter().try_for_each(|item| put(field, item, &mut out))?;
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)
                if field.repeated =>
            {
                return Err(Status::invalid(format!(
                    "Invalid value at '{name}': expected an array."
                )));
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                put(field, value, &mut out)?;
            }
        }
    }
    Ok(out)
}

fn put(field: &Field, value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let name = field.name;
    match &field.kind {
        Kind::Text => put_bytes(field, values::text(name, value)?.as_bytes(), out),
        Kind::Bytes => put_bytes(field, &values::bytes(name, value)?, out),
        Kind::Bool => put_number(field, i64::from(values::boolean(name, value)?), out),
        Kind::Int32 => {
            let number = values::integer(name, value)?;
            let number = i32::try_from(number)
                .map_err(|_| Status::invalid(format!("Invalid value at '{name}' (TYPE_INT32)")))?;
            put_number(field, i64::from(number), out);
        }
        Kind::Int64 => put_number(field, values::integer(name, value)?, out),
        Kind::Enum(names) => put_number(field, values::enumeration(name, names, value)?, out),
        Kind::Message(table) => put_message(field.tag, &from_json(value, table)?, out),
        Kind::Duration => put_message(field.tag, &values::duration(name, value)?.encode_to_vec(), out),
        Kind::Timestamp => put_message(field.tag, &values::timestamp(name, value)?.encode_to_vec(), out),
        Kind::Mask => put_message(field.tag, &values::mask(name, value)?.encode_to_vec(), out),
        Kind::Map => {
            let Value::Object(entries) = value else {
                return Err(Status::invalid(format!(
                    "Invalid value at '{name}': expected an object."
                )));
            };
            for (key, value) in entries {
                let mut entry = Vec::new();
                put_message(1, key.as_bytes(), &mut entry);
                put_message(2, values::text(name, value)?.as_bytes(), &mut entry);
                put_message(field.tag, &entry, out);
            }
        }
    }
    Ok(())
}

/// Proto3 does not write defaults, except as items of a list.
fn put_bytes(field: &Field, bytes: &[u8], out: &mut Vec<u8>) {
    if field.repeated || !bytes.is_empty() {
        put_message(field.tag, bytes, out);
    }
}

fn put_number(field: &Field, number: i64, out: &mut Vec<u8>) {
    if number != 0 {
        encode_key(field.tag, WireType::Varint, out);
        encode_varint(number.cast_unsigned(), out);
    }
}

/// Anything with a length: strings and bytes are written alike.
fn put_message(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// The JSON of an encoded message. It was encoded by us, so what cannot be read is left out.
pub(super) fn to_json(mut bytes: &[u8], table: &Table, enums_as_numbers: bool) -> Value {
    let mut object = Map::new();
    while bytes.has_remaining() {
        let Some((field, wire)) = next(&mut bytes, table) else {
            break;
        };
        let Some(field) = field else { continue };
        let name = values::camel(field.name);
        let value = read(field, wire, enums_as_numbers);
        match (&field.kind, value) {
            (Kind::Map, Value::Object(entry)) => {
                if let Value::Object(map) = object.entry(name).or_insert_with(|| Value::Object(Map::new())) {
                    map.extend(entry);
                }
            }
            (_, value) if field.repeated => {
                if let Value::Array(items) = object.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                    items.push(value);
                }
            }
            (_, value) => drop(object.insert(name, value)),
        }
    }
    Value::Object(object)
}

#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn next<'a, 't>(bytes: &mut &'a [u8], table: &'t Table) -> Option<(Option<&'t Field>, Wire<'a>)> {
    let (tag, wire_type) = decode_key(bytes).ok()?;
    let wire = match wire_type {
        WireType::Varint => Wire::Number(decode_varint(bytes).ok()?),
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(bytes).ok()?).ok()?;
            let (value, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Wire::Bytes(value)
        }
        WireType::SixtyFourBit | WireType::ThirtyTwoBit | WireType::StartGroup | WireType::EndGroup => {
            return None;
        }
    };
    Some((table.fields.iter().find(|field| field.tag == tag), wire))
}

fn read(field: &Field, wire: Wire<'_>, enums_as_numbers: bool) -> Value {
    let (number, bytes) = match wire {
        Wire::Number(number) => (number.cast_signed(), &[][..]),
        Wire::Bytes(bytes) => (0, bytes),
    };
    let text = || String::from_utf8_lossy(bytes).into_owned();
    match &field.kind {
        Kind::Text => Value::String(text()),
        Kind::Bytes => Value::String(values::base64(bytes)),
        Kind::Bool => Value::Bool(number != 0),
        Kind::Int32 => Value::from(number),
        Kind::Int64 => Value::String(number.to_string()),
        Kind::Enum(names) => match usize::try_from(number).ok().and_then(|n| names.get(n)) {
            Some(name) if !enums_as_numbers => Value::from(*name),
            _ => Value::from(number),
        },
        Kind::Message(table) => to_json(bytes, table, enums_as_numbers),
        Kind::Duration => Value::String(values::duration_text(
            &prost_types::Duration::decode(bytes).unwrap_or_default(),
        )),
        Kind::Timestamp => Value::String(values::timestamp_text(
            &prost_types::Timestamp::decode(bytes).unwrap_or_default(),
        )),
        Kind::Mask => Value::String(values::mask_text(
            &prost_types::FieldMask::decode(bytes).unwrap_or_default(),
        )),
        Kind::Map => {
            let entry = MapEntry::decode(bytes).unwrap_or_default();
            Value::Object(Map::from_iter([(entry.key, Value::String(entry.value))]))
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct MapEntry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[cfg(test)]
mod tests {
    use super::super::tables as t;
    use super::*;
    use crate::{iam, pb};
    use serde_json::json;

    /// One encoding for each way down to a leaf. Alternatives (`oneof`) would overwrite each other if
    /// all fields were set at once.
    fn samples(field: &Field) -> Vec<Vec<u8>> {
        let value = match &field.kind {
            Kind::Text => json!("x"),
            Kind::Bytes => json!("eA=="),
            Kind::Bool => json!(true),
            Kind::Int32 | Kind::Int64 | Kind::Enum(_) => json!(1),
            Kind::Duration => json!("1s"),
            Kind::Timestamp => json!("1970-01-01T00:00:01Z"),
            Kind::Mask => json!("a"),
            Kind::Map => json!({"k": "v"}),
            Kind::Message(table) if table.fields.is_empty() => json!({}),
            Kind::Message(table) => {
                let inner = table.fields.iter().flat_map(samples);
                return inner
                    .map(|bytes| {
                        let mut out = Vec::new();
                        put_message(field.tag, &bytes, &mut out);
                        out
                    })
                    .collect();
            }
        };
        let mut out = Vec::new();
        put(field, &value, &mut out).unwrap();
        vec![out]
    }

    /// Decoding drops unknown tags and refuses wrong types, so what comes back whole was right.
    fn agrees<M: prost::Message + Default + std::fmt::Debug>(table: &Table) {
        for field in table.fields {
            for bytes in samples(field) {
                let message = M::decode(bytes.as_slice()).unwrap_or_else(|e| panic!("{}: {e}", field.name));
                assert_eq!(message.encode_to_vec(), bytes, "{}", field.name);
                let printed = format!("{message:?}");
                let variant = values::camel(field.name).to_lowercase();
                let known = printed.contains(field.name) || printed.to_lowercase().contains(&variant);
                assert!(known, "{} is not a field of {printed}", field.name);
            }
        }
    }

    #[test]
    fn the_tables_agree_with_the_message_types() {
        agrees::<pb::Topic>(&t::TOPIC);
        agrees::<pb::Subscription>(&t::SUBSCRIPTION);
        agrees::<pb::IngestionDataSourceSettings>(&super::super::tables_config::INGESTION);
        agrees::<pb::MessageTransform>(&super::super::tables_config::MESSAGE_TRANSFORM);
        agrees::<pb::PushConfig>(&super::super::tables_config::PUSH_CONFIG);
        agrees::<pb::CloudStorageConfig>(&super::super::tables_config::CLOUD_STORAGE_CONFIG);
        agrees::<pb::BigQueryConfig>(&super::super::tables_config::BIGQUERY_CONFIG);
        agrees::<pb::BigtableConfig>(&super::super::tables_config::BIGTABLE_CONFIG);
        agrees::<pb::UpdateTopicRequest>(&t::UPDATE_TOPIC);
        agrees::<pb::ListTopicsResponse>(&t::TOPICS);
        agrees::<pb::ListTopicSubscriptionsResponse>(&t::SUBSCRIPTION_NAMES);
        agrees::<pb::ListTopicSnapshotsResponse>(&t::SNAPSHOT_NAMES);
        agrees::<pb::PublishRequest>(&t::PUBLISH);
        agrees::<pb::PublishResponse>(&t::PUBLISHED);
        agrees::<pb::UpdateSubscriptionRequest>(&t::UPDATE_SUBSCRIPTION);
        agrees::<pb::ListSubscriptionsResponse>(&t::SUBSCRIPTIONS);
        agrees::<pb::ModifyPushConfigRequest>(&t::MODIFY_PUSH_CONFIG);
        agrees::<pb::PullRequest>(&t::PULL);
        agrees::<pb::PullResponse>(&t::PULLED);
        agrees::<pb::AcknowledgeRequest>(&t::ACKNOWLEDGE);
        agrees::<pb::ModifyAckDeadlineRequest>(&t::MODIFY_ACK_DEADLINE);
        agrees::<pb::SeekRequest>(&t::SEEK);
        agrees::<pb::Snapshot>(&t::SNAPSHOT);
        agrees::<pb::CreateSnapshotRequest>(&t::CREATE_SNAPSHOT);
        agrees::<pb::UpdateSnapshotRequest>(&t::UPDATE_SNAPSHOT);
        agrees::<pb::ListSnapshotsResponse>(&t::SNAPSHOTS);
        agrees::<pb::Schema>(&t::SCHEMA);
        agrees::<pb::CommitSchemaRequest>(&t::WITH_SCHEMA);
        agrees::<pb::RollbackSchemaRequest>(&t::ROLLBACK_SCHEMA);
        agrees::<pb::ListSchemasResponse>(&t::SCHEMAS);
        agrees::<pb::ValidateMessageRequest>(&t::VALIDATE_MESSAGE);
        agrees::<iam::pb::SetIamPolicyRequest>(&t::SET_IAM_POLICY);
        agrees::<iam::pb::Policy>(&t::POLICY);
        agrees::<iam::pb::TestIamPermissionsRequest>(&t::TEST_IAM_PERMISSIONS);
        agrees::<iam::pb::TestIamPermissionsResponse>(&t::PERMISSIONS);
    }

    #[test]
    fn json_round_trips() {
        let json = json!({
            "name": "projects/p/subscriptions/s",
            "pushConfig": {},
            "ackDeadlineSeconds": 20,
            "messageRetentionDuration": "604800s",
            "labels": {"a": "1", "b": ""},
            "expirationPolicy": {},
            "filter": "attributes:k",
            "deadLetterPolicy": {"deadLetterTopic": "projects/p/topics/d", "maxDeliveryAttempts": 5},
            "state": "ACTIVE"
        });
        let bytes = from_json(&json, &t::SUBSCRIPTION).unwrap();
        assert_eq!(to_json(&bytes, &t::SUBSCRIPTION, false), json);
        assert_eq!(to_json(&bytes, &t::SUBSCRIPTION, true)["state"], json!(1));
        let message = pb::Subscription::decode(bytes.as_slice()).unwrap();
        assert_eq!(
            message.expiration_policy,
            Some(pb::ExpirationPolicy { ttl: None })
        );
    }

    fn json() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let names = prop::sample::select(vec![
            "name",
            "labels",
            "state",
            "pushConfig",
            "ackDeadlineSeconds",
            "expirationPolicy",
            "ttl",
            "x",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[0-9a-zé=.,_-]{0,8}s?".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec((names.clone(), inner), 0..4)
                    .prop_map(|entries| entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_json_is_read_or_refused(json in json()) {
            if let Ok(bytes) = from_json(&json, &t::SUBSCRIPTION) {
                proptest::prop_assert!(pb::Subscription::decode(bytes.as_slice()).is_ok());
                to_json(&bytes, &t::SUBSCRIPTION, false);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            to_json(&bytes, &t::SUBSCRIPTION, true);
        }
    }

    #[test]
    fn unknown_names_and_wrong_types_are_refused() {
        for json in [
            json!({"nam": "x"}),
            json!({"name": 1}),
            json!({"labels": []}),
            json!({"messageTransforms": {}}),
            json!([]),
        ] {
            assert!(from_json(&json, &t::TOPIC).is_err(), "{json}");
        }
    }
}
