//! The W3C trace context that goes with an event (<https://www.w3.org/TR/trace-context/>).

use std::fmt;

/// The longest `tracestate`: the specification asks that 512 characters are passed on
/// (<https://www.w3.org/TR/trace-context/#tracestate-limits>).
pub const MAX_TRACESTATE: usize = 512;

/// A publisher's trace context, so that the spans of whatever handles the event join its trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

/// Why a text is not a `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a traceparent is of the form 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01: four groups of 2, 32, 16 and 2 lower-case hexadecimal digits, of which the first is not ff and the second and third are not all zero"
)]
pub struct InvalidTraceparent;

impl TraceContext {
    /// Parses a `traceparent`, with the `tracestate` that stands beside it. A `tracestate` that is empty, longer than
    /// [`MAX_TRACESTATE`] or not of visible ASCII is left out, as the specification lets every participant do.
    ///
    /// # Errors
    /// [`InvalidTraceparent`] says what is allowed.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Result<Self, InvalidTraceparent> {
        let groups: Vec<&str> = traceparent.split('-').collect();
        let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let set = |text: &str| text.bytes().any(|b| b != b'0');
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        let [version, trace, span, _flags] = groups.as_slice() else {
            return Err(InvalidTraceparent);
        };
        let ok = lengths == [2, 32, 16, 2] && groups.iter().all(|group| hex(group));
        if !ok || *version == "ff" || !set(trace) || !set(span) {
            return Err(InvalidTraceparent);
        }
        let fits = |state: &&str| {
            (1..=MAX_TRACESTATE).contains(&state.len()) && state.bytes().all(|b| matches!(b, b' '..=b'~'))
        };
        Ok(Self {
            traceparent: traceparent.to_owned(),
            tracestate: tracestate.filter(fits).map(ToOwned::to_owned),
        })
    }

    /// The header `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The header `tracestate`, where there is any.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.traceparent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn takes_what_the_specification_allows() {
        let context = TraceContext::parse(PARENT, Some("vendor=1")).unwrap();
        assert_eq!(context.traceparent(), PARENT);
        assert_eq!(context.tracestate(), Some("vendor=1"));
        for wrong in [
            "",
            "00",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b71692033311-01",
        ] {
            assert_eq!(
                TraceContext::parse(wrong, None),
                Err(InvalidTraceparent),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_state_that_cannot_be_passed_on_is_left_out() {
        for state in ["", "a\nb", &"x".repeat(MAX_TRACESTATE + 1)] {
            let context = TraceContext::parse(PARENT, Some(state)).unwrap();
            assert_eq!(context.tracestate(), None);
        }
    }
}
