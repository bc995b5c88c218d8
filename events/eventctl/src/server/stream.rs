//! `GET /events/stream`: what is seen of the events, as server-sent events.

use std::{collections::VecDeque, convert::Infallible, sync::Arc};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::sse::{Event, KeepAlive, Sse},
};
use events::TenantId;
use futures::Stream;
use serde::Deserialize;
use tokio::sync::broadcast;

use super::{Shared, problem::Problem};
use crate::feed::Entry;

/// What may be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    tenant: Option<String>,
}

struct Watching {
    kept: VecDeque<Arc<Entry>>,
    live: broadcast::Receiver<Arc<Entry>>,
    tenant: Option<TenantId>,
}

/// All that is kept after `Last-Event-ID`, and then what comes.
pub(super) async fn stream(
    State(dev): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Query(asked) = asked.map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "The query is wrong",
            "tenant is the one parameter",
        )
        .wrong("tenant", "a tenant's id is allowed")
    })?;
    let tenant = asked.tenant.as_deref().filter(|text| !text.is_empty());
    let tenant = tenant.map(TenantId::parse).transpose();
    let tenant = tenant.map_err(|error| Problem::field("tenant", error.to_string()))?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last.and_then(|id| id.parse().ok()).unwrap_or(0);
    let (kept, live) = dev.feed.after(last);
    let watching = Watching { kept, live, tenant };
    let events = futures::stream::unfold(watching, |mut watching| async move {
        let entry = watching.next().await?;
        let kind = entry.seen.kind.name();
        let event = Event::default().id(entry.id.to_string()).event(kind);
        // Texts and numbers have a JSON form.
        let event = event.json_data(&*entry).ok()?;
        Some((Ok(event), watching))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Watching {
    /// The next of the tenant's; none when so much was missed that the client had better come again with `Last-Event-ID`.
    async fn next(&mut self) -> Option<Arc<Entry>> {
        loop {
            let entry = match self.kept.pop_front() {
                Some(entry) => entry,
                None => self.live.recv().await.ok()?,
            };
            if entry.is_of(self.tenant.as_ref()) {
                return Some(entry);
            }
        }
    }
}
