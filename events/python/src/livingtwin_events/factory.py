"""Making new events: of the catalogue's types, and of any other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .either import either
from .event import DEFAULT_VERSION, DomainEvent
from .generated.creators import EventCreators


class EventFactory(EventCreators):
    """Makes events, one method for each event type of the catalogue.

    All methods work on the class, ``EventFactory.create_user_login(…)``, and on a factory that says once which service the
    events come from, ``EventFactory(source="ingest").create_user_login(…)``. On the class the source is the environment
    variable ``EVENT_SOURCE``, or ``living-twin``.
    """

    @either
    def create(
        self,
        *,
        tenant_id: str,
        event_type: str,
        data: Mapping[str, Any] | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """An event of any type, such as one of your own; a payload without a version is in version 1.0.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        payload = {} if data is None else data
        if isinstance(payload, Mapping) and "version" not in payload:
            payload = {**payload, "version": DEFAULT_VERSION}
        return self._event(
            event_type,
            payload,
            tenant_id=tenant_id,
            user_id=user_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
            caused_by=caused_by,
            event_id=event_id,
            idempotency_key=idempotency_key,
            occurred_at=occurred_at,
            source=source,
        )
