//! Tables of the configurations that are only stored and returned: push, exports, ingestion,
//! transforms.

use super::tables::{
    Kind::{Bool, Duration, Enum, Int64, Map, Message, Text, Timestamp},
    Table, one, table,
};

static EMPTY: Table = table(&[]);
static OIDC: Table = table(&[one(1, "service_account_email", Text), one(2, "audience", Text)]);
static NO_WRAPPER: Table = table(&[one(1, "write_metadata", Bool)]);
pub(super) static PUSH_CONFIG: Table = table(&[
    one(1, "push_endpoint", Text),
    one(2, "attributes", Map),
    one(3, "oidc_token", Message(&OIDC)),
    one(4, "pubsub_wrapper", Message(&EMPTY)),
    one(5, "no_wrapper", Message(&NO_WRAPPER)),
]);

pub(super) static BIGQUERY_CONFIG: Table = table(&[
    one(1, "table", Text),
    one(2, "use_topic_schema", Bool),
    one(3, "write_metadata", Bool),
    one(4, "drop_unknown_fields", Bool),
    one(
        5,
        "state",
        Enum(&[
            "STATE_UNSPECIFIED",
            "ACTIVE",
            "PERMISSION_DENIED",
            "NOT_FOUND",
            "SCHEMA_MISMATCH",
            "IN_TRANSIT_LOCATION_RESTRICTION",
        ]),
    ),
    one(6, "use_table_schema", Bool),
    one(7, "service_account_email", Text),
]);
pub(super) static BIGTABLE_CONFIG: Table = table(&[
    one(1, "table", Text),
    one(2, "app_profile_id", Text),
    one(3, "service_account_email", Text),
    one(4, "state", Enum(&["STATE_UNSPECIFIED", "ACTIVE"])),
    one(5, "write_metadata", Bool),
]);
static AVRO_CONFIG: Table = table(&[one(1, "write_metadata", Bool), one(2, "use_topic_schema", Bool)]);
pub(super) static CLOUD_STORAGE_CONFIG: Table = table(&[
    one(1, "bucket", Text),
    one(2, "filename_prefix", Text),
    one(3, "filename_suffix", Text),
    one(4, "text_config", Message(&EMPTY)),
    one(5, "avro_config", Message(&AVRO_CONFIG)),
    one(6, "max_duration", Duration),
    one(7, "max_bytes", Int64),
    one(8, "max_messages", Int64),
    one(9, "state", Enum(&["STATE_UNSPECIFIED", "ACTIVE"])),
    one(10, "filename_datetime_format", Text),
    one(11, "service_account_email", Text),
]);

static INGESTION_STATE: &[&str] = &["STATE_UNSPECIFIED", "ACTIVE"];
static AWS_KINESIS: Table = table(&[
    one(1, "state", Enum(INGESTION_STATE)),
    one(2, "stream_arn", Text),
    one(3, "consumer_arn", Text),
    one(4, "aws_role_arn", Text),
    one(5, "gcp_service_account", Text),
]);
static TEXT_FORMAT: Table = table(&[one(1, "delimiter", Text)]);
static CLOUD_STORAGE: Table = table(&[
    one(1, "state", Enum(INGESTION_STATE)),
    one(2, "bucket", Text),
    one(3, "text_format", Message(&TEXT_FORMAT)),
    one(4, "avro_format", Message(&EMPTY)),
    one(5, "pubsub_avro_format", Message(&EMPTY)),
    one(6, "minimum_object_create_time", Timestamp),
    one(9, "match_glob", Text),
]);
static AZURE_EVENT_HUBS: Table = table(&[
    one(1, "state", Enum(INGESTION_STATE)),
    one(2, "resource_group", Text),
    one(3, "namespace", Text),
    one(4, "event_hub", Text),
    one(5, "client_id", Text),
    one(6, "tenant_id", Text),
    one(7, "subscription_id", Text),
    one(8, "gcp_service_account", Text),
]);
static AWS_MSK: Table = table(&[
    one(1, "state", Enum(INGESTION_STATE)),
    one(2, "cluster_arn", Text),
    one(3, "topic", Text),
    one(4, "aws_role_arn", Text),
    one(5, "gcp_service_account", Text),
]);
static CONFLUENT_CLOUD: Table = table(&[
    one(1, "state", Enum(INGESTION_STATE)),
    one(2, "bootstrap_server", Text),
    one(3, "cluster_id", Text),
    one(4, "topic", Text),
    one(5, "identity_pool_id", Text),
    one(6, "gcp_service_account", Text),
]);
static PLATFORM_LOGS: Table = table(&[one(
    1,
    "severity",
    Enum(&[
        "SEVERITY_UNSPECIFIED",
        "DISABLED",
        "DEBUG",
        "INFO",
        "WARNING",
        "ERROR",
    ]),
)]);
pub(super) static INGESTION: Table = table(&[
    one(1, "aws_kinesis", Message(&AWS_KINESIS)),
    one(2, "cloud_storage", Message(&CLOUD_STORAGE)),
    one(3, "azure_event_hubs", Message(&AZURE_EVENT_HUBS)),
    one(4, "platform_logs_settings", Message(&PLATFORM_LOGS)),
    one(5, "aws_msk", Message(&AWS_MSK)),
    one(6, "confluent_cloud", Message(&CONFLUENT_CLOUD)),
]);

static JAVASCRIPT_UDF: Table = table(&[one(1, "function_name", Text), one(2, "code", Text)]);
// Without the free-form parameters of an unstructured inference.
static AI_INFERENCE: Table = table(&[
    one(1, "endpoint", Text),
    one(2, "unstructured_inference", Message(&EMPTY)),
    one(3, "service_account_email", Text),
]);
pub(super) static MESSAGE_TRANSFORM: Table = table(&[
    one(2, "javascript_udf", Message(&JAVASCRIPT_UDF)),
    one(3, "enabled", Bool),
    one(4, "disabled", Bool),
    one(6, "ai_inference", Message(&AI_INFERENCE)),
]);
