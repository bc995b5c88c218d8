"""An event of each type."""

from __future__ import annotations

from livingtwin_events import DomainEvent, EventFactory


def of_each_type(tenant: str) -> list[DomainEvent]:
    make = EventFactory(source="tests")
    return [
        make.create_document_ingested(
            tenant_id=tenant,
            document_id="doc-456",
            document_title="Ünïcode \U0001f4c4",
            document_type="pdf",
            size_bytes=2**63 + 1,
            source_uri="gs://bucket/doc-456.pdf",
            user_id="user-789",
        ),
        make.create_document_updated(tenant_id=tenant, document_id="doc-456", changed_fields=["document_title"]),
        make.create_document_deleted(tenant_id=tenant, document_id="doc-456", reason="retention"),
        make.create_query_executed(tenant_id=tenant, query_id="q-1", query_text="who?", result_count=0, duration_ms=12),
        make.create_query_failed(tenant_id=tenant, query_id="q-2", error_code="timeout", error_message="too slow"),
        make.create_user_registered(tenant_id=tenant, user_id="user-789", email="ada@example.com"),
        make.create_user_login(tenant_id=tenant, user_id="user-789", login_method="password"),
        make.create_organization_created(tenant_id=tenant, organization_id="org-1", organization_name="Acme", plan="pro"),
        make.create_organization_updated(tenant_id=tenant, organization_id="org-1", changed_fields=["plan"]),
        make.create_system_error(tenant_id=tenant, component="ingest", error_message="disk full", severity="critical"),
        make.create_system_health_check(tenant_id=tenant, component="ingest", status="degraded", latency_ms=7),
    ]
