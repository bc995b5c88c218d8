"""What can be wrong with an event, a message or a setting."""

from __future__ import annotations


class EventError(Exception):
    """The base of all errors of this package."""


class InvalidEventError(EventError, ValueError):
    """A field of an event holds what it may not hold.

    The text names the field and what is allowed. It repeats no payload value and no id, because those may be a tenant's data.
    """

    def __init__(self, field: str, allowed: str) -> None:
        super().__init__(f"{field}: {allowed}")
        self.field = field
        """The field's name, such as ``tenant_id`` or ``data.size_bytes``."""
        self.allowed = allowed
        """What is allowed, and what is wrong where that can be shown."""

    def __reduce__(self) -> tuple[type[InvalidEventError], tuple[str, str]]:
        """Errors cross processes with both parts."""
        return type(self), (self.field, self.allowed)


class DecodeError(EventError, ValueError):
    """A message's data is not an event. The text names fields and positions, never values."""


class ReadError(EventError, ValueError):
    """An event is not of the payload type that was asked for. The text repeats no value of the payload."""


class SettingError(EventError, ValueError):
    """A setting is missing, or holds what is not allowed. The text names it."""


class PublishError(EventError):
    """An event was not published, or it is not known whether it was.

    Publishing the same event again is always safe: its idempotency key stays the same, and a worker handles it once.
    """

    retryable = False
    """Whether publishing the same event again can succeed without any other change."""

    def __init__(self, message: str, *, topic: str | None = None, event_id: str | None = None) -> None:
        super().__init__(message)
        self.topic = topic
        """The topic's full name, where the event had one."""
        self.event_id = event_id
        """The event's id."""


class NoTopicError(PublishError):
    """The catalogue has no topic for the event's type."""


class EventTooLargeError(PublishError):
    """The message is larger than Pub/Sub takes; it is refused before the call."""


class ConnectionSetupError(PublishError):
    """No client can be made: no credentials are found, or the endpoint is not an address."""


class RejectedError(PublishError):
    """Pub/Sub refused the message: no such topic, no permission, or an argument it does not take."""


class UnavailableError(PublishError):
    """Pub/Sub could not be reached, or failed, until the adapter's timeout; the event may be published all the same."""

    retryable = True


class PublishTimeoutError(UnavailableError):
    """No answer came within the adapter's timeout; the event may be published all the same."""


class OrderingKeyError(PublishError):
    """An earlier event of the same ordering key failed, and this one was not sent because of it."""

    retryable = True


class FlowControlError(PublishError):
    """More is waiting to be published than the flow control settings allow."""

    retryable = True


class AdapterClosedError(PublishError):
    """The adapter is closed."""
