//! `system.…`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is not as it should be, and nothing failed.
    Warning,
    /// Something failed.
    Error,
    /// The component cannot do its work.
    Critical,
}

/// How a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It does its work.
    Healthy,
    /// It does its work slowly or in part.
    Degraded,
    /// It does not do its work.
    Unhealthy,
}

payload! {
    /// An error at the level of the system.
    SystemError = "system.error" by system_error {
        /// The component that the error occurred in.
        component: String,
        /// What went wrong, in words.
        error_message: String,
        ;
        /// What went wrong, as a code of the component.
        error_code: String,
        /// How bad it is.
        severity: Severity,
    }
}

payload! {
    /// The result of a health check.
    SystemHealthCheck = "system.health_check" by system_health_check {
        /// The component that was checked.
        component: String,
        /// How the component is.
        status: Health,
        ;
        /// How long the check took, in milliseconds.
        latency_ms: u64,
    }
}
