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
    """``document.deleted``: A document has been removed."""

    EVENT_TYPE: ClassVar[EventType] = EventType.DOCUMENT_DELETED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "document_id": text,
        "reason": text,
    }

    document_id: str
    """The document's id in the application."""
    reason: str | None = None
    """Why it was removed, in words or as a code of the application."""


@dataclass(frozen=True, kw_only=True)
class DocumentIngested(Payload):
    """``document.ingested``: A document has been taken in, and can be asked about from now on."""

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
    """The document's id in the application."""
    document_title: str
    """The document's title, as people see it."""
    document_type: str
    """What kind of document it is, such as `pdf` or `txt`."""
    size_bytes: int | None = None
    """The document's size in bytes."""
    source_uri: str | None = None
    """Where the document came from, as a URI."""


@dataclass(frozen=True, kw_only=True)
class DocumentUpdated(Payload):
    """``document.updated``: A document's content or description has changed."""

    EVENT_TYPE: ClassVar[EventType] = EventType.DOCUMENT_UPDATED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "document_id": text,
        "document_title": text,
        "document_type": text,
        "changed_fields": texts,
    }

    document_id: str
    """The document's id in the application."""
    document_title: str | None = None
    """The document's title after the change."""
    document_type: str | None = None
    """What kind of document it is after the change, such as `pdf` or `txt`."""
    changed_fields: Sequence[str] | None = None
    """Names of the fields that have changed."""


@dataclass(frozen=True, kw_only=True)
class OrganizationCreated(Payload):
    """``organization.created``: An organization has been set up."""

    EVENT_TYPE: ClassVar[EventType] = EventType.ORGANIZATION_CREATED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "organization_id": text,
        "organization_name": text,
        "plan": text,
    }

    organization_id: str
    """The organization's id in the application."""
    organization_name: str
    """The organization's name, as people see it."""
    plan: str | None = None
    """The plan it is on."""


@dataclass(frozen=True, kw_only=True)
class OrganizationUpdated(Payload):
    """``organization.updated``: An organization's settings have changed."""

    EVENT_TYPE: ClassVar[EventType] = EventType.ORGANIZATION_UPDATED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "organization_id": text,
        "organization_name": text,
        "plan": text,
        "changed_fields": texts,
    }

    organization_id: str
    """The organization's id in the application."""
    organization_name: str | None = None
    """The organization's name after the change."""
    plan: str | None = None
    """The plan it is on after the change."""
    changed_fields: Sequence[str] | None = None
    """Names of the settings that have changed."""


@dataclass(frozen=True, kw_only=True)
class QueryExecuted(Payload):
    """``query.executed``: A query has been answered."""

    EVENT_TYPE: ClassVar[EventType] = EventType.QUERY_EXECUTED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "query_id": text,
        "query_text": text,
        "result_count": integer(0, 18_446_744_073_709_551_615),
        "duration_ms": integer(0, 18_446_744_073_709_551_615),
    }

    query_id: str
    """The query's id in the application."""
    query_text: str | None = None
    """The query as it was asked."""
    result_count: int | None = None
    """How many results it had."""
    duration_ms: int | None = None
    """How long the answer took, in milliseconds."""


@dataclass(frozen=True, kw_only=True)
class QueryFailed(Payload):
    """``query.failed``: A query could not be answered."""

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
    """The query's id in the application."""
    error_code: str
    """What went wrong, as a code of the application."""
    query_text: str | None = None
    """The query as it was asked."""
    error_message: str | None = None
    """What went wrong, in words."""
    duration_ms: int | None = None
    """How long it took until the failure, in milliseconds."""


@dataclass(frozen=True, kw_only=True)
class SystemError(Payload):
    """``system.error``: An error at the level of the system."""

    EVENT_TYPE: ClassVar[EventType] = EventType.SYSTEM_ERROR
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "component": text,
        "error_message": text,
        "error_code": text,
        "severity": choice("warning", "error", "critical"),
    }

    component: str
    """The component that the error occurred in."""
    error_message: str
    """What went wrong, in words."""
    error_code: str | None = None
    """What went wrong, as a code of the component."""
    severity: Literal["warning", "error", "critical"] | None = None
    """How bad it is."""


@dataclass(frozen=True, kw_only=True)
class SystemHealthCheck(Payload):
    """``system.health_check``: The result of a health check."""

    EVENT_TYPE: ClassVar[EventType] = EventType.SYSTEM_HEALTH_CHECK
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "component": text,
        "status": choice("healthy", "degraded", "unhealthy"),
        "latency_ms": integer(0, 18_446_744_073_709_551_615),
    }

    component: str
    """The component that was checked."""
    status: Literal["healthy", "degraded", "unhealthy"]
    """How the component is."""
    latency_ms: int | None = None
    """How long the check took, in milliseconds."""


@dataclass(frozen=True, kw_only=True)
class UserLogin(Payload):
    """``user.login``: A user has logged in. The envelope's user is this one, unless another is named there."""

    EVENT_TYPE: ClassVar[EventType] = EventType.USER_LOGIN
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "user_id": text,
        "login_method": text,
    }

    user_id: str
    """The user's id in the application."""
    login_method: str | None = None
    """How the user logged in, such as `password` or an identity provider's name."""


@dataclass(frozen=True, kw_only=True)
class UserRegistered(Payload):
    """``user.registered``: A user has registered. The envelope's user is this one, unless another is named there."""

    EVENT_TYPE: ClassVar[EventType] = EventType.USER_REGISTERED
    VERSION: ClassVar[str] = "1.0"
    CHECKS: ClassVar[Mapping[str, Check]] = {
        "user_id": text,
        "email": text,
        "registration_method": text,
    }

    user_id: str
    """The user's id in the application."""
    email: str | None = None
    """The user's e-mail address."""
    registration_method: str | None = None
    """How the user registered, such as `password`, `invitation` or an identity provider's name."""



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
