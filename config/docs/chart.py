"""The reference of the chart's values, made of the comments in values.yaml and of values.schema.json."""

import json
import re
import sys

import markdown

sys.path.insert(0, str(markdown.ROOT / "charts/test"))

import readme  # noqa: E402 - charts/test/readme.py reads the comments

CHART = markdown.ROOT / "charts/event-operator"
SETTINGS = markdown.ROOT / "docs/settings.md"


def schema():
    return json.loads((CHART / "values.schema.json").read_text())


def resolved(whole, part):
    """A part of the schema, with what it refers to in its place."""
    reference = part.get("$ref")
    if not reference:
        return part
    # What a definition says of itself is about the form of the value; other descriptions repeat the comment.
    definition = whole["definitions"][reference.rsplit("/", 1)[1]]
    return {**definition, **part, "form": definition.get("description", "")}


def at(whole, way):
    """The schema of a key, or nothing where the schema names none."""
    part = whole
    for key in way.split("."):
        part = resolved(whole, part).get("properties", {}).get(key)
        if part is None:
            return {}
    return resolved(whole, part)


def _type(part):
    kind = part.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else kind


def allowed(part):
    """What the schema says of a value."""
    parts = [", ".join(markdown.code(one) for one in part["enum"])] if "enum" in part else [_type(part)]
    low, high = part.get("minimum", part.get("exclusiveMinimum")), part.get("maximum", part.get("exclusiveMaximum"))
    low = f"above {low}" if "exclusiveMinimum" in part else (f"from {low}" if low is not None else "")
    high = f"below {high}" if "exclusiveMaximum" in part else (f"to {high}" if high is not None else "")
    parts.append(" ".join(one for one in (low, high) if one))
    if part.get("pattern"):
        parts.append(part.get("form") or part.get("description") or markdown.code(part["pattern"]))
    elif part.get("form"):
        parts.append(part["form"])
    return "; ".join(one.rstrip(".") for one in parts if one)


def keys(whole, part, way=""):
    """Every key below a part of the schema that holds no other keys."""
    part = resolved(whole, part)
    inner = part.get("properties")
    if not inner:
        yield way
        return
    for name, below in inner.items():
        yield from keys(whole, below, f"{way}.{name}" if way else name)


def explained(text):
    """The keys that docs/settings.md has a row for: `a.b`, and `.c` after it for `a.c`."""
    for line in text.splitlines():
        if not line.startswith("| `"):
            continue
        before = ""
        for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
            name = before.rsplit(".", 1)[0] + name if name.startswith(".") else name
            before = name
            yield name


def faults():
    """Keys of the configuration that docs/settings.md does not explain. A row for a map stands for what is in it."""
    rows = set(explained(SETTINGS.read_text()))
    whole = schema()
    for key in keys(whole, whole["properties"]["config"]):
        ways = [".".join(key.split(".")[:count]) for count in range(1, key.count(".") + 2)]
        if not rows.intersection(ways):
            yield f"docs/settings.md has no row for {key}, which values.schema.json allows"


def page():
    """docs/reference/chart.md"""
    whole = schema()
    rows = []
    for key, default, words in readme.rows((CHART / "values.yaml").read_text()):
        if key == "config":
            rows.append([markdown.code("config.…"), "[config/operator.yaml](../../config/operator.yaml)", "[settings](../settings.md)", words])
        else:
            rows.append([markdown.code(key), markdown.code(default), allowed(at(whole, key)), words])
    return (
        markdown.head("charts/event-operator/values.yaml and its schema")
        + "# Values of the chart\n\n"
        + "Every value of the chart [event-operator](../../charts/event-operator/README.md). A key or value that is not allowed stops\n"
        + "`helm install`, and names itself. `config` is the operator's own configuration, which [settings](../settings.md) explains key by key.\n\n"
        + markdown.table(["key", "default", "allowed", "meaning"], rows)
    )
