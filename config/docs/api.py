"""The reference of the two kinds, made of their CRDs."""

import re

import yaml

import markdown

KINDS = ("tenants", "eventsubscriptions")
SOURCE = "crds/{}.yaml"
# Kubernetes' own words for a value that is a number or a text.
INT_OR_STRING = "integer or text"
TYPES = {"string": "text", "boolean": "true or false"}
# The form of crds/src/duration.rs.
DURATION = "^([0-9]{1,6}h)?([0-9]{1,8}m)?([0-9]{1,9}s)?$"
# A default stands in the description where the operator and not the API server fills it in.
DEFAULT = re.compile(r"\s*Default: (.+?)\.(?=\s|$)")
REFUSED = "The API server refuses what breaks one of these rules, with its message:"


def crd(plural):
    return yaml.safe_load((markdown.ROOT / SOURCE.format(plural)).read_text())


def _number(value):
    return f"{int(value):,}" if float(value).is_integer() else str(value)


def type_of(schema):
    """What a field holds, in a few words."""
    if schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    if schema.get("pattern") == DURATION:
        return "duration"
    kind = schema.get("type", "any value")
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map of {type_of(schema['additionalProperties'])}"
    return TYPES.get(kind, kind)


def _bounds(low, high, unit):
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}{unit}"
    if high is not None:
        return f"at most {_number(high)}{unit}"
    return f"at least {_number(low)}{unit}" if low is not None else ""


def allowed(schema):
    """Everything that the schema says of a value, but for its CEL rules."""
    parts = [", ".join(markdown.code(one) for one in schema.get("enum", []))]
    parts.append(_bounds(schema.get("minimum"), schema.get("maximum"), ""))
    if schema.get("pattern") != DURATION:
        parts.append(_bounds(schema.get("minLength"), schema.get("maxLength"), " characters"))
    parts.append(_bounds(schema.get("minItems"), schema.get("maxItems"), " items"))
    parts.append(_bounds(schema.get("minProperties"), schema.get("maxProperties"), " keys"))
    if schema.get("pattern", DURATION) != DURATION:
        parts.append(markdown.code(schema["pattern"]))
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        parts.append("other fields are kept")
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys:
        parts.append(f"one item for each {markdown.code(', '.join(keys))}")
    items = schema.get("items")
    if items and not items.get("properties"):
        each = allowed(items)
        parts.append(f"each: {each}" if each else "")
    return "; ".join(part for part in parts if part)


def _default_and_words(schema):
    """The default, from the schema or from the description, and the description without it."""
    text = schema.get("description", "")
    default = ""
    found = DEFAULT.search(text)
    if found:
        default = found[1]
        if re.fullmatch(r"[\w.-]+", default):
            default = markdown.code(default)
        text = text[: found.start()] + text[found.end() :]
    if "default" in schema and schema["default"] not in ({}, None) and not isinstance(schema["default"], dict):
        default = markdown.code(schema["default"])
    return default, text


def _parts(schema):
    """The object within a field: itself, the items of a list, the values of a map."""
    for suffix, inner in (("", schema), ("[]", schema.get("items") or {}), (".KEY", schema.get("additionalProperties") or {})):
        if isinstance(inner, dict) and inner.get("properties"):
            return suffix, inner
    return None


def rules(path, schema):
    """Every CEL rule of a value and its fields that have no section of their own, with the path it is about."""
    for rule in schema.get("x-kubernetes-validations", []):
        yield path, rule
    inner = schema.get("items")
    if inner and not inner.get("properties"):
        yield from rules(path + "[]", inner)


def _within(path, way):
    """A field as seen from the section it is in."""
    return markdown.code(way.removeprefix(path + ".")) if way != path else "the whole"


def section(path, schema, level=3):
    """A table of an object's fields, the rules about them, and a section for each object within."""
    required = schema.get("required", [])
    rows, found, below = [], list(rules(path, schema)), []
    for name, field in sorted(schema["properties"].items(), key=lambda one: (one[0] not in required, one[0])):
        kind = type_of(field)
        part = _parts(field)
        if part:
            suffix, inner = part
            way = f"{path}.{name}{suffix}"
            below.append((way, inner))
            kind = f"[{kind}](#{markdown.slug(way)})"
        default, words = _default_and_words(field)
        default = "required" if name in required else default
        rows.append([markdown.code(name), kind, default, allowed(field), words])
        # Rules on an object stand in its own section; those on a list of objects here.
        found += [one for one in rules(f"{path}.{name}", field) if not (part and not part[0])]
    text = f"{'#' * level} `{path}`\n\n"
    if schema.get("description") and level > 3:
        text += markdown.cell(_default_and_words(schema)[1]).replace(r"\|", "|") + "\n\n"
    text += markdown.table(["field", "type", "default", "allowed", "meaning"], rows)
    if found:
        text += f"\n{REFUSED}\n\n"
        text += markdown.table(
            ["field", "message", "rule"],
            [[_within(path, way), rule.get("message", ""), markdown.code(rule["rule"])] for way, rule in found],
        )
    return text + "".join("\n" + section(way, inner, min(level + 1, 4)) for way, inner in below)


def kind(plural):
    """One kind."""
    loaded = crd(plural)["spec"]
    names, scope = loaded["names"], loaded["scope"]
    text = f"## {names['kind']}\n\n"
    for version in loaded["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        text += markdown.table(
            ["", ""],
            [
                ["apiVersion", markdown.code(f"{loaded['group']}/{version['name']}")],
                ["scope", "cluster" if scope == "Cluster" else "namespace"],
                ["names", ", ".join(markdown.code(one) for one in [names["plural"], names["singular"], *names.get("shortNames", [])])],
                ["categories", ", ".join(markdown.code(one) for one in names.get("categories", []))],
            ],
        )
        text += f"\n{markdown.cell(schema.get('description', ''))}\n"
        name = schema["properties"].get("metadata", {}).get("properties", {}).get("name")
        if name:
            text += f"\n`metadata.name`: {allowed(name)}.\n"
        whole = list(rules(names["kind"], schema))
        if whole:
            text += f"\n{REFUSED}\n\n"
            text += markdown.table(["message", "rule"], [[rule.get("message", ""), markdown.code(rule["rule"])] for _, rule in whole])
        for part in ("spec", "status"):
            if part in schema["properties"]:
                text += "\n" + section(f"{names['singular']}.{part}", schema["properties"][part])
        columns = [
            [markdown.code(one["name"]), "`-o wide`" if one.get("priority") else "always", markdown.code(one["jsonPath"]), one.get("description", "")]
            for one in version.get("additionalPrinterColumns", [])
        ]
        text += f"\n### Columns of `kubectl get {names['plural']}`\n\n"
        text += markdown.table(["column", "shown", "from", "meaning"], columns)
    return text


def page():
    """docs/reference/api.md"""
    return (
        markdown.head("crds/tenants.yaml and crds/eventsubscriptions.yaml")
        + "# API reference\n\n"
        + "Every field of the two kinds, as their CRDs have it. `kubectl explain` shows the same in a terminal. A default stands here where the\n"
        + "API server or the operator fills it in; defaults that the operator's configuration changes are in [settings](../settings.md).\n"
        + "A duration is whole hours, minutes and seconds in that order, such as `168h` or `1h30m`. What conditions and reasons mean is in [status](../status.md).\n\n"
        + "\n".join(kind(plural) for plural in KINDS)
    )
