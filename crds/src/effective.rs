//! The settings that count for an object, as status shows them: each field's value, and which document it comes from.

#![allow(
    unreachable_pub,
    reason = "derive(KubeSchema) repeats each type inside a function"
)]

use std::fmt;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One setting that counts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveSetting {
    /// The field of the spec, such as `deadLetter.retention`.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where the value comes from: `Spec` of this object, `Tenant` that this object belongs to, `Operator` for the operator's
    /// configuration, `Default` of the API.
    pub source: SettingSource,
}

impl EffectiveSetting {
    /// A setting of this name.
    #[must_use]
    pub fn new(name: &str, value: impl fmt::Display, source: SettingSource) -> Self {
        Self {
            name: name.to_owned(),
            value: value.to_string(),
            source,
        }
    }
}

/// Where the value of a setting comes from: `Spec` of this object, `Tenant` that this object belongs to, `Operator` for the
/// operator's configuration, `Default` of the API.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum SettingSource {
    /// The object's own spec.
    Spec,
    /// The Tenant's spec.
    Tenant,
    /// The operator's configuration.
    Operator,
    /// The API's default.
    Default,
}
