"""What the events of the catalogue say: a class for each event type.

Made by tools/generate.py of the JSON Schemas in events/schemas. Do not edit: change those, and run it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..payload import Check, Payload, choice, integer, text, texts
from .event_type import EventType


@dataclass(frozen=True, kw_only=True)
class DocumentDeleted(Payload):
    """``document.deleted``: Some document.deleted."""

    EVENT_TYPE: ClassVar[EventType] = EventType.DOCUMENT_DELETED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "document_id": text,
        "reason": text,
    }

    document_id: str
    """The document_id."""
    reason: str | None = None
    """The reason."""


@dataclass(frozen=True, kw_only=True)
class DocumentIngested(Payload):
    """``document.ingested``: Some document.ingested."""

    EVENT_TYPE: ClassVar[EventType] = EventType.DOCUMENT_INGESTED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "document_id": text,
        "document_title": text,
        "document_type": text,
        "size_bytes": integer(0, 18_446_744_073_709_551_615),
        "source_uri": text,
    }

    document_id: str
    """The document_id."""
    document_title: str
    """The document_title."""
    document_type: str
    """The document_type."""
    size_bytes: int | None = None
    """The size_bytes."""
    source_uri: str | None = None
    """The source_uri."""


@dataclass(frozen=True, kw_only=True)
class DocumentUpdated(Payload):
    """``document.updated``: Some document.updated."""

    EVENT_TYPE: ClassVar[EventType] = EventType.DOCUMENT_UPDATED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "document_id": text,
        "document_title": text,
        "document_type": text,
        "changed_fields": texts,
    }

    document_id: str
    """The document_id."""
    document_title: str | None = None
    """The document_title."""
    document_type: str | None = None
    """The document_type."""
    changed_fields: Sequence[str] | None = None
    """The changed_fields."""


@dataclass(frozen=True, kw_only=True)
class OrganizationCreated(Payload):
    """``organization.created``: Some organization.created."""

    EVENT_TYPE: ClassVar[EventType] = EventType.ORGANIZATION_CREATED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "organization_id": text,
        "organization_name": text,
        "plan": text,
    }

    organization_id: str
    """The organization_id."""
    organization_name: str
    """The organization_name."""
    plan: str | None = None
    """The plan."""


@dataclass(frozen=True, kw_only=True)
class OrganizationUpdated(Payload):
    """``organization.updated``: Some organization.updated."""

    EVENT_TYPE: ClassVar[EventType] = EventType.ORGANIZATION_UPDATED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "organization_id": text,
        "organization_name": text,
        "plan": text,
        "changed_fields": texts,
    }

    organization_id: str
    """The organization_id."""
    organization_name: str | None = None
    """The organization_name."""
    plan: str | None = None
    """The plan."""
    changed_fields: Sequence[str] | None = None
    """The changed_fields."""


@dataclass(frozen=True, kw_only=True)
class QueryExecuted(Payload):
    """``query.executed``: Some query.executed."""

    EVENT_TYPE: ClassVar[EventType] = EventType.QUERY_EXECUTED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "query_id": text,
        "query_text": text,
        "result_count": integer(0, 18_446_744_073_709_551_615),
        "duration_ms": integer(0, 18_446_744_073_709_551_615),
    }

    query_id: str
    """The query_id."""
    query_text: str | None = None
    """The query_text."""
    result_count: int | None = None
    """The result_count."""
    duration_ms: int | None = None
    """The duration_ms."""


@dataclass(frozen=True, kw_only=True)
class QueryFailed(Payload):
    """``query.failed``: Some query.failed."""

    EVENT_TYPE: ClassVar[EventType] = EventType.QUERY_FAILED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "query_id": text,
        "error_code": text,
        "query_text": text,
        "error_message": text,
        "duration_ms": integer(0, 18_446_744_073_709_551_615),
    }

    query_id: str
    """The query_id."""
    error_code: str
    """The error_code."""
    query_text: str | None = None
    """The query_text."""
    error_message: str | None = None
    """The error_message."""
    duration_ms: int | None = None
    """The duration_ms."""


@dataclass(frozen=True, kw_only=True)
class SystemError(Payload):
    """``system.error``: Some system.error."""

    EVENT_TYPE: ClassVar[EventType] = EventType.SYSTEM_ERROR
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "component": text,
        "error_message": text,
        "error_code": text,
        "severity": choice("warning", "error", "critical"),
    }

    component: str
    """The component."""
    error_message: str
    """The error_message."""
    error_code: str | None = None
    """The error_code."""
    severity: Literal["warning", "error", "critical"] | None = None
    """The severity."""


@dataclass(frozen=True, kw_only=True)
class SystemHealthCheck(Payload):
    """``system.health_check``: Some system.health_check."""

    EVENT_TYPE: ClassVar[EventType] = EventType.SYSTEM_HEALTH_CHECK
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "component": text,
        "status": choice("healthy", "degraded", "unhealthy"),
        "latency_ms": integer(0, 18_446_744_073_709_551_615),
    }

    component: str
    """The component."""
    status: Literal["healthy", "degraded", "unhealthy"]
    """The status."""
    latency_ms: int | None = None
    """The latency_ms."""


@dataclass(frozen=True, kw_only=True)
class UserLogin(Payload):
    """``user.login``: Some user.login."""

    EVENT_TYPE: ClassVar[EventType] = EventType.USER_LOGIN
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "user_id": text,
        "login_method": text,
    }

    user_id: str
    """The user_id."""
    login_method: str | None = None
    """The login_method."""


@dataclass(frozen=True, kw_only=True)
class UserRegistered(Payload):
    """``user.registered``: Some user.registered."""

    EVENT_TYPE: ClassVar[EventType] = EventType.USER_REGISTERED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "user_id": text,
        "email": text,
        "registration_method": text,
    }

    user_id: str
    """The user_id."""
    email: str | None = None
    """The email."""
    registration_method: str | None = None
    """The registration_method."""



PAYLOADS: Mapping[EventType, type[Payload]] = {
    EventType.DOCUMENT_DELETED: DocumentDeleted,
    EventType.DOCUMENT_INGESTED: DocumentIngested,
    EventType.DOCUMENT_UPDATED: DocumentUpdated,
    EventType.ORGANIZATION_CREATED: OrganizationCreated,
    EventType.ORGANIZATION_UPDATED: OrganizationUpdated,
    EventType.QUERY_EXECUTED: QueryExecuted,
    EventType.QUERY_FAILED: QueryFailed,
    EventType.SYSTEM_ERROR: SystemError,
    EventType.SYSTEM_HEALTH_CHECK: SystemHealthCheck,
    EventType.USER_LOGIN: UserLogin,
    EventType.USER_REGISTERED: UserRegistered,
}
"""The class of each event type."""
