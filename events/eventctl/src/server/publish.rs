//! Publishing over HTTP: a draft of an event, or `CloudEvents` in each of their modes.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
};
use events::{DomainEvent, PublishOptions, Publisher, cloudevents};
use futures::future::join_all;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Dev, Shared, problem, problem::Problem};
use crate::{
    draft::{self, Defaults, Wrong},
    feed::{Kind, Seen},
    samples,
};

const BATCH: &str = "application/cloudevents-batch+json";

/// An event that Pub/Sub has.
#[derive(Debug, Serialize)]
pub(super) struct Published {
    event_id: String,
    event_type: String,
    tenant_id: String,
    idempotency_key: String,
    message_id: String,
    topic: String,
}

/// What is published, in the order of the request.
#[derive(Debug, Serialize)]
pub(super) struct All {
    published: Vec<Published>,
}

type Body = Result<Bytes, BytesRejection>;

/// `POST /test/publish-event`
pub(super) async fn test_event(
    State(dev): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Published>, Problem> {
    // A form of a foreign page cannot send this type, and so cannot publish.
    if media_type(&headers) != "application/json" {
        return Err(unsupported("application/json"));
    }
    let defaults = Defaults {
        source: "dev-server",
        data: samples::payload,
    };
    let (event, options) = draft::read(&read(body)?, &defaults).map_err(Problem::fields)?;
    let mut published = dev.publish(vec![(event, options)]).await?;
    published
        .pop()
        .map(Json)
        .ok_or_else(|| Problem::new(StatusCode::BAD_GATEWAY, "Nothing was published", ""))
}

/// `POST /events`
pub(super) async fn cloud_events(
    State(dev): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<All>, Problem> {
    let body = read(body)?;
    let events = match media_type(&headers).as_str() {
        BATCH => batch(&body)?,
        cloudevents::STRUCTURED => {
            vec![draft::cloud_event(&body).map_err(|wrong| Problem::fields(vec![wrong]))?]
        }
        _ if headers.contains_key("ce-specversion") => vec![binary(&headers, body)?],
        _ => {
            return Err(unsupported(&format!(
                "{}, {BATCH}, or the headers of binary mode with ce-specversion",
                cloudevents::STRUCTURED
            )));
        }
    };
    let events = events.into_iter().map(|event| (event, PublishOptions::default()));
    let published = dev.publish(events.collect()).await?;
    Ok(Json(All { published }))
}

fn read(body: Body) -> Result<Bytes, Problem> {
    body.map_err(|rejected| Problem::new(rejected.status(), "The body cannot be read", rejected.body_text()))
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

fn unsupported(allowed: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The body is of another type",
        format!("Content-Type: {allowed} is allowed"),
    )
    .wrong("Content-Type", format!("allowed: {allowed}"))
}

/// Nothing of a batch is published when an event of it is wrong.
fn batch(body: &[u8]) -> Result<Vec<DomainEvent>, Problem> {
    let items: Vec<Box<RawValue>> = serde_json::from_slice(body)
        .map_err(|_| Problem::field("", "a batch is a JSON array of CloudEvents"))?;
    let mut wrong = Vec::new();
    let mut events = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match draft::cloud_event(item.get().as_bytes()) {
            Ok(event) => events.push(event),
            Err(error) => wrong.push(Wrong::new(&format!("{index}.{}", error.field), error.detail)),
        }
    }
    match wrong.is_empty() {
        true => Ok(events),
        false => Err(Problem::fields(wrong)),
    }
}

/// Attributes are headers, whose values are percent-encoded
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#3132-http-header-values>).
fn binary(headers: &HeaderMap, data: Bytes) -> Result<DomainEvent, Problem> {
    let mut attributes = BTreeMap::new();
    for (name, value) in headers {
        let name = name.as_str();
        if name != cloudevents::CONTENT_TYPE && !name.starts_with(cloudevents::PREFIX) {
            continue;
        }
        let text = value.to_str().ok();
        let text = text.and_then(|text| percent_decode_str(text).decode_utf8().ok());
        let text =
            text.ok_or_else(|| Problem::field(name, "visible ASCII is allowed, and UTF-8 percent-encoded"))?;
        attributes.insert(name.to_owned(), text.into_owned());
    }
    let message = cloudevents::Message { attributes, data };
    cloudevents::from_message(&message).map_err(|error| Problem::fields(vec![draft::of_cloud_event(&error)]))
}

impl Dev {
    /// Publishes events together, once all are known to be for tenants that are here.
    async fn publish(&self, events: Vec<(DomainEvent, PublishOptions)>) -> Result<Vec<Published>, Problem> {
        for (event, _) in &events {
            self.check_tenant(&event.tenant_id)?;
        }
        let publisher = self.publisher.read().clone();
        let mut receipts = Vec::new();
        for (event, options) in &events {
            receipts.push(publisher.send(event, options).await.map_err(problem::not_sent)?);
        }
        let results = join_all(receipts).await;
        let mut published = Vec::new();
        let mut failed = None;
        for ((event, _), result) in events.iter().zip(results) {
            match result {
                Ok(message_id) => published.push(self.note(&publisher, event, message_id)),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(published),
        }
    }

    fn note(&self, publisher: &Publisher, event: &DomainEvent, message_id: String) -> Published {
        let route = publisher.catalogue().route(&event.event_type);
        let topic = route.map(|route| route.topic.to_string()).unwrap_or_default();
        self.feed.add(Seen {
            kind: Kind::Published,
            tenant: event.tenant_id.to_string(),
            event_id: Some(event.event_id.to_string()),
            event_type: Some(event.event_type.to_string()),
            place: Some(topic.clone()),
            message_id: Some(message_id.clone()),
            outcome: None,
            reason: None,
            delivery_attempt: None,
        });
        Published {
            event_id: event.event_id.to_string(),
            event_type: event.event_type.to_string(),
            tenant_id: event.tenant_id.to_string(),
            idempotency_key: event.idempotency_key(),
            message_id,
            topic,
        }
    }
}
