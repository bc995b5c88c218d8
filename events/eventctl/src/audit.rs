//! What a worker's audit lines say about its events (worker/README.md, "Audit log").

use serde::Deserialize;

use crate::feed::{Kind, Seen};

#[derive(Deserialize)]
struct Line {
    /// The schema of the audit log; other lines have none.
    audit: Option<u32>,
    tenant: Option<String>,
    subscription: Option<String>,
    message_id: Option<String>,
    event_id: Option<String>,
    event_type: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    delivery_attempt: Option<u64>,
}

/// What a line of a worker's log says about an event; none for lines about something else.
pub(crate) fn seen(line: &str) -> Option<Seen> {
    let line: Line = serde_json::from_str(line).ok()?;
    line.audit?;
    let outcome = line.outcome?;
    let kind = match outcome.as_str() {
        "success" | "duplicate" | "unknown_version" | "superseded" => Kind::Handled,
        "tenant_mismatch" | "undecodable" => Kind::Refused,
        _ => Kind::Failed,
    };
    Some(Seen {
        kind,
        tenant: line.tenant?,
        event_id: line.event_id.filter(|id| !id.is_empty()),
        event_type: line.event_type,
        place: line.subscription,
        message_id: line.message_id,
        outcome: Some(outcome),
        reason: line.reason,
        delivery_attempt: line.delivery_attempt,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_about_events_are_told_from_others() {
        let line = r#"{"level":"INFO","message":"Event processed.","audit":1,"tenant":"tenant-123","event_id":"e-1","outcome":"OUTCOME"}"#;
        for (outcome, kind) in [
            ("success", Kind::Handled),
            ("duplicate", Kind::Handled),
            ("tenant_mismatch", Kind::Refused),
            ("permanent", Kind::Failed),
            ("retryable", Kind::Failed),
        ] {
            let seen = seen(&line.replace("OUTCOME", outcome)).unwrap();
            assert_eq!((seen.kind, seen.tenant.as_str()), (kind, "tenant-123"));
        }
        assert!(seen(r#"{"level":"INFO","message":"Worker starts.","tenant":"tenant-123"}"#).is_none());
        assert!(seen("not JSON").is_none());
    }
}
