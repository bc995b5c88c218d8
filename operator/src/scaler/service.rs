//! What KEDA is told. In doubt it is told that it is in doubt: it then goes on with what it has, and with its fallback when
//! that lasts.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use tonic::{Request, Response, Status};

use super::{
    NoAnswer, Scaler,
    protocol::{
        GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec,
        MetricValue, ScaledObjectRef, external_scaler_server::ExternalScaler,
    },
};
use crate::tenant::desired::scaled_object::parameter;

/// The one measure there is.
pub const METRIC: &str = "backlog";

/// How often a stream looks whether anything changed.
const STREAM_POLL: Duration = Duration::from_secs(5);

/// Answers KEDA.
#[derive(Clone)]
pub struct Service(Arc<Scaler>);

impl From<NoAnswer> for Status {
    fn from(why: NoAnswer) -> Self {
        let text = why.to_string();
        match why {
            NoAnswer::Unknown { .. } => Self::not_found(text),
            NoAnswer::Starting | NoAnswer::Unread(_) => Self::unavailable(text),
        }
    }
}

impl Service {
    /// Answers with what this one knows.
    #[must_use]
    pub fn new(scaler: Arc<Scaler>) -> Self {
        Self(scaler)
    }

    /// Whether a worker is wanted; yes, when that is not known.
    async fn wants_a_worker(&self, about: &ScaledObjectRef) -> Result<bool, Status> {
        match self.0.waiting(tenant(about)?, &about.namespace).await {
            Ok(waiting) => Ok(waiting.wants_a_worker()),
            Err(NoAnswer::Starting | NoAnswer::Unread(_)) => Ok(true),
            Err(unknown @ NoAnswer::Unknown { .. }) => Err(unknown.into()),
        }
    }
}

fn tenant(about: &ScaledObjectRef) -> Result<&str, Status> {
    parameter_of(about, parameter::TENANT)
}

fn parameter_of<'a>(about: &'a ScaledObjectRef, key: &str) -> Result<&'a str, Status> {
    about
        .scaler_metadata
        .get(key)
        .map(String::as_str)
        .ok_or_else(|| Status::invalid_argument(format!("the trigger's metadata has no {key:?}")))
}

#[tonic::async_trait]
impl ExternalScaler for Service {
    async fn is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<IsActiveResponse>, Status> {
        let result = self.wants_a_worker(request.get_ref()).await?;
        Ok(Response::new(IsActiveResponse { result }))
    }

    type StreamIsActiveStream = stream::BoxStream<'static, Result<IsActiveResponse, Status>>;

    /// Says it at once, and each time that it changes.
    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let about = request.into_inner();
        let first = self.wants_a_worker(&about).await?;
        let later = stream::unfold((self.clone(), about, first), async |(service, about, before)| {
            loop {
                tokio::time::sleep(STREAM_POLL).await;
                match service.wants_a_worker(&about).await {
                    Ok(result) if result == before => {}
                    Ok(result) => return Some((Ok(IsActiveResponse { result }), (service, about, result))),
                    Err(status) => return Some((Err(status), (service, about, before))),
                }
            }
        });
        let first = stream::once(async move { Ok(IsActiveResponse { result: first }) });
        Ok(Response::new(first.chain(later).boxed()))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        let about = request.get_ref();
        match self.0.tenants.pulled(tenant(about)?, &about.namespace) {
            // What one worker is wanted for stands in the question.
            Ok(_) | Err(NoAnswer::Starting | NoAnswer::Unread(_)) => {}
            Err(unknown @ NoAnswer::Unknown { .. }) => return Err(unknown.into()),
        }
        let text = parameter_of(about, parameter::TARGET_BACKLOG)?;
        let target: i32 = text.parse().ok().filter(|target| *target > 0).ok_or_else(|| {
            Status::invalid_argument(format!(
                "the trigger's {} is {text:?}, and must be a number above 0",
                parameter::TARGET_BACKLOG
            ))
        })?;
        Ok(Response::new(GetMetricSpecResponse {
            metric_specs: vec![MetricSpec {
                metric_name: METRIC.to_owned(),
                target_size: target.into(),
                target_size_float: target.into(),
            }],
        }))
    }

    async fn get_metrics(
        &self,
        request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        let request = request.into_inner();
        let about = request
            .scaled_object_ref
            .ok_or_else(|| Status::invalid_argument("the question does not say whom it is about"))?;
        let waiting = self.0.waiting(tenant(&about)?, &about.namespace).await?;
        let messages = waiting.certain().ok_or_else(|| {
            Status::unavailable("the backlog is not known: its subscriptions are too new to be measured")
        })?;
        let value = u32::try_from(messages).unwrap_or(u32::MAX);
        Ok(Response::new(GetMetricsResponse {
            metric_values: vec![MetricValue {
                metric_name: METRIC.to_owned(),
                metric_value: value.into(),
                metric_value_float: value.into(),
            }],
        }))
    }
}
