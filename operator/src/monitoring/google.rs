//! The port over Google's official crate.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use events::{Connection, ProjectId, connect};
use google_cloud_gax::{options::RequestOptionsBuilder as _, retry_policy::NeverRetry};
use google_cloud_monitoring_v3::{
    client::MetricService,
    model::{
        Aggregation, TimeInterval, TimeSeries, aggregation::Aligner,
        list_time_series_request::TimeSeriesView, typed_value::Value,
    },
};
use google_cloud_wkt::Timestamp as Wkt;
use jiff::Timestamp;

use super::{Monitoring, Oldest, Unread};

/// The age of the oldest message that is not acknowledged, in seconds; sampled every 60 s and visible up to 240 s later
/// (<https://cloud.google.com/monitoring/api/metrics_gcp_p_z#gcp-pubsub>).
const OLDEST: &str = r#"metric.type = "pubsub.googleapis.com/subscription/oldest_unacked_message_age""#;

/// How many messages are not acknowledged; sampled and late like the one above.
const UNDELIVERED: &str = r#"metric.type = "pubsub.googleapis.com/subscription/num_undelivered_messages""#;

/// How many messages were sent to subscribers, redeliveries included; a count of what happened between two samples.
const SENT: &str = r#"metric.type = "pubsub.googleapis.com/subscription/sent_message_count""#;

/// How far back is looked: long enough to hold a sample though it is late.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// How long one page may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Most series of one page (<https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list>).
const PAGE_SIZE: i32 = 100_000;

/// Google's Monitoring, or an emulator's.
pub struct GoogleMonitoring {
    metrics: MetricService,
}

impl GoogleMonitoring {
    /// Makes the client.
    ///
    /// # Errors
    /// No credentials, or an endpoint that is no URL.
    pub async fn connect(connection: &Connection) -> Result<Self, google_cloud_gax::client_builder::Error> {
        Ok(Self {
            // It is asked again in a minute anyway.
            metrics: connect!(MetricService::builder(), connection)
                .with_retry_policy(NeverRetry)
                .build()
                .await?,
        })
    }
}

#[async_trait]
impl Monitoring for GoogleMonitoring {
    async fn oldest_unacked(&self, project: &ProjectId) -> Result<HashMap<String, Oldest>, Unread> {
        let newest = self.newest(project, OLDEST, None).await?.into_iter();
        Ok(newest
            .map(|(id, Point { at, value })| {
                let age = Duration::from_secs(value);
                (id, Oldest { at, age })
            })
            .collect())
    }

    async fn delivered(&self, project: &ProjectId, window: Duration) -> Result<HashMap<String, u64>, Unread> {
        let sums = self.newest(project, SENT, Some(window)).await?.into_iter();
        Ok(sums.map(|(id, point)| (id, point.value)).collect())
    }

    async fn undelivered(&self, project: &ProjectId) -> Result<HashMap<String, u64>, Unread> {
        let newest = self.newest(project, UNDELIVERED, None).await?.into_iter();
        Ok(newest.map(|(id, point)| (id, point.value)).collect())
    }
}

impl GoogleMonitoring {
    /// The newest point of each subscription's series, by the subscription's id; where there is a window, the sum of all points
    /// in it.
    async fn newest(
        &self,
        project: &ProjectId,
        filter: &str,
        sum_of: Option<Duration>,
    ) -> Result<HashMap<String, Point>, Unread> {
        let now = Timestamp::now();
        let start = now.saturating_sub(sum_of.unwrap_or(WINDOW)).unwrap_or(now);
        let interval = TimeInterval::new()
            .set_or_clear_start_time(wkt(start))
            .set_or_clear_end_time(wkt(now));
        let aggregation = sum_of.map(|window| {
            Aggregation::new()
                .set_or_clear_alignment_period(google_cloud_wkt::Duration::try_from(window).ok())
                .set_per_series_aligner(Aligner::AlignSum)
        });
        let mut found = HashMap::new();
        let mut token = String::new();
        loop {
            let page = self
                .metrics
                .list_time_series()
                .set_name(format!("projects/{project}"))
                .set_filter(filter)
                .set_interval(interval.clone())
                .set_or_clear_aggregation(aggregation.clone())
                .set_view(TimeSeriesView::Full)
                .set_page_size(PAGE_SIZE)
                .set_page_token(token)
                .with_attempt_timeout(DEADLINE)
                .send()
                .await
                .map_err(|error| {
                    let status = error
                        .status()
                        .map(|status| format!("{}: {}", status.code, status.message));
                    let why = status.unwrap_or_else(|| "no answer".to_owned());
                    Unread(format!(
                        "{why} (needs monitoring.timeSeries.list on project {project})"
                    ))
                })?;
            found.extend(page.time_series.iter().filter_map(newest));
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
            token = page.next_page_token;
        }
    }
}

fn wkt(at: Timestamp) -> Option<Wkt> {
    Wkt::new(at.as_second(), at.subsec_nanosecond()).ok()
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    at: Timestamp,
    value: u64,
}

/// The newest point of a series, with the subscription's id.
fn newest(series: &TimeSeries) -> Option<(String, Point)> {
    let id = series.resource.as_ref()?.labels.get("subscription_id")?.clone();
    let points = series.points.iter().filter_map(|point| {
        let end = point.interval.as_ref()?.end_time.as_ref()?;
        // Rounded down: an earlier measurement proves less.
        let at = Timestamp::from_second(end.seconds()).ok()?;
        let Value::Int64Value(value) = point.value.as_ref()?.value.as_ref()? else {
            return None;
        };
        let value = u64::try_from(*value).ok()?;
        Some(Point { at, value })
    });
    Some((id, points.max()?))
}
