//! What KEDA and an external scaler say to each other, package `externalscaler`: a worker is wanted at all or not
//! (`IsActive`), by which measure the number of workers is reckoned (`GetMetricSpec`), and the measure's value
//! (`GetMetrics`). The numbers of the fields are KEDA's (<https://keda.sh/docs/latest/concepts/external-scalers/>).

use std::collections::HashMap;

use prost::Message;

/// Whom a question is about.
#[derive(Clone, PartialEq, Message)]
pub struct ScaledObjectRef {
    /// The ScaledObject's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its namespace; KEDA says it, not whoever wrote the ScaledObject.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// The trigger's metadata, as it stands in the ScaledObject.
    #[prost(map = "string, string", tag = "3")]
    pub scaler_metadata: HashMap<String, String>,
}

/// Whether any worker is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct IsActiveResponse {
    /// No: the last one may go.
    #[prost(bool, tag = "1")]
    pub result: bool,
}

/// By which measures the number of workers is reckoned.
#[derive(Clone, PartialEq, Message)]
pub struct GetMetricSpecResponse {
    /// The largest number that any of them comes to counts.
    #[prost(message, repeated, tag = "1")]
    pub metric_specs: Vec<MetricSpec>,
}

/// One measure.
#[derive(Clone, PartialEq, Message)]
pub struct MetricSpec {
    /// Its name.
    #[prost(string, tag = "1")]
    pub metric_name: String,
    /// How much of it one worker is wanted for, for KEDA before 2.10.
    #[prost(int64, tag = "2")]
    pub target_size: i64,
    /// The same for those since.
    #[prost(double, tag = "3")]
    pub target_size_float: f64,
}

/// Asks for a measure's value.
#[derive(Clone, PartialEq, Message)]
pub struct GetMetricsRequest {
    /// Of whom.
    #[prost(message, optional, tag = "1")]
    pub scaled_object_ref: Option<ScaledObjectRef>,
    /// The measure's name.
    #[prost(string, tag = "2")]
    pub metric_name: String,
}

/// Values of measures.
#[derive(Clone, PartialEq, Message)]
pub struct GetMetricsResponse {
    /// One for each that was asked for.
    #[prost(message, repeated, tag = "1")]
    pub metric_values: Vec<MetricValue>,
}

/// A measure's value.
#[derive(Clone, PartialEq, Message)]
pub struct MetricValue {
    /// The measure's name.
    #[prost(string, tag = "1")]
    pub metric_name: String,
    /// The value, for KEDA before 2.10.
    #[prost(int64, tag = "2")]
    pub metric_value: i64,
    /// The same for those since.
    #[prost(double, tag = "3")]
    pub metric_value_float: f64,
}

/// What build.rs makes.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/externalscaler.ExternalScaler.rs"));
}

pub use generated::{external_scaler_client, external_scaler_server};
