"""Writes src/livingtwin_events/generated from the JSON Schemas in events/schemas.

    python tools/generate.py            writes
    python tools/generate.py --check    exits 1 and names the files that are not up to date

A schema's path is its event type and version: events/schemas/document.ingested/1.0.json. The newest version of each type counts.
What a schema says that this script does not know stops it, so that no rule is lost on the way.
"""

from __future__ import annotations

import argparse
import json
import keyword
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
SCHEMAS = PACKAGE.parent / "schemas"
GENERATED = PACKAGE / "src" / "livingtwin_events" / "generated"

HEADER = '''"""{summary}

Made by tools/generate.py of the JSON Schemas in events/schemas. Do not edit: change those, and run it again.
"""

from __future__ import annotations
'''

# Envelope fields that each method takes beside the payload's: name, type, and what it is.
ENVELOPE = [
    ("user_id", "str", "Who caused it, where a person did."),
    ("correlation_id", "str", "Ties the events of one request together. Default: the event's own id."),
    ("causation_id", "str", "The id of the event that led to this one."),
    ("caused_by", "DomainEvent", "That event itself: its id is the causation, its correlation the correlation, unless given."),
    ("event_id", "str", "The event's id; the same id twice is one event. Default: a new one."),
    ("idempotency_key", "str", "Default: `{event_type}:{tenant_id}:{event_id}`."),
    ("occurred_at", "datetime", "When it happened, with a time zone. Default: now."),
    ("source", "str", "The service it comes from. Default: the factory's."),
]

# What a payload's schema may say at its top.
KNOWN_OF_A_PAYLOAD = ("$id", "$schema", "title", "description", "type", "properties", "required", "x-field-order")

# Bounds of the integers that a format names.
FORMATS = {
    "uint64": (0, 2**64 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "int32": (-(2**31), 2**31 - 1),
}


@dataclass(frozen=True)
class Field:
    """A field of a payload, as Python needs it."""

    name: str
    required: bool
    type: str
    check: str
    description: str


@dataclass(frozen=True)
class Payload:
    """A payload of one event type, in its newest version."""

    event_type: str
    version: str
    description: str
    fields: list[Field]

    @property
    def class_name(self) -> str:
        """``DocumentIngested``."""
        return "".join(word.capitalize() for word in re.split(r"[._]", self.event_type))

    @property
    def method_name(self) -> str:
        """``create_document_ingested``."""
        return "create_" + self.event_type.replace(".", "_")

    @property
    def constant(self) -> str:
        """``DOCUMENT_INGESTED``."""
        return self.event_type.replace(".", "_").upper()

    @property
    def is_about_a_user(self) -> bool:
        """Whether the payload has a user, who is then the envelope's too."""
        return any(each.name == "user_id" for each in self.fields)


def main() -> int:
    """Writes or compares the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and exit 1 when a file differs")
    arguments = parser.parse_args()
    stale = []
    for path, text in generated(SCHEMAS).items():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(path.name)
        if not arguments.check:
            path.write_text(text)
            print(f"written: {path.name}")
    if arguments.check and stale:
        print(
            f"not up to date with events/schemas: {', '.join(stale)}. Run: python tools/generate.py",
            file=sys.stderr,
        )
        return 1
    return 0


def generated(schemas: Path) -> dict[Path, str]:
    """Every generated file with its text."""
    payloads = read_all(schemas)
    return {
        GENERATED / "__init__.py": '"""What tools/generate.py makes of the JSON Schemas in events/schemas."""\n',
        GENERATED / "event_type.py": event_type_file(payloads),
        GENERATED / "payloads.py": payloads_file(payloads),
        GENERATED / "creators.py": creators_file(payloads),
    }


# Reading schemas.


def read_all(schemas: Path) -> list[Payload]:
    """The newest version of each type, by the order of their names."""
    newest: dict[str, Path] = {}
    for path in sorted(schemas.glob("*/*.json"), key=lambda path: [int(n) for n in path.stem.split(".")]):
        newest[path.parent.name] = path
    if not newest:
        raise SystemExit(f"{schemas} holds no schemas of the form EVENT_TYPE/VERSION.json")
    return [read_payload(event_type, path) for event_type, path in sorted(newest.items())]


def read_payload(event_type: str, path: Path) -> Payload:
    """One schema."""
    schema = json.loads(path.read_text())
    where = f"{event_type}/{path.name}"
    if schema.get("type") != "object" or schema.get("additionalProperties", True) is not True:
        raise SystemExit(f"{where}: a payload is an object that tolerates unknown fields")
    if unknown := set(schema) - {*KNOWN_OF_A_PAYLOAD, "$defs"}:
        raise SystemExit(f"{where}: {', '.join(sorted(unknown))} is a rule that tools/generate.py does not know")
    required, properties, names = schema["required"], schema["properties"], schema["x-field-order"]
    if sorted(names) != sorted(properties):
        raise SystemExit(f"{where}: x-field-order names other fields than properties")
    fields = [
        read_field(f"{where}, {name}", name, name in required, properties[name], schema)
        for name in names
        # It is said by the class.
        if name != "version"
    ]
    return Payload(event_type, path.stem, schema["description"], fields)


def read_field(where: str, name: str, required: bool, schema: dict[str, Any], root: dict[str, Any]) -> Field:
    """One property."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise SystemExit(f"{where}: no name for a parameter")
    description = schema.get("description") or resolve(schema, root).get("description")
    if not description:
        raise SystemExit(f"{where}: has no description")
    type_, check = read_type(where, strip_null(where, schema, root))
    return Field(name, required, type_, check, " ".join(description.split()))


def strip_null(where: str, schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The schema of the value itself: references followed, and without a null that stands for a missing field."""
    schema = resolve(schema, root)
    if "anyOf" in schema:
        others = [each for each in schema["anyOf"] if each != {"type": "null"}]
        if len(others) != 1:
            raise SystemExit(f"{where}: of several types")
        schema = resolve(others[0], root)
    if isinstance(schema.get("type"), list):
        types = [each for each in schema["type"] if each != "null"]
        if len(types) != 1:
            raise SystemExit(f"{where}: of several types")
        schema = {**schema, "type": types[0]}
    if None in schema.get("enum", []):
        schema = {**schema, "enum": [each for each in schema["enum"] if each is not None]}
    return schema


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follows ``$ref`` within the file."""
    while "$ref" in schema:
        prefix, _, name = schema["$ref"].rpartition("/")
        if prefix != "#/$defs":
            raise SystemExit(f"{schema['$ref']}: a reference goes to #/$defs/NAME")
        schema = root["$defs"][name]
    return schema


def read_type(where: str, schema: dict[str, Any]) -> tuple[str, str]:
    """A value's Python type and its check."""
    known = {
        "type",
        "description",
        "title",
        "format",
        "minimum",
        "maximum",
        "items",
        "enum",
        "oneOf",
        "default",
        "examples",
    }
    if unknown := set(schema) - known:
        raise SystemExit(f"{where}: {', '.join(sorted(unknown))} is a rule that tools/generate.py does not know")
    choices = schema.get("enum") or [each["const"] for each in schema.get("oneOf", [])]
    if choices:
        quoted = ", ".join(json.dumps(each) for each in choices)
        return f"Literal[{quoted}]", f"choice({quoted})"
    kind = schema.get("type")
    if kind == "string" and "format" not in schema:
        return "str", "text"
    if kind == "integer":
        least, most = FORMATS[schema["format"]]
        least, most = max(least, schema.get("minimum", least)), min(most, schema.get("maximum", most))
        return "int", f"integer({least}, {most:_})"
    if kind == "array" and strip_null(where, schema["items"], {}) == {"type": "string"}:
        return "Sequence[str]", "texts"
    raise SystemExit(f"{where}: {json.dumps(schema)} is of a type that tools/generate.py does not know")


# Writing Python.


def event_type_file(payloads: list[Payload]) -> str:
    """``EventType``."""
    members = "\n".join(f'    {each.constant} = "{each.event_type}"\n{doc(each.description, 4)}' for each in payloads)
    return (
        HEADER.format(summary="The event types of the catalogue.")
        + f'''
from enum import Enum


class EventType(str, Enum):
    """An event type of the catalogue. It equals its text, and is written as it."""

{members}
    def __str__(self) -> str:
        return self.value

    def __format__(self, specification: str) -> str:
        return format(self.value, specification)
'''
    )


def payloads_file(payloads: list[Payload]) -> str:
    """A dataclass for each type."""
    return (
        HEADER.format(summary="What the events of the catalogue say: a class for each event type.")
        + f'''
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..payload import Check, Payload, choice, integer, text, texts
from .event_type import EventType

{"".join(map(payload_class, payloads))}

PAYLOADS: Mapping[EventType, type[Payload]] = {{
{"".join(f"    EventType.{each.constant}: {each.class_name},{NEWLINE}" for each in payloads)}}}
"""The class of each event type."""
'''
    )


NEWLINE = "\n"


def payload_class(payload: Payload) -> str:
    """One dataclass."""
    checks = "".join(f'        "{each.name}": {each.check},\n' for each in payload.fields)
    members = "".join(
        f"    {each.name}: {each.type if each.required else f'{each.type} | None = None'}\n{doc(each.description, 4)}"
        for each in payload.fields
    )
    return f'''
@dataclass(frozen=True, kw_only=True)
class {payload.class_name}(Payload):
{doc(f"``{payload.event_type}``: {payload.description}", 4)}
    EVENT_TYPE: ClassVar[EventType] = EventType.{payload.constant}
    VERSION: ClassVar[str] = "{payload.version}"
    CHECKS: ClassVar[Mapping[str, Check]] = {{
{checks}    }}

{members}
'''


def creators_file(payloads: list[Payload]) -> str:
    """The factory's methods."""
    return (
        HEADER.format(summary="The methods of EventFactory, one for each event type.")
        + f'''
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from ..creating import Creating
from ..either import either
from ..event import DomainEvent
from . import payloads


class EventCreators(Creating):
    """A method for each event type of the catalogue."""
{"".join(map(creator, payloads))}'''
    )


def creator(payload: Payload) -> str:
    """One method."""
    envelope = [
        # The payload's user is the envelope's, unless another one acted.
        ("acting_user_id", type_, "Who caused it, where that is another user. Default: `user_id`.")
        if name == "user_id" and payload.is_about_a_user
        else (name, type_, description)
        for name, type_, description in ENVELOPE
    ]
    clash = {name for name, _, _ in envelope} & {each.name for each in payload.fields}
    if clash:
        raise SystemExit(f"{payload.event_type}: {clash} is a field of the envelope too")
    parameters = ["self", "*", "tenant_id: str"]
    parameters += [f"{each.name}: {each.type}" for each in payload.fields if each.required]
    parameters += [f"{each.name}: {each.type} | None = None" for each in payload.fields if not each.required]
    parameters += [f"{name}: {type_} | None = None" for name, type_, _ in envelope]
    described = [("tenant_id", "To whom: 1 to 63 of `A-Z a-z 0-9 . _ ~ -`.")]
    described += [(each.name, each.description) for each in payload.fields]
    described += [(name, description) for name, _, description in envelope]
    arguments = "".join(
        textwrap.fill(
            f"{name}: {description}",
            110,
            initial_indent=" " * 12,
            subsequent_indent=" " * 16,
            break_long_words=False,
        )
        + "\n"
        for name, description in described
    )
    user = "user_id if acting_user_id is None else acting_user_id" if payload.is_about_a_user else "user_id"
    return f'''
    @either
    def {payload.method_name}(
{"".join(f"        {each},{NEWLINE}" for each in parameters)}    ) -> DomainEvent:
        """{payload.description} Makes a ``{payload.event_type}`` event.

        Args:
{arguments}
        Raises:
            InvalidEventError: names the field and what is allowed.
        """
        return self._event(
            payloads.{payload.class_name}.EVENT_TYPE,
            payloads.{payload.class_name}(
{"".join(f"                {each.name}={each.name},{NEWLINE}" for each in payload.fields)}            ).to_data(),
            tenant_id=tenant_id,
            user_id={user},
{"".join(f"            {name}={name},{NEWLINE}" for name, _, _ in envelope[1:])}        )
'''


def doc(text: str, indent: int) -> str:
    """A docstring."""
    margin = " " * indent
    return textwrap.fill(f'"""{text}"""', 120, initial_indent=margin, subsequent_indent=margin) + "\n"


if __name__ == "__main__":
    sys.exit(main())
