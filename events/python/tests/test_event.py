"""The envelope: what it takes, what it refuses, and how it looks on the wire."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from livingtwin_events import DecodeError, DomainEvent, EventType, InvalidEventError

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678_900, timezone.utc)


def event(**changes: Any) -> DomainEvent:
    fields: dict[str, Any] = {
        "event_id": "evt-1",
        "event_type": "document.ingested",
        "tenant_id": "tenant-123",
        "occurred_at": WHEN,
        "source": "ingest",
        "data": {"version": "2.0", "document_id": "doc-456"},
    }
    return DomainEvent(**{**fields, **changes})


def test_it_reads_as_the_worker_writes_it() -> None:
    assert event(user_id="ü", causation_id="evt-0").encode().decode() == (
        '{"event_id":"evt-1","event_type":"document.ingested","tenant_id":"tenant-123",'
        '"occurred_at":"2026-01-02T03:04:05.6789Z","user_id":"ü","correlation_id":"evt-1","causation_id":"evt-0",'
        '"idempotency_key":"document.ingested:tenant-123:evt-1","source":"ingest",'
        '"data":{"version":"2.0","document_id":"doc-456"}}'
    )
    assert event().attributes() == {
        "correlation_id": "evt-1",
        "event_id": "evt-1",
        "event_type": "document.ingested",
        "idempotency_key": "document.ingested:tenant-123:evt-1",
        "tenant_id": "tenant-123",
        "version": "2.0",
    }


def test_it_survives_the_wire_a_pickle_and_a_copy() -> None:
    made = event(data={"n": 2**64, "d": Decimal("1.10"), "f": 0.1, "l": [{"x": None}], "t": "ä\u2028\x00"}, user_id="u")
    for same in (
        DomainEvent.decode(made.encode()),
        pickle.loads(pickle.dumps(made)),
        copy.deepcopy(made),
        dataclasses.replace(made),
    ):
        assert same == made
        assert hash(same) == hash(made)
        assert same.encode() == made.encode()


def test_it_cannot_be_changed() -> None:
    data = {"list": [1, 2], "inner": {"a": 1}}
    made = event(data=data)
    data["list"].append(3)  # type: ignore[attr-defined]
    assert made.data == {"list": (1, 2), "inner": {"a": 1}}
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.tenant_id = "other"  # type: ignore[misc]
    for mapping in (made.data, made.data["inner"]):
        with pytest.raises(TypeError):
            mapping["a"] = 2  # type: ignore[index]


def test_known_types_are_members_and_others_texts() -> None:
    assert event().event_type is EventType.DOCUMENT_INGESTED
    assert f"{event().event_type} {event().event_type!s}" == "document.ingested document.ingested"
    assert event(event_type="invoice.paid").event_type == "invoice.paid"
    assert not isinstance(event(event_type="invoice.paid").event_type, EventType)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("tenant_id", "", "a tenant id has 1 to 63 characters, this one has 0"),
        ("tenant_id", "a" * 64, "a tenant id has 1 to 63 characters, this one has 64"),
        ("tenant_id", 'x" OR attributes.t="y', "a tenant id holds only A-Z a-z 0-9 . _ ~ -, not '\"'"),
        ("tenant_id", "tenant-123\n", "a tenant id holds only"),
        ("tenant_id", "tenänt", "a tenant id holds only"),
        ("tenant_id", None, "is a text, not NoneType"),
        ("event_type", "document", "is not an event type: write two or more words of a-z 0-9 _ joined by dots"),
        ("event_type", "Document.ingested", "is not an event type"),
        ("event_type", "a..b", "is not an event type"),
        ("event_type", "document.*", "is not an event type"),
        ("event_type", "a.b\n", "is not an event type"),
        ("event_type", "a." + "b" * 99, "is not an event type"),
        ("event_id", "", "an id has 1 to 256 visible ASCII characters and no space"),
        ("event_id", "a b", "an id has 1 to 256"),
        ("event_id", "x" * 257, "an id has 1 to 256"),
        ("event_id", 7, "is a text, not int"),
        ("correlation_id", "ä", "an id has 1 to 256"),
        ("causation_id", "a\n", "an id has 1 to 256"),
        ("idempotency_key", "", "an id has 1 to 256"),
        ("occurred_at", datetime(2026, 1, 2), "is a datetime with a time zone, such as"),
        ("occurred_at", "2026-01-02T03:04:05Z", "is a datetime with a time zone, not str"),
        ("source", None, "is a text, not NoneType"),
        ("user_id", 7, "is a text, not int"),
        ("user_id", "\ud800", "without lone surrogates"),
        ("data", [], "is a mapping of names to JSON values, not list"),
        ("data.version", {"version": True}, 'is a text or a number, such as "1.0"'),
        ("data.version", {"version": ["2.0"]}, "is a text or a number"),
        ("data.version", {"version": "v" * 1025}, "has at most 1024 bytes"),
        ("data.when", {"when": WHEN}, "is a JSON value"),
        ("data.a[1].b", {"a": [0, {"b": {1}}]}, "is a JSON value"),
        ("data", {1: 2}, "has texts for names, not int"),
        ("data.n", {"n": float("nan")}, "NaN and infinity have no JSON form"),
        ("data.n", {"n": Decimal("Infinity")}, "NaN and infinity have no JSON form"),
        ("data.n", {"n": Decimal("sNaN")}, "is a number"),
        ("data.n", {"n": 10**400}, "is a number that a double comes near to"),
        ("data.n", {"n": Decimal("-1e400")}, "is a number that a double comes near to"),
        ("data.t", {"t": "\udfff"}, "without lone surrogates"),
    ],
)
def test_what_the_worker_would_refuse_is_refused_by_name(field: str, value: object, allowed: str) -> None:
    name = field.partition(".")[0]
    with pytest.raises(InvalidEventError) as refused:
        event(**{name: value})
    assert refused.value.field == field
    assert allowed in refused.value.allowed
    assert str(refused.value) == f"{field}: {refused.value.allowed}"
    copied = pickle.loads(pickle.dumps(refused.value))
    assert (copied.field, copied.allowed) == (refused.value.field, refused.value.allowed)


def test_the_longest_of_everything_is_taken() -> None:
    made = event(tenant_id="t" * 63, event_type="a." + "b" * 98, event_id="e" * 256, user_id="")
    # The key is no id, so the worker makes it by itself; the attribute has it.
    assert len(str(made.idempotency_key)) == 63 + 100 + 256 + 2
    assert "idempotency_key" not in json.loads(made.encode())
    assert made.attributes()["idempotency_key"] == made.idempotency_key
    assert DomainEvent.decode(made.encode()) == made


@pytest.mark.parametrize("levels", [126, 127])
def test_a_payload_is_nested_as_deep_as_the_worker_reads(levels: int) -> None:
    value: object = 1
    for _ in range(levels):
        value = [value]
    if levels == 126:
        assert DomainEvent.decode(event(data={"a": value}).encode()).version == "1.0"
        return
    with pytest.raises(InvalidEventError, match="data: is nested at most 127 levels deep"):
        event(data={"a": value})


@pytest.mark.parametrize(
    ("version", "text"), [("2.0", "2.0"), (2, "2"), (Decimal("2.0"), "2.0"), (2.5, "2.5"), (None, "1.0"), ("", "")]
)
def test_a_version_is_a_text_or_a_number_as_it_is_written(version: object, text: str) -> None:
    assert event(data={"version": version}).attributes()["version"] == text
    assert event(data={}).version == "1.0"


def test_times_are_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert event(occurred_at=datetime(2026, 1, 2, 5, 4, 5, tzinfo=east)).encode().count(b"2026-01-02T03:04:05Z") == 1
    with pytest.raises(InvalidEventError, match="occurred_at: is a time of the years 1 to 9999"):
        event(occurred_at=datetime(1, 1, 1, tzinfo=east))


def envelope(**changes: Any) -> bytes:
    fields = {
        "event_id": "evt-1",
        "event_type": "document.ingested",
        "tenant_id": "tenant-123",
        "occurred_at": "2026-01-02T03:04:05Z",
        "source": "ingest",
    }
    return json.dumps({name: value for name, value in {**fields, **changes}.items() if value is not ...}).encode()


def test_an_envelope_of_a_later_version_may_have_more_fields_and_an_early_one_fewer() -> None:
    read = DomainEvent.decode(envelope(region="eu", user_id=None))
    assert read == event(occurred_at=WHEN.replace(microsecond=0), data={})
    assert (read.correlation_id, read.user_id, read.version) == ("evt-1", None, "1.0")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not JSON (line 1, column 1)"),
        (b"\xff\xfe", "not JSON (byte 0 is not UTF-8)"),
        (b"\xef\xbb\xbf{}", "not JSON (it starts with a byte order mark)"),
        (b"{} {}", "not JSON (line 1, column 4)"),
        (b'{"a": NaN}', "not JSON"),
        (b"[" * 100_000, "nested more than"),
        (b"[]", "it is no JSON object"),
        (envelope(event_id=...), "event_id is missing, or no text"),
        (envelope(tenant_id=7), "tenant_id is missing, or no text"),
        (envelope(tenant_id="s3cret value"), "tenant_id is not of the documented form"),
        (envelope(event_type="s3cret"), "event_type is not of the documented form"),
        (envelope(event_id="s3cret" * 50), "event_id is not of the documented form"),
        (envelope(occurred_at="s3cret"), "occurred_at is no time of RFC 3339"),
        (envelope(source=None), "source is missing, or no text"),
        (envelope(user_id=["s3cret"]), "user_id is no text"),
        (envelope(data=None), "data is no JSON object"),
        (envelope(data=["s3cret"]), "data is no JSON object"),
        (envelope(data={"version": {"s3cret": 1}}), "data is not of the documented form"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "a number that no double"),
        (envelope(data={"a": "\ud800"}), "data is not of the documented form"),
        (envelope()[:-1] + b', "tenant_id": "s3cret"}', "tenant_id is there twice"),
    ],
)
def test_what_is_no_event_is_refused_without_its_values(data: bytes, problem: str) -> None:
    with pytest.raises(DecodeError) as refused:
        DomainEvent.decode(data)
    assert problem in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_numbers_keep_all_their_digits() -> None:
    text = (
        '{"a":123456789012345678901234567890,"b":0.1000000000000000055511151231257827,"c":1.50,"d":-0,"e":18446744073709551616}'
    )
    read = DomainEvent.decode(envelope()[:-1] + b', "data": ' + text.encode() + b"}")
    assert read.data["a"] == 123456789012345678901234567890
    assert read.data["c"] == Decimal("1.50")
    assert read.encode().decode().endswith(f'"data":{text}}}')


def test_the_last_of_two_names_in_a_payload_counts() -> None:
    read = DomainEvent.decode(envelope()[:-1] + b', "data": {"version": "2.0", "version": "3.0"}}')
    assert read.version == "3.0"


def test_the_representation_does_not_show_the_payload() -> None:
    assert "doc-456" not in repr(event())
