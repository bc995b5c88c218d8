"""JSON as the worker reads it: numbers keep all their digits, and what the worker would refuse is refused here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import simplejson

from .errors import DecodeError, InvalidEventError
from .ids import text_of

if TYPE_CHECKING:
    from typing_extensions import Self

Json: TypeAlias = Union[bool, int, Decimal, str, Sequence["Json"], Mapping[str, "Json"], None]  # noqa: UP007
"""A frozen JSON value. A number with a fraction or an exponent is a Decimal, so that no digit is lost."""

MAX_DEPTH = 127
"""How deep a payload may be nested, itself counted: the worker's reader goes no deeper."""

_OUT_OF_RANGE = "is a number that a double comes near to: below 1.8e308"


def freeze(field: str, value: object, depth: int = 1) -> Json:
    """An immutable copy of a JSON value; lists become tuples and dicts read-only mappings."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text_of(field, value)
    if isinstance(value, (int, float, Decimal)):
        return _number(field, value)
    if isinstance(value, (Mapping, list, tuple)):
        if depth > MAX_DEPTH:
            raise InvalidEventError(field.split(".", maxsplit=1)[0], f"is nested at most {MAX_DEPTH} levels deep")
        if isinstance(value, Mapping):
            return MappingProxyType({_key(field, key): freeze(f"{field}.{key}", item, depth + 1) for key, item in value.items()})
        return tuple(freeze(f"{field}[{at}]", item, depth + 1) for at, item in enumerate(value))
    raise InvalidEventError(
        field,
        f"is a JSON value (None, bool, int, float, Decimal, str, list, tuple or a mapping), not {type(value).__name__}",
    )


def _key(field: str, key: object) -> str:
    if not isinstance(key, str):
        raise InvalidEventError(field, f"has texts for names, not {type(key).__name__}")
    return text_of(f"a name in {field}", key.value if isinstance(key, Enum) else key)


def _number(field: str, value: int | float | Decimal) -> int | Decimal:
    if isinstance(value, float):
        value = Decimal(repr(float(value)))
    try:
        near = float(value)
    except (OverflowError, ValueError):
        raise InvalidEventError(field, _OUT_OF_RANGE) from None
    if isinstance(value, Decimal) and not value.is_finite():
        raise InvalidEventError(field, "is a number; NaN and infinity have no JSON form")
    if near in (float("inf"), float("-inf")):
        raise InvalidEventError(field, _OUT_OF_RANGE)
    return value if isinstance(value, Decimal) else int(value)


def write(value: object) -> bytes:
    """A frozen value as JSON in UTF-8, without spaces."""
    text = simplejson.dumps(value, use_decimal=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=dict)
    return text.encode()


def thaw(value: Json) -> Any:  # noqa: ANN401  what JSON is to the caller is the caller's matter
    """A copy in plain lists and dicts, to change or to hand to another library."""
    if isinstance(value, Mapping):
        return {name: thaw(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    return value


class WrittenDecimal(Decimal):
    """A number that was read, with a fraction or an exponent. It is written as it was: ``1e2`` is ``1E+2`` to a Decimal."""

    _written: str

    def __new__(cls, written: str) -> Self:
        """The number of a text that JSON's grammar allows."""
        made = super().__new__(cls, written)
        made._written = written
        return made

    def __str__(self) -> str:
        """As it was written."""
        return self._written


class Fields(dict[str, Any]):
    """A JSON object that named a field twice."""

    twice: frozenset[str] = frozenset()


def read(data: bytes) -> Any:  # noqa: ANN401  it is looked through by the caller
    """Reads JSON in UTF-8.

    Raises:
        DecodeError: with the position, and no part of the text.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"the message's data is not JSON (byte {error.start} is not UTF-8)") from None
    if text.startswith("\ufeff"):
        raise DecodeError("the message's data is not JSON (it starts with a byte order mark)")
    try:
        return simplejson.loads(text, parse_float=WrittenDecimal, parse_int=_integer, allow_nan=False, object_pairs_hook=_object)
    except simplejson.JSONDecodeError as error:
        raise DecodeError(f"the message's data is not JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise DecodeError(f"the message's data is nested more than {MAX_DEPTH} levels deep") from None
    except ValueError:
        raise DecodeError("the message's data holds a number that no double comes near to") from None


def _integer(text: str) -> int | Decimal:
    # The sign of a zero counts, as in the worker.
    return Decimal(text) if text == "-0" else int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = Fields(pairs)
    if len(fields) == len(pairs):
        return dict(pairs)
    times = Counter(name for name, _ in pairs)
    fields.twice = frozenset(name for name, count in times.items() if count > 1)
    return fields
