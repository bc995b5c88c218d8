"""The event types of the catalogue.

Made by tools/generate.py of the JSON Schemas in events/schemas. Do not edit: change those, and run it again.
"""

from __future__ import annotations

from enum import Enum


class EventType(str, Enum):
    """An event type of the catalogue. It equals its text, and is written as it."""

    DOCUMENT_DELETED = "document.deleted"
    """A document has been removed."""

    DOCUMENT_INGESTED = "document.ingested"
    """A document has been taken in, and can be asked about from now on."""

    DOCUMENT_UPDATED = "document.updated"
    """A document's content or description has changed."""

    ORGANIZATION_CREATED = "organization.created"
    """An organization has been set up."""

    ORGANIZATION_UPDATED = "organization.updated"
    """An organization's settings have changed."""

    QUERY_EXECUTED = "query.executed"
    """A query has been answered."""

    QUERY_FAILED = "query.failed"
    """A query could not be answered."""

    SYSTEM_ERROR = "system.error"
    """An error at the level of the system."""

    SYSTEM_HEALTH_CHECK = "system.health_check"
    """The result of a health check."""

    USER_LOGIN = "user.login"
    """A user has logged in. The envelope's user is this one, unless another is named there."""

    USER_REGISTERED = "user.registered"
    """A user has registered. The envelope's user is this one, unless another is named there."""

    def __str__(self) -> str:
        return self.value

    def __format__(self, specification: str) -> str:
        return format(self.value, specification)
