"""Times as RFC 3339 in UTC, as the worker writes and reads them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from .errors import InvalidEventError

_RFC_3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)


def now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(timezone.utc)


def in_utc(field: str, value: object) -> datetime:
    """The same moment in UTC; a time without a zone is refused, because it names no moment."""
    if not isinstance(value, datetime):
        raise InvalidEventError(field, f"is a datetime with a time zone, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise InvalidEventError(field, "is a datetime with a time zone, such as datetime.now(timezone.utc)")
    try:
        return value.astimezone(timezone.utc)
    except OverflowError:
        raise InvalidEventError(field, "is a time of the years 1 to 9999 in UTC") from None


def write(moment: datetime) -> str:
    """``2026-01-02T03:04:05.123456Z``, with as many digits of the second as count."""
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")
    return text + "Z"


def read(text: str) -> datetime | None:
    """Reads RFC 3339; nothing for another form. Digits beyond microseconds, which a datetime cannot hold, are dropped."""
    match = _RFC_3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, _z, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if int(minutes or 0) > 59 or int(hours or 0) > 25:
        return None
    try:
        local = datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            # A leap second is the last of its minute, as in the worker.
            min(int(second), 59) if second == "60" else int(second),
            int((fraction or "").ljust(6, "0")[:6]),
            timezone.utc,
        )
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        return None
