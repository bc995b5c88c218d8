"""RFC 3339, as it is written and read."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from livingtwin_events import timestamps


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02t03:04:05z", datetime(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02 03:04:05.5+00:00", datetime(2026, 1, 2, 3, 4, 5, 500_000)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123_456)),
        ("2026-01-02T03:04:05+02:30", datetime(2026, 1, 2, 0, 34, 5)),
        ("2026-01-02T03:04:05-01:00", datetime(2026, 1, 2, 4, 4, 5)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59)),
    ],
)
def test_it_is_read(text: str, moment: datetime) -> None:
    assert timestamps.read(text) == moment.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z", "2026-01-02T24:00:00Z",
     "2026-01-02T03:04:05+1:00", "2026-01-02T03:04:05+26:00", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Z\n",
     "0001-01-01T00:00:00+01:00",      "٢٠٢٦-01-02T03:04:05Z", "2026-01-02T03:04:61Z"],
)  # fmt: skip
def test_another_form_is_no_time(text: str) -> None:
    assert timestamps.read(text) is None


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 120_000), "2026-01-02T03:04:05.12Z"),
        (datetime(987, 1, 2), "0987-01-02T00:00:00Z"),
    ],
)
def test_it_is_written(moment: datetime, text: str) -> None:
    aware = moment.replace(tzinfo=timezone.utc)
    assert timestamps.write(aware) == text
    assert timestamps.read(text) == aware
