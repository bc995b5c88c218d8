//! What can be changed while the emulator runs, in process and over `/emulator/v1/settings`.

use crate::limits::ADMIN_QUOTA_PER_MINUTE;
use serde::{Deserialize, Serialize};

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
    /// Age of the newest point of a metric.
    pub monitoring_lag_ms: u64,
    /// Refuse to bind a Pub/Sub service agent of a project that nobody has named yet.
    pub check_service_agents: bool,
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
            monitoring_lag_ms: 0,
            check_service_agents: true,
            default_storage_regions: Vec::new(),
        }
    }
}
