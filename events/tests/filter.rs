//! What a tenant's filter lets through, by the emulator's parser of the filter language, which knows nothing of how the
//! filter was built.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::HashMap;

use events::{EventPattern, EventType, TenantId, filter::Filter};
use proptest::{collection::vec, prelude::*};

/// Few letters, so that ids and types are often equal, or prefixes of each other.
fn tenant() -> impl Strategy<Value = TenantId> {
    "[aA1._~-]{1,3}|[A-Za-z0-9._~-]{1,63}".prop_map(|text| TenantId::parse(&text).unwrap())
}

fn event_type() -> impl Strategy<Value = EventType> {
    r"[ab_]{1,2}(\.[ab_]{1,2}){1,2}".prop_map(|text| EventType::parse(&text).unwrap())
}

fn pattern() -> impl Strategy<Value = EventPattern> {
    r"[ab_]{1,2}(\.[ab_]{1,2}){0,1}(\.[ab_]{1,2}|\.\*)".prop_map(|text| EventPattern::parse(&text).unwrap())
}

fn message(tenant: Option<&TenantId>, event_type: Option<&EventType>) -> HashMap<String, String> {
    let mut attributes = HashMap::new();
    if let Some(tenant) = tenant {
        attributes.insert("tenant_id".to_owned(), tenant.as_str().to_owned());
    }
    if let Some(event_type) = event_type {
        attributes.insert("event_type".to_owned(), event_type.as_str().to_owned());
    }
    attributes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn lets_through_this_tenants_events_of_these_types_and_nothing_else(
        tenant in tenant(),
        other in tenant(),
        patterns in vec(pattern(), 0..4),
        seen in event_type(),
    ) {
        let built = Filter::new(&tenant, &patterns).unwrap();
        let read: pubsub_emulator::filter::Filter = built.as_str().parse().unwrap();
        let asked_for = patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&seen));

        prop_assert_eq!(read.matches(&message(Some(&tenant), Some(&seen))), asked_for);
        prop_assert_eq!(read.matches(&message(Some(&tenant), None)), patterns.is_empty());
        prop_assert_eq!(read.matches(&message(Some(&other), Some(&seen))), other == tenant && asked_for);
        prop_assert!(!read.matches(&message(None, Some(&seen))));
        prop_assert_eq!(read.to_string(), built.as_str(), "it is read back as it was written");
    }

    #[test]
    fn what_is_built_is_short_enough_for_pubsub(tenant in tenant(), patterns in vec(pattern(), 0..40)) {
        match Filter::new(&tenant, &patterns) {
            Ok(filter) => {
                filter.as_str().parse::<pubsub_emulator::filter::Filter>().unwrap();
            }
            Err(error) => prop_assert!(error.bytes > pubsub_emulator::filter::MAX_BYTES),
        }
    }
}
