"""The texts that identify things: who may be called what. The rules are those of the worker, which refuses everything else."""

from __future__ import annotations

import re
import sys

from .errors import InvalidEventError

if sys.version_info >= (3, 14):
    from uuid import uuid7
else:
    from uuid6 import uuid7

MAX_TENANT_ID = 63
"""The longest tenant id: it has to fit into a subscription's id (255) and a filter (256)."""

MAX_EVENT_TYPE = 100
"""The longest event type, in characters: longer ones leave no room for a tenant in a filter."""

MAX_ID = 256
"""The longest id of an event, a correlation or an idempotency key, in characters."""

_NOT_IN_A_TENANT_ID = re.compile(r"[^A-Za-z0-9._~-]")
_EVENT_TYPE = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_CATEGORY = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*\.\*")
_ID = re.compile(r"[!-~]+")


def text_of(field: str, value: object) -> str:
    """The value, when it is a text that has a UTF-8 form."""
    if not isinstance(value, str):
        raise InvalidEventError(field, f"is a text, not {type(value).__name__}")
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidEventError(field, "is a text of Unicode characters, without lone surrogates") from None
    return text


def tenant_id(value: object) -> str:
    """A tenant's id: 1 to 63 of ``A-Z a-z 0-9 . _ ~ -``."""
    text = text_of("tenant_id", value)
    if wrong := _NOT_IN_A_TENANT_ID.search(text):
        raise InvalidEventError("tenant_id", f"a tenant id holds only A-Z a-z 0-9 . _ ~ -, not {wrong[0]!r}")
    if not 1 <= len(text) <= MAX_TENANT_ID:
        raise InvalidEventError("tenant_id", f"a tenant id has 1 to {MAX_TENANT_ID} characters, this one has {len(text)}")
    return text


def event_type(value: object) -> str:
    """An event's type: two or more words of ``a-z 0-9 _`` joined by dots."""
    text = text_of("event_type", value)
    if len(text) > MAX_EVENT_TYPE or not _EVENT_TYPE.fullmatch(text):
        raise InvalidEventError(
            "event_type",
            f"{text[:MAX_EVENT_TYPE]!r} is not an event type: write two or more words of a-z 0-9 _ joined by dots, "
            f'at most {MAX_EVENT_TYPE} characters, such as "document.ingested"',
        )
    return text


def is_event_pattern(text: str) -> bool:
    """Whether a text is an event type, or a category such as ``document.*``."""
    return len(text) <= MAX_EVENT_TYPE and bool(_EVENT_TYPE.fullmatch(text) or _CATEGORY.fullmatch(text))


def identifier(field: str, value: object) -> str:
    """An opaque id: 1 to 256 visible ASCII characters."""
    text = text_of(field, value)
    if len(text) > MAX_ID or not _ID.fullmatch(text):
        raise InvalidEventError(field, f"an id has 1 to {MAX_ID} visible ASCII characters and no space")
    return text


def new_id() -> str:
    """A fresh id that sorts by time (UUID version 7)."""
    return str(uuid7())
