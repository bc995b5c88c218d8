"""What the client's exceptions mean."""

from __future__ import annotations

import pytest
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.pubsub_v1.publisher.exceptions import (
    FlowControlLimitError,
    MessageTooLargeError,
    PublishToPausedOrderingKeyException,
)

from livingtwin_events.errors import PublishError
from livingtwin_events.failures import typed


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (api.NotFound("n"), "RejectedError", False),
        (api.PermissionDenied("p"), "RejectedError", False),
        (api.Unauthenticated("u"), "RejectedError", False),
        (api.InvalidArgument("i"), "RejectedError", False),
        (api.FailedPrecondition("f"), "RejectedError", False),
        (api.ServiceUnavailable("s"), "UnavailableError", True),
        (api.DeadlineExceeded("d"), "UnavailableError", True),
        (api.ResourceExhausted("r"), "UnavailableError", True),
        (api.Aborted("a"), "UnavailableError", True),
        (api.InternalServerError("i"), "UnavailableError", True),
        (api.RetryError("late", api.ServiceUnavailable("away")), "UnavailableError", True),
        (auth.DefaultCredentialsError("none"), "ConnectionSetupError", False),
        (auth.RefreshError("revoked"), "ConnectionSetupError", False),
        (auth.TransportError("no network"), "UnavailableError", True),
        (MessageTooLargeError("large"), "EventTooLargeError", False),
        (FlowControlLimitError("full"), "FlowControlError", True),
        (PublishToPausedOrderingKeyException("k"), "OrderingKeyError", True),
        (RuntimeError("prior ordered message failed"), "OrderingKeyError", True),
        (KeyError("unforeseen"), "PublishError", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_has_its_class_and_keeps_its_cause(error: Exception, kind: str, retryable: bool) -> None:
    failure = typed(error, topic="projects/p/topics/t", event_id="evt-1", ordering_key="k")
    assert isinstance(failure, PublishError)
    assert (type(failure).__name__, failure.retryable) == (kind, retryable)
    assert (failure.topic, failure.event_id, failure.__cause__) == ("projects/p/topics/t", "evt-1", error)


def test_a_call_that_was_tried_until_its_end_says_the_last_failure() -> None:
    error = api.RetryError("Timeout of 60.0s exceeded", api.ServiceUnavailable("connection refused"))
    assert "connection refused" in str(typed(error, topic="t", event_id="e", ordering_key=""))
