//! Where a Tenant's event plane is. The operator writes it down at the first success, in the Tenant's status and in an annotation
//! (restores from a backup usually drop status), and works where it says from then on: names and projects are not computed
//! anew from settings that anybody may edit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a Tenant's event plane is, as the annotation `events.livingtwin.io/binding` and `status.binding` hold it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The `tenant_id` of its messages.
    pub tenant_id: String,
    /// The cluster whose operator owns what is in Pub/Sub.
    pub cluster_id: String,
    /// The Google Cloud project of its subscriptions.
    pub project_id: String,
    /// The Google Cloud project of its topics.
    pub topic_project_id: String,
    /// What the names of its topics begin with.
    pub topic_prefix: String,
    /// Places it was moved from, where something of it is still handled or kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<FormerPlace>,
}

/// A place that a Tenant was moved from.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormerPlace {
    /// The Google Cloud project of the subscriptions there.
    pub project_id: String,
    /// The Google Cloud project of the topics there.
    pub topic_project_id: String,
    /// What the names of the topics there begin with.
    pub topic_prefix: String,
}
