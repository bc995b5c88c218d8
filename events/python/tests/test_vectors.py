"""Events that every library of the project makes and reads alike: the vectors that the Rust library is tested with too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from support.binaries import WORKSPACE

from livingtwin_events import DecodeError, DomainEvent, EventFactory
from livingtwin_events.wire import thaw

VECTORS = WORKSPACE / "events" / "vectors"


def vectors(name: str) -> list[Any]:
    """The vectors of a file, as parameters. Numbers keep their digits; what is read here is not what is tested."""
    found = exact((VECTORS / name).read_text())
    return [pytest.param(vector, id=vector["name"]) for vector in found]


def exact(text: str) -> Any:
    """JSON with its numbers as they are written, by Python's own reader."""
    return json.loads(text, parse_int=number, parse_float=number)


def number(text: str) -> int | Decimal:
    return int(text) if text.lstrip("-").isdigit() and text != "-0" else Decimal(text)


def made(make: Mapping[str, Any]) -> DomainEvent:
    """What an application says of an event, said with this package."""
    said: dict[str, Any] = {name: value for name, value in make.items() if name not in {"source", "event_type", "fields", "data"}}
    said["occurred_at"] = datetime.fromisoformat(make["occurred_at"].replace("Z", "+00:00"))
    factory = EventFactory(source=make["source"])
    if "data" in make:
        return factory.create(event_type=make["event_type"], data=make["data"], **said)
    fields = dict(make["fields"])
    if "user_id" in fields and "user_id" in said:
        said["acting_user_id"] = said.pop("user_id")
    create = getattr(factory, f"create_{make['event_type'].replace('.', '_')}")
    event = create(**fields, **said)
    assert isinstance(event, DomainEvent)
    return event


@pytest.mark.parametrize("vector", vectors("made.json"))
def test_events_are_made_and_read_as_the_vectors_say(vector: dict[str, Any]) -> None:
    message = vector["message"].encode()
    read = DomainEvent.decode(message)
    assert read.encode() == message
    assert read.attributes() == vector["attributes"]
    event = made(vector["make"])
    assert event.attributes() == vector["attributes"]
    assert event == read
    # What was read keeps the notation of its numbers; a Decimal that an application makes has Python's, 1E+2.
    if "exponents" not in vector["name"]:
        assert event.encode() == message


@pytest.mark.parametrize("vector", vectors("received.json"))
def test_messages_of_others_are_read_or_refused_as_the_vectors_say(vector: dict[str, Any]) -> None:
    message = vector["message"].encode()
    if vector.get("refused"):
        with pytest.raises(DecodeError):
            DomainEvent.decode(message)
        return
    event = DomainEvent.decode(message)
    assert thaw(event.data) == exact(vector["data"])
    assert event.attributes() == vector["attributes"]
    assert event.occurred_at == datetime.fromisoformat(vector["occurred_at"].replace("Z", "+00:00"))
