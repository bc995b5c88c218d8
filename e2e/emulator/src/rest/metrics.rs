//! `GET /v3/projects/{project}/timeSeries` of Cloud Monitoring, for the metrics of subscriptions.

use super::request::{Query, Reply};
use crate::{
    api::Api,
    clock,
    engine::{Metric, Series},
    gate::Caller,
    methods::LIST_TIME_SERIES,
    status::{Code, Result, Status},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use serde_json::{Value, json};
use std::time::SystemTime;

/// More series than this come in pages, whatever size was asked for.
const MAX_PAGE: usize = 10_000;

pub(super) async fn list(api: &Api, caller: &Caller, project: &str, query: &Query) -> Result<Reply> {
    let call = async {
        if let Some(name) = ["aggregation.crossSeriesReducer", "orderBy"]
            .into_iter()
            // Google's Rust client sends `orderBy` always, empty.
            .find(|name| query.get(name).is_some_and(|value| !value.is_empty()))
        {
            return Err(Status::new(
                Code::Unimplemented,
                format!("The emulator does not serve {name}."),
            ));
        }
        let is_summed = is_summed(query)?;
        let wanted = Wanted::parse(query.get("filter").unwrap_or_default())?;
        let interval = (
            time(query, "interval.startTime")?,
            time(query, "interval.endTime")?,
        );
        let to = interval
            .1
            .ok_or_else(|| Status::invalid("Field interval.end_time had an invalid value."))?;
        let from = interval.0.unwrap_or(SystemTime::UNIX_EPOCH);
        let project = api.engine.project_id(project);
        let after = query
            .get("pageToken")
            .map(|token| URL_SAFE.decode(token))
            .transpose();
        let after = after
            .map_err(|_| Status::invalid("Invalid page token."))?
            .unwrap_or_default();
        let after = String::from_utf8_lossy(&after).into_owned();
        let size = usize::try_from(query.number("pageSize", "page_size")?)
            .ok()
            .filter(|size| *size > 0);
        let size = size.unwrap_or(MAX_PAGE).min(MAX_PAGE);

        let named = |id: &str| wanted.admits(id) && id > after.as_str();
        let mut found = api.engine.time_series(&project, wanted.metric, named, (from, to));
        if is_summed {
            found = found.into_iter().map(Series::summed).collect();
        }
        let more = found.len() > size;
        found.truncate(size);
        let series: Vec<Value> = found
            .iter()
            .map(|s| series(s, wanted.metric, &project, query.enums_as_numbers()))
            .collect();
        let mut reply = json!({ "timeSeries": series });
        if let (true, Some(last), Some(reply)) = (more, found.last(), reply.as_object_mut()) {
            reply.insert(
                "nextPageToken".to_owned(),
                json!(URL_SAFE.encode(&last.subscription)),
            );
        }
        Ok(reply)
    };
    let resource = format!("projects/{project}");
    api.gate
        .pass(&LIST_TIME_SERIES, &resource, &[], caller, call)
        .await
        .map(Reply::Value)
}

/// Whether the points of a series are to be summed. Only that aligner is served, over the whole interval.
fn is_summed(query: &Query) -> Result<bool> {
    match query.get("aggregation.perSeriesAligner").unwrap_or_default() {
        "" | "ALIGN_NONE" | "0" => Ok(false),
        "ALIGN_SUM" | "14" => Ok(true),
        other => Err(Status::new(
            Code::Unimplemented,
            format!("The emulator does not serve the aligner {other}; it serves ALIGN_SUM."),
        )),
    }
}

fn time(query: &Query, name: &str) -> Result<Option<SystemTime>> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let parsed: std::result::Result<jiff::Timestamp, _> = text.parse();
    parsed
        .map(|at| Some(SystemTime::from(at)))
        .map_err(|_| Status::invalid(format!("Field {name} had an invalid value.")))
}

fn series(series: &Series, metric: Metric, project: &str, numbers: bool) -> Value {
    let text = |at: SystemTime| clock::rfc3339(&clock::timestamp(at));
    let points: Vec<Value> = series
        .points
        .iter()
        .map(|point| {
            json!({
                "interval": { "startTime": text(point.start), "endTime": text(point.end) },
                "value": { "int64Value": point.value.to_string() },
            })
        })
        .collect();
    let (kind, value_type) = match (metric.is_delta(), numbers) {
        (false, false) => (json!("GAUGE"), json!("INT64")),
        (true, false) => (json!("DELTA"), json!("INT64")),
        (delta, true) => (json!(if delta { 2 } else { 1 }), json!(2)),
    };
    json!({
        "metric": { "type": metric.name(), "labels": {} },
        "resource": {
            "type": "pubsub_subscription",
            "labels": { "project_id": project, "subscription_id": series.subscription },
        },
        "metricKind": kind,
        "valueType": value_type,
        "points": points,
    })
}

/// What a monitoring filter asks for: one metric, perhaps of some subscriptions.
struct Wanted {
    metric: Metric,
    subscriptions: Option<Vec<String>>,
    prefix: Option<String>,
}

impl Wanted {
    /// Clauses joined by AND, each `name = "text"`, `name = one_of("a", "b")` or
    /// `name = starts_with("a")`.
    fn parse(filter: &str) -> Result<Self> {
        let unserved = |clause: &str| {
            Status::new(
                Code::Unimplemented,
                format!("The emulator does not serve the filter {clause}."),
            )
        };
        let (mut metric, mut subscriptions, mut prefix) = (None, None, None);
        for clause in filter.split(" AND ").map(str::trim) {
            let (name, value) = clause.split_once('=').ok_or_else(|| unserved(clause))?;
            let (name, value) = (name.trim(), value.trim());
            let texts = quoted(value);
            match (
                name,
                value.split('(').next().unwrap_or_default().trim(),
                texts.as_slice(),
            ) {
                ("metric.type", _, [text]) => {
                    metric = Metric::ALL.into_iter().find(|metric| metric.name() == text);
                }
                ("resource.type", _, [text]) if text == "pubsub_subscription" => {}
                ("resource.labels.project_id" | "resource.label.project_id", _, [_]) => {}
                (
                    "resource.labels.subscription_id" | "resource.label.subscription_id",
                    "starts_with",
                    [text],
                ) => {
                    prefix = Some(text.clone());
                }
                ("resource.labels.subscription_id" | "resource.label.subscription_id", "one_of", texts) => {
                    subscriptions = Some(texts.to_vec());
                }
                ("resource.labels.subscription_id" | "resource.label.subscription_id", _, [text]) => {
                    subscriptions = Some(vec![text.clone()]);
                }
                _ => return Err(unserved(clause)),
            }
        }
        let metric = metric.ok_or_else(|| {
            let served: Vec<_> = Metric::ALL.into_iter().map(Metric::name).collect();
            Status::new(
                Code::NotFound,
                format!(
                    "Cannot find metric(s) that match the filter; served are: {}.",
                    served.join(", ")
                ),
            )
        })?;
        Ok(Self {
            metric,
            subscriptions,
            prefix,
        })
    }

    fn admits(&self, id: &str) -> bool {
        self.subscriptions
            .as_ref()
            .is_none_or(|ids| ids.iter().any(|wanted| wanted == id))
            && self
                .prefix
                .as_ref()
                .is_none_or(|prefix| id.starts_with(prefix.as_str()))
    }
}

/// The texts between double quotes.
fn quoted(value: &str) -> Vec<String> {
    value.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_name_a_metric_and_subscriptions() {
        let metric = Metric::Undelivered.name();
        let one = Wanted::parse(&format!(
            r#"metric.type="{metric}" AND resource.labels.subscription_id = "a""#
        ))
        .unwrap();
        assert!(one.admits("a") && !one.admits("b"));
        let some = Wanted::parse(&format!(
            r#"metric.type = "{metric}" AND resource.label.subscription_id=one_of("a", "b")"#
        ))
        .unwrap();
        assert!(some.admits("b") && !some.admits("c"));
        let with = format!(
            r#"resource.type="pubsub_subscription" AND metric.type = "{metric}" AND resource.labels.subscription_id = starts_with("a")"#
        );
        let prefix = Wanted::parse(&with).unwrap();
        assert!(prefix.admits("ab") && !prefix.admits("b"));
        for filter in [
            "",
            "metric.type",
            r#"metric.type = "x""#,
            &format!(r#"metric.type = "{metric}" AND user.x = "1""#),
        ] {
            assert!(Wanted::parse(filter).is_err(), "{filter}");
        }
    }
}
