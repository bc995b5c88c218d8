"""The W3C trace context that goes along with an event, so that a worker's spans join the publisher's trace."""

from __future__ import annotations

import re

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .errors import InvalidEventError

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_MAX_TRACESTATE = 512
_VISIBLE = re.compile(r"[ -~]+")


def attributes(traceparent: str | None = None, tracestate: str | None = None) -> dict[str, str]:
    """The attributes of a trace context: the one that is given, else OpenTelemetry's current one.

    Raises:
        InvalidEventError: what is given is not of the W3C's form (https://www.w3.org/TR/trace-context).
    """
    if traceparent is None:
        if tracestate is not None:
            raise InvalidEventError("tracestate", "goes with a traceparent")
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        return carrier
    if not _TRACEPARENT.fullmatch(traceparent):
        raise InvalidEventError("traceparent", "is of the form 00-(32 hex digits)-(16 hex digits)-(2 hex digits), in lower case")
    if tracestate is None:
        return {"traceparent": traceparent}
    if len(tracestate) > _MAX_TRACESTATE or not _VISIBLE.fullmatch(tracestate):
        raise InvalidEventError("tracestate", f"has 1 to {_MAX_TRACESTATE} printable ASCII characters")
    return {"traceparent": traceparent, "tracestate": tracestate}
