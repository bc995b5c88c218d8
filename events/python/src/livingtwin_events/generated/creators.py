"""The methods of EventFactory, one for each event type.

Made by tools/generate.py of the JSON Schemas in events/schemas. Do not edit: change those, and run it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from ..creating import Creating
from ..either import either
from ..event import DomainEvent
from . import payloads


class EventCreators(Creating):
    """A method for each event type of the catalogue."""

    @either
    def create_document_deleted(
        self,
        *,
        tenant_id: str,
        document_id: str,
        reason: str | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """A document has been removed. Makes a ``document.deleted`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            document_id: The document's id in the application.
            reason: Why it was removed, in words or as a code of the application.
            user_id: Who caused it, where a person did.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.DocumentDeleted.EVENT_TYPE,
            payloads.DocumentDeleted(
                document_id=document_id,
                reason=reason,
            ).to_data(),
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

    @either
    def create_document_ingested(
        self,
        *,
        tenant_id: str,
        document_id: str,
        document_title: str,
        document_type: str,
        size_bytes: int | None = None,
        source_uri: str | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """A document has been taken in, and can be asked about from now on. Makes a ``document.ingested`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            document_id: The document's id in the application.
            document_title: The document's title, as people see it.
            document_type: What kind of document it is, such as `pdf` or `txt`.
            size_bytes: The document's size in bytes.
            source_uri: Where the document came from, as a URI.
            user_id: Who caused it, where a person did.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.DocumentIngested.EVENT_TYPE,
            payloads.DocumentIngested(
                document_id=document_id,
                document_title=document_title,
                document_type=document_type,
                size_bytes=size_bytes,
                source_uri=source_uri,
            ).to_data(),
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

    @either
    def create_document_updated(
        self,
        *,
        tenant_id: str,
        document_id: str,
        document_title: str | None = None,
        document_type: str | None = None,
        changed_fields: Sequence[str] | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """A document's content or description has changed. Makes a ``document.updated`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            document_id: The document's id in the application.
            document_title: The document's title after the change.
            document_type: What kind of document it is after the change, such as `pdf` or `txt`.
            changed_fields: Names of the fields that have changed.
            user_id: Who caused it, where a person did.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.DocumentUpdated.EVENT_TYPE,
            payloads.DocumentUpdated(
                document_id=document_id,
                document_title=document_title,
                document_type=document_type,
                changed_fields=changed_fields,
            ).to_data(),
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

    @either
    def create_organization_created(
        self,
        *,
        tenant_id: str,
        organization_id: str,
        organization_name: str,
        plan: str | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """An organization has been set up. Makes a ``organization.created`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            organization_id: The organization's id in the application.
            organization_name: The organization's name, as people see it.
            plan: The plan it is on.
            user_id: Who caused it, where a person did.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.OrganizationCreated.EVENT_TYPE,
            payloads.OrganizationCreated(
                organization_id=organization_id,
                organization_name=organization_name,
                plan=plan,
            ).to_data(),
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

    @either
    def create_organization_updated(
        self,
        *,
        tenant_id: str,
        organization_id: str,
        organization_name: str | None = None,
        plan: str | None = None,
        changed_fields: Sequence[str] | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """An organization's settings have changed. Makes a ``organization.updated`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            organization_id: The organization's id in the application.
            organization_name: The organization's name after the change.
            plan: The plan it is on after the change.
            changed_fields: Names of the settings that have changed.
            user_id: Who caused it, where a person did.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.OrganizationUpdated.EVENT_TYPE,
            payloads.OrganizationUpdated(
                organization_id=organization_id,
                organization_name=organization_name,
                plan=plan,
                changed_fields=changed_fields,
            ).to_data(),
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

    @either
    def create_query_executed(
        self,
        *,
        tenant_id: str,
        query_id: str,
        query_text: str | None = None,
        result_count: int | None = None,
        duration_ms: int | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """A query has been answered. Makes a ``query.executed`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            query_id: The query's id in the application.
            query_text: The query as it was asked.
            result_count: How many results it had.
            duration_ms: How long the answer took, in milliseconds.
            user_id: Who caused it, where a person did.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.QueryExecuted.EVENT_TYPE,
            payloads.QueryExecuted(
                query_id=query_id,
                query_text=query_text,
                result_count=result_count,
                duration_ms=duration_ms,
            ).to_data(),
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

    @either
    def create_query_failed(
        self,
        *,
        tenant_id: str,
        query_id: str,
        error_code: str,
        query_text: str | None = None,
        error_message: str | None = None,
        duration_ms: int | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """A query could not be answered. Makes a ``query.failed`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            query_id: The query's id in the application.
            error_code: What went wrong, as a code of the application.
            query_text: The query as it was asked.
            error_message: What went wrong, in words.
            duration_ms: How long it took until the failure, in milliseconds.
            user_id: Who caused it, where a person did.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.QueryFailed.EVENT_TYPE,
            payloads.QueryFailed(
                query_id=query_id,
                error_code=error_code,
                query_text=query_text,
                error_message=error_message,
                duration_ms=duration_ms,
            ).to_data(),
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

    @either
    def create_system_error(
        self,
        *,
        tenant_id: str,
        component: str,
        error_message: str,
        error_code: str | None = None,
        severity: Literal["warning", "error", "critical"] | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """An error at the level of the system. Makes a ``system.error`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            component: The component that the error occurred in.
            error_message: What went wrong, in words.
            error_code: What went wrong, as a code of the component.
            severity: How bad it is.
            user_id: Who caused it, where a person did.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.SystemError.EVENT_TYPE,
            payloads.SystemError(
                component=component,
                error_message=error_message,
                error_code=error_code,
                severity=severity,
            ).to_data(),
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

    @either
    def create_system_health_check(
        self,
        *,
        tenant_id: str,
        component: str,
        status: Literal["healthy", "degraded", "unhealthy"],
        latency_ms: int | None = None,
        user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """The result of a health check. Makes a ``system.health_check`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            component: The component that was checked.
            status: How the component is.
            latency_ms: How long the check took, in milliseconds.
            user_id: Who caused it, where a person did.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.SystemHealthCheck.EVENT_TYPE,
            payloads.SystemHealthCheck(
                component=component,
                status=status,
                latency_ms=latency_ms,
            ).to_data(),
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

    @either
    def create_user_login(
        self,
        *,
        tenant_id: str,
        user_id: str,
        login_method: str | None = None,
        acting_user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """A user has logged in. The envelope's user is this one, unless another is named there. Makes a ``user.login`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            user_id: The user's id in the application.
            login_method: How the user logged in, such as `password` or an identity provider's name.
            acting_user_id: Who caused it, where that is another user. Default: `user_id`.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.UserLogin.EVENT_TYPE,
            payloads.UserLogin(
                user_id=user_id,
                login_method=login_method,
            ).to_data(),
            tenant_id=tenant_id,
            user_id=user_id if acting_user_id is None else acting_user_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
            caused_by=caused_by,
            event_id=event_id,
            idempotency_key=idempotency_key,
            occurred_at=occurred_at,
            source=source,
        )

    @either
    def create_user_registered(
        self,
        *,
        tenant_id: str,
        user_id: str,
        email: str | None = None,
        registration_method: str | None = None,
        acting_user_id: str | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        caused_by: DomainEvent | None = None,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        occurred_at: datetime | None = None,
        source: str | None = None,
    ) -> DomainEvent:
        """A user has registered. The envelope's user is this one, unless another is named there. Makes a ``user.registered`` event.

        Args:
            tenant_id: To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.
            user_id: The user's id in the application.
            email: The user's e-mail address.
            registration_method: How the user registered, such as `password`, `invitation` or an identity
                provider's name.
            acting_user_id: Who caused it, where that is another user. Default: `user_id`.
            correlation_id: Ties the events of one request together. Default: the event's own id.
            causation_id: The id of the event that led to this one.
            caused_by: That event itself: its id is the causation, its correlation the correlation, unless
                given.
            event_id: The event's id; the same id twice is one event. Default: a new one.
            idempotency_key: Default: `{event_type}:{tenant_id}:{event_id}`.
            occurred_at: When it happened, with a time zone. Default: now.
            source: The service it comes from. Default: the factory's.

        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.UserRegistered.EVENT_TYPE,
            payloads.UserRegistered(
                user_id=user_id,
                email=email,
                registration_method=registration_method,
            ).to_data(),
            tenant_id=tenant_id,
            user_id=user_id if acting_user_id is None else acting_user_id,
            correlation_id=correlation_id,
            causation_id=causation_id,
            caused_by=caused_by,
            event_id=event_id,
            idempotency_key=idempotency_key,
            occurred_at=occurred_at,
            source=source,
        )
