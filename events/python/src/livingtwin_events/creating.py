"""How a new event gets everything it must carry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from . import ids, timestamps
from .event import DomainEvent

SOURCE_VARIABLE = "EVENT_SOURCE"
"""The variable that names the service which events come from."""

DEFAULT_SOURCE = "living-twin"
"""The source where neither the caller nor the environment names one."""


class Creating:
    """What all methods of the factory come down to."""

    def __init__(self, *, source: str | None = None) -> None:
        """A factory for the events of the service ``source``."""
        self.source = None if source is None else ids.text_of("source", source)

    def _event(
        self,
        event_type: str,
        data: Mapping[str, Any],
        *,
        tenant_id: str,
        user_id: str | None,
        correlation_id: str | None,
        causation_id: str | None,
        caused_by: DomainEvent | None,
        event_id: str | None,
        idempotency_key: str | None,
        occurred_at: datetime | None,
        source: str | None,
    ) -> DomainEvent:
        if source is None:
            source = self.source or os.environ.get(SOURCE_VARIABLE) or DEFAULT_SOURCE
        if caused_by is not None:
            causation_id = causation_id or caused_by.event_id
            correlation_id = correlation_id or caused_by.correlation_id
        return DomainEvent(
            event_id=ids.new_id() if event_id is None else event_id,
            event_type=event_type,
            tenant_id=tenant_id,
            occurred_at=timestamps.now() if occurred_at is None else occurred_at,
            source=source,
            data=data,
            user_id=user_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
            idempotency_key=idempotency_key,
        )
