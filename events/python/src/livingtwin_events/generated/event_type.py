"""The event types of the catalogue.

Made by tools/generate.py of the JSON Schemas in events/schemas. Do not edit: change those, and run it again.
"""

from __future__ import annotations

from enum import Enum


class EventType(str, Enum):
    """An event type of the catalogue. It equals its text, and is written as it."""

    DOCUMENT_DELETED = "document.deleted"
    """Some document.deleted."""

    DOCUMENT_INGESTED = "document.ingested"
    """Some document.ingested."""

    DOCUMENT_UPDATED = "document.updated"
    """Some document.updated."""

    ORGANIZATION_CREATED = "organization.created"
    """Some organization.created."""

    ORGANIZATION_UPDATED = "organization.updated"
    """Some organization.updated."""

    QUERY_EXECUTED = "query.executed"
    """Some query.executed."""

    QUERY_FAILED = "query.failed"
    """Some query.failed."""

    SYSTEM_ERROR = "system.error"
    """Some system.error."""

    SYSTEM_HEALTH_CHECK = "system.health_check"
    """Some system.health_check."""

    USER_LOGIN = "user.login"
    """Some user.login."""

    USER_REGISTERED = "user.registered"
    """Some user.registered."""

    def __str__(self) -> str:
        return self.value

    def __format__(self, specification: str) -> str:
        return format(self.value, specification)
