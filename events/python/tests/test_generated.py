"""What is generated is of today's schemas, and keeps to them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import generate
import jsonschema
import pytest
from samples import of_each_type

from livingtwin_events import DomainEvent, EventFactory, EventType, InvalidEventError

PACKAGE = Path(__file__).resolve().parents[1]
SCHEMAS = PACKAGE.parent / "schemas"
GENERATE = [sys.executable, str(PACKAGE / "tools" / "generate.py"), "--check"]


def schema(path: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((SCHEMAS / path).read_text())
    return read


def test_the_generated_code_is_up_to_date() -> None:
    checked = subprocess.run(GENERATE, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_every_schema_has_an_event_type() -> None:
    assert {path.parent.name for path in SCHEMAS.glob("*/*.json")} == {str(event_type) for event_type in EventType}


@pytest.mark.parametrize("event", of_each_type("tenant-123"), ids=lambda event: str(event.event_type))
def test_events_are_valid_by_the_schemas(event: DomainEvent) -> None:
    encoded = json.loads(event.encode())
    jsonschema.validate(encoded, schema("envelope.json"), format_checker=jsonschema.FormatChecker())
    jsonschema.validate(encoded["data"], schema(f"{event.event_type}/{event.version}.json"))


# Of each kind of value: those that are near the border of what is allowed.
VALUES: list[Any] = [None, True, "", "text", "warning", "healthy", 0, -1, 2**64 - 1, 2**64, 1.5, [], ["a"], ["a", 1], {}]


@pytest.mark.parametrize("event", of_each_type("tenant-123"), ids=lambda event: str(event.event_type))
def test_factory_and_schema_refuse_the_same(event: DomainEvent) -> None:
    """Each field of a payload with each value: the factory takes it exactly when the schema does."""
    payload_schema = schema(f"{event.event_type}/{event.version}.json")
    # A format is no rule in JSON Schema; of integers it says how large they may be.
    for each in payload_schema["properties"].values():
        if each.get("format") == "uint64":
            each["maximum"] = 2**64 - 1
    create = getattr(EventFactory, f"create_{str(event.event_type).replace('.', '_')}")
    good = {name: value for name, value in json.loads(event.encode())["data"].items() if name != "version"}
    decided = set()
    for name in payload_schema["x-field-order"][1:]:
        for value in VALUES:
            if value is None and name not in payload_schema["required"]:
                # It means that the field is not set.
                continue
            fields = {**good, name: value}
            allowed = jsonschema.Draft202012Validator(payload_schema).is_valid({"version": "1.0", **fields})
            if allowed:
                create(tenant_id="tenant-123", **fields)
            else:
                with pytest.raises(InvalidEventError, match=f"^{name}"):
                    create(tenant_id="tenant-123", **fields)
            decided.add(allowed)
    assert decided == {True, False}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"properties": {"version": {"const": "1.0"}, "a": {"type": "string", "pattern": "x", "description": "A."}}}, "pattern"),
        ({"properties": {"version": {"const": "1.0"}, "a": {"type": "object", "description": "A."}}}, "does not know"),
        ({"properties": {"version": {"const": "1.0"}, "a": {"type": "string"}}}, "has no description"),
        ({"minProperties": 2}, "minProperties"),
        ({"x-field-order": ["version"]}, "x-field-order names other fields"),
    ],
)
def test_a_rule_that_the_generator_does_not_know_stops_it(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    small = {
        "description": "Small.",
        "type": "object",
        "properties": {"version": {"const": "1.0"}, "a": {"type": "string", "description": "A."}},
        "required": ["version", "a"],
        "x-field-order": ["version", "a"],
    }
    (tmp_path / "a.b").mkdir()
    (tmp_path / "a.b" / "1.0.json").write_text(json.dumps(small))
    assert "def create_a_b(" in "".join(generate.generated(tmp_path).values())
    (tmp_path / "a.b" / "1.1.json").write_text(json.dumps({**small, **change}))
    with pytest.raises(SystemExit, match=problem):
        generate.generated(tmp_path)
