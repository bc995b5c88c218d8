//! `document.ingested`: its payload, its versions, and what is done with it.

use std::borrow::Cow;

use async_trait::async_trait;
use event_worker::{Event, Handler, OrFail, Outcome, Permanent};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::index::Index;

/// Had `document_id`, and the pages as text: `"pages": "12"`.
pub(crate) const FIRST: &str = "1.0";
/// Has `document: {id, pages}`.
pub(crate) const NEWEST: &str = "2.0";

/// The payload, in its newest version.
#[derive(Debug, Deserialize)]
struct Payload {
    document: Document,
}

#[derive(Debug, Deserialize)]
struct Document {
    id: String,
    pages: u32,
}

/// Lifts a payload of version 1.0 to 2.0. An error names the field, and no value: it is logged.
pub(crate) fn from_first(mut data: Map<String, Value>) -> Result<Map<String, Value>, Cow<'static, str>> {
    let id = data.remove("document_id").ok_or("document_id is missing")?;
    let pages = data.remove("pages").unwrap_or_else(|| Value::from("0"));
    let pages: u32 = pages
        .as_str()
        .and_then(|pages| pages.parse().ok())
        .ok_or("pages is no number")?;
    let document = Map::from_iter([("id".to_owned(), id), ("pages".to_owned(), pages.into())]);
    data.insert("document".to_owned(), document.into());
    Ok(data)
}

/// Puts documents into the index.
pub(crate) struct Ingested(pub(crate) Index);

impl Ingested {
    /// `?` on the worker's own failures makes the outcome.
    async fn ingest(&self, event: &Event) -> Result<(), Outcome> {
        // Permanent, if it cannot be read: however often it came, it would never work.
        let Payload { document } = event.payload()?;
        if document.pages == 0 {
            return Err(Permanent::new("the document has no pages").into());
        }
        // Unavailable, if nobody takes the connection: the event waits here, and spends no delivery attempt.
        let connection = self
            .0
            .connect()
            .await
            .or_unavailable("the index takes no connection")?;
        // Retryable otherwise. The key makes adding twice adding once: after a crash between the effect and the note
        // of it the event comes again.
        connection
            .add(&document.id, event.idempotency_key())
            .await
            .or_retryable("the index did not take the document")?;
        Ok(())
    }
}

#[async_trait]
impl Handler for Ingested {
    async fn handle(&self, event: &Event) -> Outcome {
        self.ingest(event).await.into()
    }
}

#[cfg(test)]
mod tests {
    use event_worker::handle::Context;
    use events::{EventFactory, EventType, TenantId};
    use serde_json::json;

    use super::*;

    /// A handler is tested without any Pub/Sub: an event in, an outcome out.
    fn event(data: Value) -> Event {
        let tenant = TenantId::parse("tenant-123").unwrap();
        let event_type = EventType::parse("document.ingested").unwrap();
        let Value::Object(data) = data else {
            panic!("a payload is an object");
        };
        let context = Context {
            message_id: "1".to_owned(),
            bytes: 100,
            traceparent: None,
            tracestate: None,
            delivery_attempt: None,
            published_at: None,
            subscription: "projects/acme-events/subscriptions/sub-1".parse().unwrap(),
        };
        Event::new(
            EventFactory::new("test").create(&tenant, event_type, data),
            context,
        )
    }

    #[tokio::test]
    async fn a_document_is_added_once_however_often_it_comes() {
        let index = Index::default();
        let event = event(json!({"version": "2.0", "document": {"id": "doc-1", "pages": 3}}));
        for _ in 0..2 {
            assert_eq!(Ingested(index.clone()).handle(&event).await, Outcome::Success);
        }
        assert_eq!(index.documents(), ["doc-1"]);
    }

    #[tokio::test]
    async fn what_can_never_work_is_permanent() {
        for data in [json!({}), json!({"document": {"id": "doc-1", "pages": 0}})] {
            let outcome = Ingested(Index::default()).handle(&event(data)).await;
            assert!(matches!(outcome, Outcome::Permanent { .. }), "{outcome:?}");
        }
    }

    #[test]
    fn the_first_version_is_lifted() {
        let Value::Object(first) = json!({"version": "1.0", "document_id": "doc-1", "pages": "3"}) else {
            panic!("a payload is an object");
        };
        let lifted = Value::from(from_first(first).unwrap());
        assert_eq!(lifted["document"], json!({"id": "doc-1", "pages": 3}));
        assert!(from_first(Map::new()).is_err());
    }
}
