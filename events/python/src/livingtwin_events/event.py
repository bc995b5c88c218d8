"""The event envelope: JSON in the message's data, and the attributes that filters and workers read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import ids, timestamps, wire
from .errors import DecodeError, InvalidEventError
from .generated.event_type import EventType

DEFAULT_VERSION = "1.0"
"""The version that a payload without one has."""

MAX_ATTRIBUTE_VALUE = 1024
"""The longest value of a message's attribute, in bytes (https://cloud.google.com/pubsub/quotas#resource_limits)."""

_OPTIONAL_TEXTS = ("user_id", "correlation_id", "causation_id", "idempotency_key")
_REQUIRED_TEXTS = ("event_id", "event_type", "tenant_id", "occurred_at", "source")


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainEvent:
    """One event, as it travels. It cannot be changed; ``dataclasses.replace`` makes another.

    Raises:
        InvalidEventError: names the field and what is allowed.
    """

    event_id: str
    """Unique for its source: 1 to 256 visible ASCII characters."""
    event_type: EventType | str
    """What happened; an ``EventType`` where it is of the catalogue, else a text of the same form."""
    tenant_id: str
    """To whom: 1 to 63 of ``A-Z a-z 0-9 . _ ~ -``."""
    occurred_at: datetime
    """When, by the clock of the source; in UTC."""
    source: str
    """The service that published it."""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What it says: a read-only mapping. Lists in it are tuples, and numbers with a fraction are Decimals."""
    user_id: str | None = None
    """Who caused it, where a person did."""
    correlation_id: str | None = None
    """Ties the events of one request together; the event's own id where none is given."""
    causation_id: str | None = None
    """The event that led to this one."""
    idempotency_key: str | None = None
    """What makes two deliveries the same event; ``{event_type}:{tenant_id}:{event_id}`` where none is given."""

    def __post_init__(self) -> None:
        """Checks every field, and brings it into its one form."""
        event_type = ids.event_type(self.event_type)
        tenant_id = ids.tenant_id(self.tenant_id)
        event_id = ids.identifier("event_id", self.event_id)
        key = self.idempotency_key
        # A key that is made of the three may be longer than an id; see `encode`.
        own_key = f"{event_type}:{tenant_id}:{event_id}"
        for name, value in (
            ("event_id", event_id),
            ("event_type", EventType(event_type) if event_type in _KNOWN else event_type),
            ("tenant_id", tenant_id),
            ("occurred_at", timestamps.in_utc("occurred_at", self.occurred_at)),
            ("source", ids.text_of("source", self.source)),
            ("data", _payload(self.data)),
            ("user_id", None if self.user_id is None else ids.text_of("user_id", self.user_id)),
            ("correlation_id", _id_or("correlation_id", self.correlation_id, event_id)),
            ("causation_id", _id_or("causation_id", self.causation_id, None)),
            (
                "idempotency_key",
                own_key if key in (None, own_key) else ids.identifier("idempotency_key", key),
            ),
        ):
            object.__setattr__(self, name, value)

    @property
    def version(self) -> str:
        """The version of the payload's schema; a number as it is written (``2.0`` is ``"2.0"``)."""
        return _version(self.data)

    def encode(self) -> bytes:
        """The event as a message's data."""
        fields: dict[str, object] = {
            "event_id": self.event_id,
            "event_type": str(self.event_type),
            "tenant_id": self.tenant_id,
            "occurred_at": timestamps.write(self.occurred_at),
        }
        if self.user_id is not None:
            fields["user_id"] = self.user_id
        fields["correlation_id"] = self.correlation_id
        if self.causation_id is not None:
            fields["causation_id"] = self.causation_id
        # A longer key is no id, which the worker would refuse; it makes the same of the three parts by itself.
        if self.idempotency_key is not None and len(self.idempotency_key) <= ids.MAX_ID:
            fields["idempotency_key"] = self.idempotency_key
        fields["source"] = self.source
        fields["data"] = self.data
        return wire.write(fields)

    def attributes(self) -> dict[str, str]:
        """The attributes that a message with this event carries."""
        return {
            "tenant_id": self.tenant_id,
            "event_type": str(self.event_type),
            "event_id": self.event_id,
            "idempotency_key": str(self.idempotency_key),
            "correlation_id": str(self.correlation_id),
            "version": self.version,
        }

    @classmethod
    def decode(cls, data: bytes) -> DomainEvent:
        """Reads an event from a message's data. Fields that are not known are let go.

        Raises:
            DecodeError: names the field or the position, and no value.
        """
        envelope = wire.read(data)
        if not isinstance(envelope, dict):
            raise DecodeError("the message's data is not an event envelope: it is no JSON object")
        twice = envelope.twice if isinstance(envelope, wire.Fields) else frozenset()
        for name in (*_REQUIRED_TEXTS, *_OPTIONAL_TEXTS, "data"):
            if name in twice:
                raise _not_an_envelope(name, "is there twice")
        texts: dict[str, Any] = {}
        for name in _REQUIRED_TEXTS:
            if not isinstance(envelope.get(name), str):
                raise _not_an_envelope(name, "is missing, or no text")
            texts[name] = envelope[name]
        for name in _OPTIONAL_TEXTS:
            if not isinstance(envelope.get(name), (str, type(None))):
                raise _not_an_envelope(name, "is no text")
            texts[name] = envelope.get(name)
        texts["occurred_at"] = timestamps.read(texts["occurred_at"])
        if texts["occurred_at"] is None:
            raise _not_an_envelope("occurred_at", "is no time of RFC 3339")
        payload = envelope.get("data", {})
        if not isinstance(payload, dict):
            raise _not_an_envelope("data", "is no JSON object")
        try:
            return cls(**texts, data=payload)
        except InvalidEventError as error:
            # Its text may repeat part of a value.
            raise _not_an_envelope(error.field.split(".")[0], "is not of the documented form") from None

    def __hash__(self) -> int:
        return hash((self.event_id, self.tenant_id, str(self.event_type)))

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        """Read-only mappings have no pickled form; the event's own form does."""
        return DomainEvent.decode, (self.encode(),)


_KNOWN = frozenset(str(event_type) for event_type in EventType)


def _id_or(name: str, value: str | None, default: str | None) -> str | None:
    return default if value is None else ids.identifier(name, value)


def _payload(data: object) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise InvalidEventError("data", f"is a mapping of names to JSON values, not {type(data).__name__}")
    frozen = wire.freeze("data", data)
    assert isinstance(frozen, Mapping)
    if len(_version(frozen).encode()) > MAX_ATTRIBUTE_VALUE:
        raise InvalidEventError("data.version", f"has at most {MAX_ATTRIBUTE_VALUE} bytes")
    return frozen


def _version(data: Mapping[str, Any]) -> str:
    version = data.get("version")
    if version is None:
        return DEFAULT_VERSION
    if isinstance(version, (bool, tuple, Mapping)):
        raise InvalidEventError("data.version", 'is a text or a number, such as "1.0"')
    return str(version)


def _not_an_envelope(name: str, problem: str) -> DecodeError:
    return DecodeError(f"the message's data is not an event envelope: {name} {problem}")
