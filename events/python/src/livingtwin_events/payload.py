"""What all payload types share: their checks, and their way to the wire and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from .errors import InvalidEventError, ReadError
from .ids import text_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from .event import DomainEvent
    from .generated.event_type import EventType

Check = Callable[[str, object], Any]
"""Gives back a field's value in its one form, or refuses it by name."""


@dataclass(frozen=True)
class Payload:
    """What an event of one type says. It cannot be changed.

    Raises:
        InvalidEventError: names the field and what is allowed.
    """

    EVENT_TYPE: ClassVar[EventType]
    VERSION: ClassVar[str]
    CHECKS: ClassVar[Mapping[str, Check]]

    def __post_init__(self) -> None:
        """Checks every field."""
        for name, check, required in self._fields():
            value = getattr(self, name)
            if value is not None or required:
                object.__setattr__(self, name, check(name, value))

    @classmethod
    def _fields(cls) -> list[tuple[str, Check, bool]]:
        return [(each.name, cls.CHECKS[each.name], each.default is MISSING) for each in fields(cls)]

    def to_data(self) -> dict[str, Any]:
        """The payload as it goes on the wire: its version first, and without fields that are not set."""
        values = ((name, getattr(self, name)) for name, _, _ in self._fields())
        return {"version": self.VERSION, **{name: value for name, value in values if value is not None}}

    @classmethod
    def of(cls, event: DomainEvent) -> Self:
        """What an event says, when it is of this type and version. Fields that are not known are let go.

        Raises:
            ReadError: says whether type, version or a field differs, and repeats no value of the payload.
        """
        if event.event_type != cls.EVENT_TYPE:
            raise ReadError(f"the event is of type {str(event.event_type)!r}, not {str(cls.EVENT_TYPE)!r}")
        if event.version != cls.VERSION:
            raise ReadError(f"the payload of the {cls.EVENT_TYPE} event is not in version {cls.VERSION!r}")
        try:
            return cls(**{name: event.data.get(name) for name, _, _ in cls._fields()})
        except InvalidEventError as error:
            raise ReadError(f"the payload of the {cls.EVENT_TYPE} event: {error}") from None


def text(field: str, value: object) -> str:
    """Any text."""
    return text_of(field, value)


def texts(field: str, value: object) -> tuple[str, ...]:
    """A list of texts. A single text is refused, though it is a sequence too."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InvalidEventError(field, f"is a list of texts, not {type(value).__name__}")
    return tuple(text_of(f"{field}[{at}]", item) for at, item in enumerate(value))


def integer(least: int, most: int) -> Check:
    """A whole number within bounds."""

    def check(field: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidEventError(field, f"is a whole number, not {type(value).__name__}")
        if not least <= value <= most:
            raise InvalidEventError(field, f"is a whole number from {least} to {most}")
        return int(value)

    return check


def choice(*allowed: str) -> Check:
    """One of some texts."""

    def check(field: str, value: object) -> str:
        found = text_of(field, value)
        if found not in allowed:
            raise InvalidEventError(field, f"is one of {', '.join(map(repr, allowed))}")
        return found

    return check
