//! What can be changed while the emulator runs, in process and over `/emulator/v1/settings`.

use crate::limits::ADMIN_QUOTA_PER_MINUTE;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Who is asked for permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IamMode {
    /// Everybody may do everything, but dead lettering still needs its grants.
    #[default]
    Off,
    /// Every call is checked against the policies, for the principal of the bearer token.
    Enforce,
}

/// The switches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// False delivers every message to every subscription, to prove that a worker guards itself.
    pub filters: bool,
    /// Access control by caller.
    pub iam: IamMode,
    /// Administrative calls per minute and project; `None` is without limit. By default the service's 6,000.
    pub admin_quota_per_minute: Option<u32>,
    /// For this long after its creation an object is missing from GETs and lists.
    pub read_after_write_gap_ms: u64,
    /// For this long after its write a policy has no effect, though it can be read.
    pub iam_propagation_ms: u64,
    /// A puller that waits learns of a published message this much later. The service answers the publisher first, and clients
    /// count on that; over loopback a message may be with its subscriber before its publisher knows its id.
    pub delivery_delay_ms: u64,
    /// Age of the newest point of a metric.
    pub monitoring_lag_ms: u64,
    /// Refuse to bind a Pub/Sub service agent of a project that nobody has named yet.
    pub check_service_agents: bool,
    /// The etag of policies that were never set, in base64; `None` for the service's, `ACAB`. The service documents none, so a client
    /// has to do with any.
    pub never_set_etag: Option<Base64>,
    /// Regions that an organisation policy would put on topics created without a storage policy.
    pub default_storage_regions: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            filters: true,
            iam: IamMode::Off,
            admin_quota_per_minute: Some(ADMIN_QUOTA_PER_MINUTE),
            read_after_write_gap_ms: 0,
            iam_propagation_ms: 0,
            delivery_delay_ms: 0,
            monitoring_lag_ms: 0,
            check_service_agents: true,
            never_set_etag: None,
            default_storage_regions: Vec::new(),
        }
    }
}

/// Bytes that are base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}
