"""A method for each event type, on the class and on a factory of a source."""

from __future__ import annotations

import inspect
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from samples import of_each_type

from livingtwin_events import DomainEvent, EventFactory, EventType, InvalidEventError, ReadError
from livingtwin_events.generated.payloads import PAYLOADS, DocumentUpdated, SystemError, UserLogin


def test_there_is_a_method_for_each_event_type() -> None:
    methods = {name for name, _ in inspect.getmembers(EventFactory) if name.startswith("create_")}
    assert methods == {f"create_{event_type.replace('.', '_')}" for event_type in EventType}
    assert len(methods) == 11


@pytest.mark.parametrize("event", of_each_type("tenant-123"), ids=lambda event: str(event.event_type))
def test_an_event_of_each_type_is_read_back_as_its_payload(event: DomainEvent) -> None:
    assert isinstance(event.event_type, EventType)
    read = DomainEvent.decode(event.encode())
    payload = PAYLOADS[event.event_type].of(read)
    assert payload == PAYLOADS[event.event_type].of(event)
    assert json.loads(json.dumps(payload.to_data())) == json.loads(event.encode())["data"]
    assert next(iter(event.data)) == "version"
    assert event.version == "1.0"


def test_two_events_are_never_the_same_and_sort_by_time() -> None:
    events = [EventFactory.create_user_login(tenant_id="tenant-123", user_id="u") for _ in range(100)]
    ids = [event.event_id for event in events]
    assert len(set(ids)) == 100
    assert ids == sorted(ids)
    assert all(event.idempotency_key == f"user.login:tenant-123:{event.event_id}" for event in events)
    assert all(event.correlation_id == event.event_id for event in events)


def test_what_is_not_set_is_left_out() -> None:
    event = EventFactory.create_document_updated(tenant_id="tenant-123", document_id="doc-1")
    assert event.data == {"version": "1.0", "document_id": "doc-1"}
    assert set(json.loads(event.encode())) == {
        "event_id", "event_type", "tenant_id", "occurred_at", "correlation_id", "idempotency_key", "source", "data",
    }  # fmt: skip


def test_everything_of_the_envelope_can_be_said() -> None:
    when = datetime(2026, 1, 2, tzinfo=timezone.utc)
    said: dict[str, Any] = {
        "event_id": "evt-1",
        "correlation_id": "req-9",
        "causation_id": "evt-0",
        "idempotency_key": "key-1",
        "occurred_at": when,
        "source": "ingest",
        "user_id": "user-789",
    }
    event = EventFactory.create_document_deleted(tenant_id="tenant-123", document_id="doc-1", **said)
    custom = EventFactory.create(tenant_id="tenant-123", event_type="a.b", data={"x": 1}, **said)
    for each in (event, custom):
        assert {name: getattr(each, name) for name in said} == said
    assert custom.data == {"x": 1, "version": "1.0"}


def test_an_event_that_is_caused_by_another_names_it_and_its_correlation() -> None:
    cause = EventFactory.create_document_ingested(
        tenant_id="t", document_id="d", document_title="", document_type="pdf", correlation_id="req-9"
    )
    effect = EventFactory.create_document_updated(tenant_id="t", document_id="d", caused_by=cause)
    assert (effect.causation_id, effect.correlation_id) == (cause.event_id, "req-9")
    other = EventFactory.create_document_updated(
        tenant_id="t", document_id="d", caused_by=cause, correlation_id="req-10", causation_id="evt-0"
    )
    assert (other.causation_id, other.correlation_id) == ("evt-0", "req-10")


def test_a_users_event_is_that_users_unless_another_acted() -> None:
    own = EventFactory.create_user_registered(tenant_id="t", user_id="ada")
    other = EventFactory.create_user_registered(tenant_id="t", user_id="ada", acting_user_id="admin")
    assert (own.user_id, own.data["user_id"]) == ("ada", "ada")
    assert (other.user_id, other.data["user_id"]) == ("admin", "ada")


def test_the_source_is_the_factorys_or_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    def source(factory: EventFactory | type[EventFactory]) -> str:
        return factory.create_user_login(tenant_id="t", user_id="u").source

    assert source(EventFactory) == "living-twin"
    monkeypatch.setenv("EVENT_SOURCE", "from-environment")
    assert source(EventFactory) == "from-environment"
    assert source(EventFactory(source="ingest")) == "ingest"


def test_methods_say_what_they_take() -> None:
    parameters = inspect.signature(EventFactory.create_query_failed).parameters
    assert list(parameters)[:4] == ["tenant_id", "query_id", "error_code", "query_text"]
    assert "code of the application" in (EventFactory.create_query_failed.__doc__ or "")


@pytest.mark.parametrize(
    ("fields", "field", "allowed"),
    [
        ({"document_id": 7}, "document_id", "is a text, not int"),
        ({"document_id": None}, "document_id", "is a text, not NoneType"),
        ({"document_id": "d", "changed_fields": "title"}, "changed_fields", "is a list of texts, not str"),
        ({"document_id": "d", "changed_fields": ["a", 1]}, "changed_fields[1]", "is a text, not int"),
        ({"document_id": "d", "tenant_id": "a b"}, "tenant_id", "a tenant id holds only"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], field: str, allowed: str) -> None:
    with pytest.raises(InvalidEventError) as refused:
        EventFactory.create_document_updated(**{"tenant_id": "t", **fields})
    assert refused.value.field == field
    assert allowed in refused.value.allowed


@pytest.mark.parametrize("size", [-1, 2**64, 1.5, True, "7"])
def test_a_number_has_bounds_and_is_whole(size: Any) -> None:
    with pytest.raises(InvalidEventError, match="size_bytes: is a whole number"):
        EventFactory.create_document_ingested(
            tenant_id="t", document_id="d", document_title="", document_type="pdf", size_bytes=size
        )


def test_a_choice_lists_what_is_allowed() -> None:
    with pytest.raises(InvalidEventError, match="severity: is one of 'warning', 'error', 'critical'"):
        EventFactory.create_system_error(tenant_id="t", component="c", error_message="m", severity="fatal")  # type: ignore[arg-type]
    with pytest.raises(InvalidEventError, match="status: is one of 'healthy', 'degraded', 'unhealthy'"):
        EventFactory.create_system_health_check(tenant_id="t", component="c", status="up")  # type: ignore[arg-type]


def test_a_required_field_cannot_be_left_out() -> None:
    with pytest.raises(TypeError, match="document_title"):
        EventFactory.create_document_ingested(tenant_id="t", document_id="d", document_type="pdf")  # type: ignore[call-arg]


def test_a_payload_is_read_by_its_type_and_tolerates_more() -> None:
    event = EventFactory.create(
        tenant_id="t", event_type="user.login", data={"user_id": "u", "login_method": None, "device": {"os": "x"}}
    )
    assert UserLogin.of(event) == UserLogin(user_id="u")
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"event_type": "user.registered"}, "the event is of type 'user.registered', not 'user.login'"),
        ({"data": {"version": "2.0", "user_id": "u"}}, "is not in version '1.0'"),
        ({"data": {"login_method": "password"}}, "user_id: is a text, not NoneType"),
        ({"data": {"user_id": 5}}, "user_id: is a text, not int"),
    ]
    for wrong, problem in wrongs:
        other = EventFactory.create(**{"tenant_id": "t", "event_type": "user.login", "data": {"user_id": "u"}, **wrong})
        with pytest.raises(ReadError, match=problem):
            UserLogin.of(other)
    severe = EventFactory.create(
        tenant_id="t", event_type="system.error", data={"component": "c", "error_message": "m", "severity": "s3cret"}
    )
    with pytest.raises(ReadError) as refused:
        SystemError.of(severe)
    assert "s3cret" not in str(refused.value)
    assert DocumentUpdated(document_id="d", changed_fields=["a"]).changed_fields == ("a",)
