"""Waiting for what must come true."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds that a condition may take to come true."""


def eventually(what: str, condition: Callable[[], T], patience: float = PATIENCE) -> T:
    """Waits for a condition and returns its value."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {patience:g} s for {what}"
        time.sleep(0.02)
    return value
