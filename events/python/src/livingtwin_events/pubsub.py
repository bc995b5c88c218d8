"""Publishing events to their topic."""

from __future__ import annotations

import asyncio
import os
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any

from google.cloud.pubsub_v1.types import BatchSettings, PublishFlowControl
from google.pubsub_v1.types import PublishRequest

from . import names, trace
from .catalogue import DEFAULT_PREFIX, Catalogue
from .errors import (
    AdapterClosedError,
    ConnectionSetupError,
    EventTooLargeError,
    FlowControlError,
    InvalidEventError,
    NoTopicError,
    OrderingKeyError,
    PublishError,
    PublishTimeoutError,
    RejectedError,
    SettingError,
    UnavailableError,
)
from .event import DomainEvent
from .failures import typed
from .lane import Lane

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "MAX_MESSAGE_BYTES",
    "AdapterClosedError",
    "BatchSettings",
    "Catalogue",
    "ConnectionSetupError",
    "EventTooLargeError",
    "FlowControlError",
    "NoTopicError",
    "OrderingKeyError",
    "PubSubBusAdapter",
    "PublishError",
    "PublishFlowControl",
    "PublishTimeoutError",
    "RejectedError",
    "UnavailableError",
]

MAX_MESSAGE_BYTES = 10_000_000
"""The largest publish request, in bytes: data, attributes and a few bytes of framing
(https://cloud.google.com/pubsub/quotas#resource_limits)."""

MAX_ORDERING_KEY = 1024
"""The longest ordering key, in bytes (same)."""

EMULATOR_VARIABLE = "PUBSUB_EMULATOR_HOST"
"""The address of an emulator, ``host:port``; the official client reads it."""

PROJECT_VARIABLE = "GCP_PROJECT_ID"
"""The project of the topics, where the caller names none."""

PREFIX_VARIABLE = "TOPIC_PREFIX"
"""What stands in front of every topic's name, where neither the caller nor a catalogue says it."""


class PubSubBusAdapter:
    """Publishes events to the topics of the catalogue, with the official client. It never blocks the event loop.

    It belongs to no event loop and may be made before one runs. Keep one for the life of the program: it holds connections, and
    events that are published at the same time share requests.

    Args:
        project_id: Google Cloud project of the topics. Default: the variable ``GCP_PROJECT_ID``.
        catalogue: Which topic takes which event types: a `Catalogue`, or the path of an operator's configuration. Default: the
            operator's default catalogue.
        topic_prefix: In front of every topic's name. Default: the catalogue's, or ``TOPIC_PREFIX``, or ``living-twin``.
        timeout: How long an event may take until Pub/Sub has it, in seconds, the client's own tries included.
        batch_settings: When what waits is sent: bytes, messages, seconds. Default: the client's (1 MB, 100, 0.01 s).
        flow_control: How much may wait, and what happens beyond that. Default: the client's (no limit).
        client_arguments: For the official ``PublisherClient``, such as ``credentials`` or ``client_options``.

    Raises:
        SettingError: a setting is missing or wrong.
    """

    def __init__(
        self,
        project_id: str | None = None,
        *,
        catalogue: Catalogue | str | PathLike[str] | None = None,
        topic_prefix: str | None = None,
        timeout: float = 60.0,
        batch_settings: BatchSettings | None = None,
        flow_control: PublishFlowControl | None = None,
        **client_arguments: Any,  # noqa: ANN401  they are the official client's
    ) -> None:
        self.project_id = _project(project_id)
        self.catalogue = _catalogue(catalogue, topic_prefix)
        if not timeout > 0:
            raise SettingError(f"timeout: {timeout!r} is not a number of seconds above 0")
        if "://" in os.environ.get(EMULATOR_VARIABLE, ""):
            raise SettingError(f"{EMULATOR_VARIABLE}: is host:port, such as 127.0.0.1:8085, and no URL")
        self._timeout = timeout
        self._closed = False
        # With ordering switched on the client never gives up, not even on messages without a key; so those have one of their own.
        self._plain, self._ordered = (
            Lane(
                ordered=ordered,
                timeout=timeout,
                batch_settings=batch_settings or BatchSettings(),
                flow_control=flow_control or PublishFlowControl(),
                client_arguments=client_arguments,
            )
            for ordered in (False, True)
        )

    async def publish_domain_event(
        self,
        event: DomainEvent,
        *,
        ordering_key: str | None = None,
        topic: str | None = None,
        traceparent: str | None = None,
        tracestate: str | None = None,
    ) -> str:
        """Publishes an event and waits until Pub/Sub has it.

        On an error the event may or may not be published; publishing the same event again is safe, because its idempotency key
        stays the same. An error with an ordering key holds up nothing that follows: what was to come before is the caller's to
        publish again, before or instead of the next. So events of one key are in order when each is awaited, or when all are
        published again from the first that failed.

        Args:
            event: The event.
            ordering_key: Events of one key reach an ordered subscription in the order of their publishing; at most 1024 bytes.
            topic: A key of the catalogue or a full name, instead of the topic of the event's type.
            traceparent: The publisher's W3C trace context. Default: OpenTelemetry's current one, if there is one.
            tracestate: What its tracing system keeps beside it.

        Returns:
            The message's id.

        Raises:
            PublishError: its class says what to do, and `retryable` whether to try again.
            InvalidEventError: the ordering key or the trace context is not of its form.
        """
        full_name = self._topic(event, topic)
        key = _ordering_key(ordering_key)
        data = event.encode()
        attributes = {**event.attributes(), **trace.attributes(traceparent, tracestate)}
        _check_size(full_name, event, data, attributes, key)
        if self._closed:
            raise AdapterClosedError("the adapter is closed", topic=full_name, event_id=event.event_id)
        lane = self._ordered if key else self._plain
        handed, answer = lane.publish(full_name, data, attributes, key)
        waiter = asyncio.wrap_future(answer)
        try:
            done, _ = await asyncio.wait({waiter}, timeout=self._timeout)
        except asyncio.CancelledError:
            handed.cancel()
            waiter.cancel()
            raise
        if not done:
            never_sent = handed.cancel()
            waiter.cancel()
            raise PublishTimeoutError(
                f"Pub/Sub did not answer within {self._timeout:g} s; the event "
                + ("was not sent" if never_sent else "may or may not be published, and publishing it again is safe"),
                topic=full_name,
                event_id=event.event_id,
            )
        try:
            return waiter.result()
        except Exception as error:
            raise typed(error, topic=full_name, event_id=event.event_id, ordering_key=key) from error

    async def flush(self) -> None:
        """Waits until everything that was published before has its answer; errors go to those who published.

        Raises:
            PublishTimeoutError: not everything has one within the adapter's timeout.
        """
        answered = await asyncio.gather(*(asyncio.to_thread(lane.wait, self._timeout) for lane in (self._plain, self._ordered)))
        if not all(answered):
            raise PublishTimeoutError(f"Pub/Sub did not answer all within {self._timeout:g} s")

    async def close(self) -> None:
        """Publishes what waits, and ends connections and threads. Closing again does nothing.

        Raises:
            PublishTimeoutError: not everything was answered within the adapter's timeout; it may be published or not.
        """
        if self._closed:
            return
        self._closed = True
        answered = await asyncio.gather(*(asyncio.to_thread(lane.close, self._timeout) for lane in (self._plain, self._ordered)))
        if not all(answered):
            raise PublishTimeoutError(f"Pub/Sub did not answer all within {self._timeout:g} s")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except PublishTimeoutError:
            # What the block itself raised says more.
            if error is None:
                raise

    def topic_of(self, event_type: str) -> str:
        """The full name of the topic for an event type.

        Raises:
            NoTopicError: the catalogue has none.
        """
        key = self.catalogue.key_of(event_type)
        if key is None:
            raise NoTopicError(
                f"the catalogue has no topic for {str(event_type)!r}: add the type to one of "
                f"{', '.join(self.catalogue.topics)}, or name the topic"
            )
        return self._full_name(key)

    def _topic(self, event: DomainEvent, topic: str | None) -> str:
        if topic is None:
            try:
                return self.topic_of(event.event_type)
            except NoTopicError as error:
                raise NoTopicError(str(error), event_id=event.event_id) from None
        if topic.startswith("projects/"):
            return topic
        if topic not in self.catalogue.topics:
            raise NoTopicError(
                f"the catalogue has no topic {topic!r}: name one of {', '.join(self.catalogue.topics)}, or a full name, "
                "projects/PROJECT/topics/TOPIC",
                event_id=event.event_id,
            )
        return self._full_name(topic)

    def _full_name(self, key: str) -> str:
        return f"projects/{self.project_id}/topics/{self.catalogue.topic_id(key)}"


def _project(project_id: str | None) -> str:
    if project_id is not None:
        return names.project_id("project_id", project_id)
    from_environment = os.environ.get(PROJECT_VARIABLE)
    if not from_environment:
        raise SettingError(f"project_id: is missing, and so is {PROJECT_VARIABLE}; set one")
    return names.project_id(PROJECT_VARIABLE, from_environment)


def _catalogue(catalogue: Catalogue | str | PathLike[str] | None, prefix: str | None) -> Catalogue:
    if catalogue is None:
        if prefix is None:
            prefix = os.environ.get(PREFIX_VARIABLE, DEFAULT_PREFIX)
        return Catalogue(prefix=prefix)
    if not isinstance(catalogue, Catalogue):
        catalogue = Catalogue.from_file(catalogue)
    return catalogue if prefix is None else Catalogue(catalogue.topics, prefix)


def _ordering_key(key: str | None) -> str:
    if key is None:
        return ""
    if not 1 <= len(key.encode(errors="surrogatepass")) <= MAX_ORDERING_KEY:
        raise InvalidEventError("ordering_key", f"has 1 to {MAX_ORDERING_KEY} bytes")
    return key


def _check_size(topic: str, event: DomainEvent, data: bytes, attributes: dict[str, str], key: str) -> None:
    """Refuses what the client would refuse only after it has made a batch for it, and Pub/Sub after it was sent."""
    if len(data) < MAX_MESSAGE_BYTES // 2:
        return
    message = {"data": data, "attributes": attributes, "ordering_key": key}
    size = PublishRequest(topic=topic, messages=[message])._pb.ByteSize()
    if size > MAX_MESSAGE_BYTES:
        raise EventTooLargeError(
            f"the message has {size} bytes, and Pub/Sub takes {MAX_MESSAGE_BYTES}: put the content into a store and publish "
            "where it is",
            topic=topic,
            event_id=event.event_id,
        )
