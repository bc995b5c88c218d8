//! Pure: the trace context that came with a message, as the W3C has it (<https://www.w3.org/TR/trace-context/>).
//!
//! What is not of that form is as good as absent: it would break the receiver's trace, or smuggle bytes into its headers.

use std::str::FromStr;

use events::event::attribute;
use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceState},
};

use crate::message::Message;

/// Where a publisher may have written its context, the first that is valid counts. Google's own client libraries prefix
/// the header's name (<https://docs.cloud.google.com/pubsub/docs/open-telemetry-tracing>), and CloudEvents have an extension
/// for it (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/distributed-tracing.md>).
const PLACES: [(&str, &str); 3] = [
    (attribute::TRACEPARENT, attribute::TRACESTATE),
    ("googclient_traceparent", "googclient_tracestate"),
    ("ce-traceparent", "ce-tracestate"),
];

/// Of a `traceparent` in version 00: two digits, 32, 16 and 2, and three dashes between them.
const LENGTH: usize = 55;

/// The publisher's context, if it sent one.
pub(super) fn of(message: &Message) -> Option<SpanContext> {
    PLACES
        .iter()
        .find_map(|(parent, state)| remote(message.attribute(parent), message.attribute(state)))
}

/// A context as the header `traceparent`. It is of version 00 always: the specification has a later
/// version handed on as the latest that is known.
pub(super) fn traceparent(context: &SpanContext) -> String {
    format!(
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags()
    )
}

/// A context as the header `tracestate`, if there is anything to say in it.
pub(super) fn tracestate(context: &SpanContext) -> Option<String> {
    Some(context.trace_state().header()).filter(|header| !header.is_empty())
}

/// The SDK's own propagator takes shorter ids and signs before numbers, so the text is read here.
fn remote(parent: &str, state: &str) -> Option<SpanContext> {
    let (version, trace, span, flags) = fields(parent)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    // What the other flags of a later version mean is not known, so they are not handed on.
    let known = if version == "00" { !0 } else { 1 };
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags & known),
        true,
        list(state),
    );
    // Ids that are all zeros say that there is none.
    context.is_valid().then_some(context)
}

/// Version, trace id, parent id and flags. A later version may add to them after another dash; ff is none.
fn fields(text: &str) -> Option<(&str, &str, &str, &str)> {
    let version = hex(text.get(..2)?)?;
    let more = text.get(LENGTH..)?;
    let fits = match version {
        "ff" => false,
        "00" => more.is_empty(),
        _ => more.is_empty() || more.starts_with('-'),
    };
    let dashes = [2, 35, 52]
        .iter()
        .all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    let ids = (hex(text.get(3..35)?)?, hex(text.get(36..52)?)?);
    let flags = hex(text.get(53..LENGTH)?)?;
    (fits && dashes).then_some((version, ids.0, ids.1, flags))
}

/// Digits in lower case: `traceparent` allows no other.
fn hex(text: &str) -> Option<&str> {
    text.bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        .then_some(text)
}

/// What vendors keep beside it. A list that is not of the form is dropped, and the rest of the context is not.
fn list(text: &str) -> TraceState {
    // The parser looks at lengths and separators; a header holds visible characters, and no key is empty.
    let visible = text.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'));
    let named = text.split(',').all(|member| !member.trim().starts_with('='));
    match visible && named {
        true => TraceState::from_str(text).unwrap_or_default(),
        false => TraceState::default(),
    }
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;
    use crate::message::sample;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn handed_on(parent: &str, state: &str) -> Option<(String, Option<String>)> {
        let context = remote(parent, state)?;
        Some((traceparent(&context), tracestate(&context)))
    }

    #[test]
    fn a_valid_one_is_handed_on_unchanged() {
        let context = remote(PARENT, "").unwrap();
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(handed_on(PARENT, ""), Some((PARENT.to_owned(), None)));
        for flags in ["00", "01", "03", "ff"] {
            let parent = format!("{}{flags}", &PARENT[..53]);
            assert_eq!(handed_on(&parent, "").unwrap().0, parent);
        }
    }

    #[test]
    fn what_is_not_of_the_form_is_as_good_as_absent() {
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-B7AD6B7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0A",
            "0A-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331001",
            "0\n-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "-------------------------------------------------------",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033é-01",
        ] {
            assert!(remote(wrong, "").is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_later_version_is_handed_on_as_the_one_that_is_known() {
        for later in [
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-what-the-future-says",
            "fe-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        ] {
            assert_eq!(handed_on(later, "").unwrap().0, PARENT, "{later}");
        }
        for wrong in [
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
            "01-00000000000000000000000000000000-b7ad6b7169203331-01",
        ] {
            assert!(remote(wrong, "").is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_state_goes_with_its_parent_or_not_at_all() {
        let state = |text| handed_on(PARENT, text).unwrap().1;
        assert_eq!(
            state("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7").as_deref(),
            Some("congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
        );
        assert_eq!(state(" a=1 ,\tb=2,").as_deref(), Some("a=1,b=2"));
        for wrong in [
            "a",
            "=1",
            "a=1, =2",
            "A=1",
            "a=\r\nx: y",
            "a=1\r\n",
            "a=ü",
            "a=1;b",
            "a=b=c",
        ] {
            let kept = state(wrong);
            assert!(kept.is_none() || wrong == "a=1;b", "{wrong:?}: {kept:?}");
        }
        assert_eq!(handed_on("nonsense", "a=1"), None);
    }

    #[test]
    fn googles_own_clients_write_it_elsewhere_and_ours_goes_first() {
        let message = |attributes: &[(&str, &str)]| sample(attributes, "");
        let theirs = "00-11111111111111111111111111111111-2222222222222222-00";
        let google = [
            ("googclient_traceparent", theirs),
            ("googclient_tracestate", "g=1"),
        ];
        let found = |attributes: &[(&str, &str)]| {
            of(&message(attributes)).map(|context| (traceparent(&context), tracestate(&context)))
        };
        let expected = Some((theirs.to_owned(), Some("g=1".to_owned())));
        assert_eq!(found(&google), expected);
        let both = [
            google[0],
            google[1],
            ("traceparent", PARENT),
            ("tracestate", "o=1"),
        ];
        assert_eq!(found(&both), Some((PARENT.to_owned(), Some("o=1".to_owned()))));
        // A state belongs to the parent beside it.
        assert_eq!(found(&both[..3]), Some((PARENT.to_owned(), None)));
        assert_eq!(
            found(&[google[0], google[1], ("traceparent", "nonsense")]),
            expected
        );
        assert_eq!(found(&[]), None);
    }

    proptest! {
        #[test]
        fn whatever_is_handed_on_is_a_header_of_the_form(parent in "[0-9a-f-]{50,60}|.*", state in ".*|[a-z]=.*") {
            if let Some((parent, state)) = handed_on(&parent, &state) {
                prop_assert!(remote(&parent, "").is_some());
                prop_assert_eq!(parent.len(), LENGTH);
                let visible = state.unwrap_or_default().bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'));
                prop_assert!(visible);
            }
        }
    }
}
