//! The fields of the messages that REST speaks: tag, name, type. A test holds each table against the
//! generated message type, so that neither a tag nor a type can be wrong.

use super::tables_config::{
    BIGQUERY_CONFIG, BIGTABLE_CONFIG, CLOUD_STORAGE_CONFIG, INGESTION, MESSAGE_TRANSFORM, PUSH_CONFIG,
};

/// One message type.
pub(super) struct Table {
    pub(super) fields: &'static [Field],
}

pub(super) struct Field {
    pub(super) tag: u32,
    /// As in the `.proto` file; JSON has it in camelCase.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
}

pub(super) enum Kind {
    Text,
    Bool,
    Int32,
    /// A string in JSON.
    Int64,
    Bytes,
    /// Names by number, from 0.
    Enum(&'static [&'static str]),
    Message(&'static Table),
    /// `map<string, string>`
    Map,
    Duration,
    Timestamp,
    /// One string in JSON, paths separated by commas.
    Mask,
}

pub(super) const fn one(tag: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        tag,
        name,
        kind,
        repeated: false,
    }
}

pub(super) const fn many(tag: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        tag,
        name,
        kind,
        repeated: true,
    }
}

pub(super) const fn table(fields: &'static [Field]) -> Table {
    Table { fields }
}

use Kind::{Bool, Bytes, Duration, Enum, Int32, Map, Mask, Message, Text, Timestamp};

pub(super) static STORAGE_POLICY: Table = table(&[
    many(1, "allowed_persistence_regions", Text),
    one(2, "enforce_in_transit", Bool),
]);
pub(super) static SCHEMA_SETTINGS: Table = table(&[
    one(1, "schema", Text),
    one(2, "encoding", Enum(ENCODING)),
    one(3, "first_revision_id", Text),
    one(4, "last_revision_id", Text),
]);
static ENCODING: &[&str] = &["ENCODING_UNSPECIFIED", "JSON", "BINARY"];
static TOPIC_STATE: &[&str] = &["STATE_UNSPECIFIED", "ACTIVE", "INGESTION_RESOURCE_ERROR"];
static SUBSCRIPTION_STATE: &[&str] = &["STATE_UNSPECIFIED", "ACTIVE", "RESOURCE_ERROR"];

pub(super) static TOPIC: Table = table(&[
    one(1, "name", Text),
    one(2, "labels", Map),
    one(3, "message_storage_policy", Message(&STORAGE_POLICY)),
    one(5, "kms_key_name", Text),
    one(6, "schema_settings", Message(&SCHEMA_SETTINGS)),
    one(7, "satisfies_pzs", Bool),
    one(8, "message_retention_duration", Duration),
    one(9, "state", Enum(TOPIC_STATE)),
    one(10, "ingestion_data_source_settings", Message(&INGESTION)),
    many(13, "message_transforms", Message(&MESSAGE_TRANSFORM)),
    one(14, "tags", Map),
]);
pub(super) static UPDATE_TOPIC: Table =
    table(&[one(1, "topic", Message(&TOPIC)), one(2, "update_mask", Mask)]);
pub(super) static TOPICS: Table = table(&[
    many(1, "topics", Message(&TOPIC)),
    one(2, "next_page_token", Text),
]);
/// Lists of names: subscriptions of a topic, snapshots of a topic.
pub(super) static SUBSCRIPTION_NAMES: Table =
    table(&[many(1, "subscriptions", Text), one(2, "next_page_token", Text)]);
pub(super) static SNAPSHOT_NAMES: Table =
    table(&[many(1, "snapshots", Text), one(2, "next_page_token", Text)]);

pub(super) static PUBSUB_MESSAGE: Table = table(&[
    one(1, "data", Bytes),
    one(2, "attributes", Map),
    one(3, "message_id", Text),
    one(4, "publish_time", Timestamp),
    one(5, "ordering_key", Text),
]);
pub(super) static PUBLISH: Table = table(&[
    one(1, "topic", Text),
    many(2, "messages", Message(&PUBSUB_MESSAGE)),
]);
pub(super) static PUBLISHED: Table = table(&[many(1, "message_ids", Text)]);

pub(super) static DEAD_LETTER_POLICY: Table = table(&[
    one(1, "dead_letter_topic", Text),
    one(2, "max_delivery_attempts", Int32),
]);
pub(super) static RETRY_POLICY: Table = table(&[
    one(1, "minimum_backoff", Duration),
    one(2, "maximum_backoff", Duration),
]);
pub(super) static EXPIRATION_POLICY: Table = table(&[one(1, "ttl", Duration)]);
static ANALYTICS_HUB: Table = table(&[one(1, "listing", Text), one(2, "subscription", Text)]);

pub(super) static SUBSCRIPTION: Table = table(&[
    one(1, "name", Text),
    one(2, "topic", Text),
    one(4, "push_config", Message(&PUSH_CONFIG)),
    one(5, "ack_deadline_seconds", Int32),
    one(7, "retain_acked_messages", Bool),
    one(8, "message_retention_duration", Duration),
    one(9, "labels", Map),
    one(10, "enable_message_ordering", Bool),
    one(11, "expiration_policy", Message(&EXPIRATION_POLICY)),
    one(12, "filter", Text),
    one(13, "dead_letter_policy", Message(&DEAD_LETTER_POLICY)),
    one(14, "retry_policy", Message(&RETRY_POLICY)),
    one(15, "detached", Bool),
    one(16, "enable_exactly_once_delivery", Bool),
    one(17, "topic_message_retention_duration", Duration),
    one(18, "bigquery_config", Message(&BIGQUERY_CONFIG)),
    one(19, "state", Enum(SUBSCRIPTION_STATE)),
    one(22, "cloud_storage_config", Message(&CLOUD_STORAGE_CONFIG)),
    one(23, "analytics_hub_subscription_info", Message(&ANALYTICS_HUB)),
    many(25, "message_transforms", Message(&MESSAGE_TRANSFORM)),
    one(26, "tags", Map),
    one(27, "bigtable_config", Message(&BIGTABLE_CONFIG)),
]);
pub(super) static UPDATE_SUBSCRIPTION: Table = table(&[
    one(1, "subscription", Message(&SUBSCRIPTION)),
    one(2, "update_mask", Mask),
]);
pub(super) static SUBSCRIPTIONS: Table = table(&[
    many(1, "subscriptions", Message(&SUBSCRIPTION)),
    one(2, "next_page_token", Text),
]);
pub(super) static MODIFY_PUSH_CONFIG: Table = table(&[
    one(1, "subscription", Text),
    one(2, "push_config", Message(&PUSH_CONFIG)),
]);
pub(super) static PULL: Table = table(&[
    one(1, "subscription", Text),
    one(2, "return_immediately", Bool),
    one(3, "max_messages", Int32),
]);
static RECEIVED_MESSAGE: Table = table(&[
    one(1, "ack_id", Text),
    one(2, "message", Message(&PUBSUB_MESSAGE)),
    one(3, "delivery_attempt", Int32),
]);
pub(super) static PULLED: Table = table(&[many(1, "received_messages", Message(&RECEIVED_MESSAGE))]);
pub(super) static ACKNOWLEDGE: Table = table(&[one(1, "subscription", Text), many(2, "ack_ids", Text)]);
pub(super) static MODIFY_ACK_DEADLINE: Table = table(&[
    one(1, "subscription", Text),
    one(3, "ack_deadline_seconds", Int32),
    many(4, "ack_ids", Text),
]);
pub(super) static SEEK: Table = table(&[
    one(1, "subscription", Text),
    one(2, "time", Timestamp),
    one(3, "snapshot", Text),
]);

pub(super) static SNAPSHOT: Table = table(&[
    one(1, "name", Text),
    one(2, "topic", Text),
    one(3, "expire_time", Timestamp),
    one(4, "labels", Map),
]);
pub(super) static CREATE_SNAPSHOT: Table = table(&[
    one(1, "name", Text),
    one(2, "subscription", Text),
    one(3, "labels", Map),
    one(4, "tags", Map),
]);
pub(super) static UPDATE_SNAPSHOT: Table = table(&[
    one(1, "snapshot", Message(&SNAPSHOT)),
    one(2, "update_mask", Mask),
]);
pub(super) static SNAPSHOTS: Table = table(&[
    many(1, "snapshots", Message(&SNAPSHOT)),
    one(2, "next_page_token", Text),
]);

static SCHEMA_TYPE: &[&str] = &["TYPE_UNSPECIFIED", "PROTOCOL_BUFFER", "AVRO"];
pub(super) static SCHEMA_VIEW: &[&str] = &["SCHEMA_VIEW_UNSPECIFIED", "BASIC", "FULL"];
pub(super) static SCHEMA: Table = table(&[
    one(1, "name", Text),
    one(2, "type", Enum(SCHEMA_TYPE)),
    one(3, "definition", Text),
    one(4, "revision_id", Text),
    one(6, "revision_create_time", Timestamp),
]);
/// `commit` and `validate` have the schema in field 2 beside a name or a parent.
pub(super) static WITH_SCHEMA: Table = table(&[one(1, "name", Text), one(2, "schema", Message(&SCHEMA))]);
pub(super) static ROLLBACK_SCHEMA: Table = table(&[one(1, "name", Text), one(2, "revision_id", Text)]);
pub(super) static SCHEMAS: Table = table(&[
    many(1, "schemas", Message(&SCHEMA)),
    one(2, "next_page_token", Text),
]);
pub(super) static VALIDATE_MESSAGE: Table = table(&[
    one(1, "parent", Text),
    one(2, "name", Text),
    one(3, "schema", Message(&SCHEMA)),
    one(4, "message", Bytes),
    one(5, "encoding", Enum(ENCODING)),
]);

static EXPR: Table = table(&[
    one(1, "expression", Text),
    one(2, "title", Text),
    one(3, "description", Text),
    one(4, "location", Text),
]);
static BINDING: Table = table(&[
    one(1, "role", Text),
    many(2, "members", Text),
    one(3, "condition", Message(&EXPR)),
]);
static AUDIT_LOG_TYPE: &[&str] = &["LOG_TYPE_UNSPECIFIED", "ADMIN_READ", "DATA_WRITE", "DATA_READ"];
static AUDIT_LOG: Table = table(&[
    one(1, "log_type", Enum(AUDIT_LOG_TYPE)),
    many(2, "exempted_members", Text),
]);
static AUDIT: Table = table(&[
    one(1, "service", Text),
    many(3, "audit_log_configs", Message(&AUDIT_LOG)),
]);
pub(super) static POLICY: Table = table(&[
    one(1, "version", Int32),
    one(3, "etag", Bytes),
    many(4, "bindings", Message(&BINDING)),
    many(6, "audit_configs", Message(&AUDIT)),
]);
pub(super) static SET_IAM_POLICY: Table = table(&[
    one(1, "resource", Text),
    one(2, "policy", Message(&POLICY)),
    one(3, "update_mask", Mask),
]);
pub(super) static TEST_IAM_PERMISSIONS: Table =
    table(&[one(1, "resource", Text), many(2, "permissions", Text)]);
pub(super) static PERMISSIONS: Table = table(&[many(1, "permissions", Text)]);
