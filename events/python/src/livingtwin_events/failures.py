"""What the client's exceptions mean to whoever publishes."""

from __future__ import annotations

from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.pubsub_v1.publisher.exceptions import (
    FlowControlLimitError,
    MessageTooLargeError,
    PublishToPausedOrderingKeyException,
)

from .errors import (
    ConnectionSetupError,
    EventTooLargeError,
    FlowControlError,
    OrderingKeyError,
    PublishError,
    RejectedError,
    UnavailableError,
)

# Another try of the same call can succeed (https://cloud.google.com/pubsub/docs/reference/error-codes).
_PASSING = (
    api.Aborted,
    api.Cancelled,
    api.DeadlineExceeded,
    api.InternalServerError,
    api.ResourceExhausted,
    api.RetryError,
    api.ServerError,
    api.TooManyRequests,
    api.Unknown,
)


def typed(error: BaseException, *, topic: str, event_id: str, ordering_key: str) -> PublishError:
    """The error that says what to do; the client's own becomes its cause."""
    kind, text = _meaning(error, topic, ordering_key)
    failure = kind(text, topic=topic, event_id=event_id)
    failure.__cause__ = error
    return failure


def _meaning(  # noqa: PLR0911  a table, of which the first row that fits counts
    error: BaseException, topic: str, ordering_key: str
) -> tuple[type[PublishError], str]:
    if isinstance(error, MessageTooLargeError):
        return EventTooLargeError, str(error)
    if isinstance(error, FlowControlLimitError):
        return FlowControlError, f"too much waits to be published: {error}"
    if isinstance(error, PublishToPausedOrderingKeyException) or (ordering_key and isinstance(error, RuntimeError)):
        return OrderingKeyError, "an earlier event of the same ordering key failed, so this one was not sent"
    if isinstance(error, auth.TransportError):
        return UnavailableError, f"no token for {topic}: {error}"
    if isinstance(error, auth.GoogleAuthError):
        return ConnectionSetupError, f"no credentials for Pub/Sub: {error}"
    if isinstance(error, api.NotFound):
        return RejectedError, f"{topic} does not exist: {_words(error)}"
    if isinstance(error, (api.PermissionDenied, api.Unauthenticated)):
        return RejectedError, f"no right to publish to {topic} (pubsub.topics.publish): {_words(error)}"
    if isinstance(error, _PASSING):
        return UnavailableError, f"Pub/Sub did not take the event for {topic}: {_words(error)}"
    if isinstance(error, api.GoogleAPIError):
        return RejectedError, f"Pub/Sub refused the event for {topic}: {_words(error)}"
    return PublishError, f"the event for {topic} was not published: {type(error).__name__}: {error}"


def _words(error: api.GoogleAPIError) -> str:
    # Of a call that was tried until its deadline, the last failure says more than that it was tried.
    cause = error.cause if isinstance(error, api.RetryError) else error
    return str(cause) or type(cause).__name__
