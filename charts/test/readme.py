#!/usr/bin/env python3
"""The chart's README is made of the comments in its values.yaml.

readme.py          writes it
readme.py --check  says whether it is up to date
"""

import re
import sys
from pathlib import Path

CHART = Path(__file__).resolve().parents[1] / "event-operator"
# Indentation, key, and the value if it is on the same line.
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):(?: (.*))?$")


class Undocumented(Exception):
    """A key without a comment."""


def rows(text):
    """(key, default, what it is) of each key; a comment counts for the keys that follow it without an empty line.

    A map that is written over several lines is a heading: its keys have comments of their own. `config` is one row, since
    config/operator.yaml explains it."""
    lines = text.splitlines()
    way, comment, number = [], [], 0
    # The head of the file is about itself.
    while lines[number].startswith("#"):
        number += 1
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip():
            comment = []
        elif line.lstrip().startswith("#"):
            text = line.lstrip().removeprefix("#").strip()
            # A comment after a key begins anew.
            comment = [text] if lines[number - 2].strip() and not lines[number - 2].lstrip().startswith("#") else [*comment, text]
        elif found := KEY.match(line):
            indent, key, value = found.groups()
            way = [*way[: len(indent) // 2], key]
            below = []
            while number < len(lines) and (lines[number].startswith(indent + "  ") or lines[number].startswith(indent + "- ")):
                below.append(lines[number])
                number += 1
            name = ".".join(way)
            if key == "config" and not indent:
                yield name, "[config/operator.yaml](../../config/operator.yaml)", " ".join(comment)
            elif value is None and not is_one_value(below):
                number -= len(below)
                # The comment above a map is about its switch.
                comment = comment if any(KEY.match(one) for one in below[:1]) else []
                continue
            else:
                if not comment:
                    raise Undocumented(name)
                default = value if value is not None else " ".join(part.strip() for part in below)
                yield name, default, " ".join(comment)


def is_one_value(below):
    """A list, or a map of amounts without comments."""
    return below[0].lstrip().startswith("-") or not any("#" in one or re.match(r"^ +enabled:", one) for one in below)


def cell(text):
    return text.replace("|", r"\|")


def readme():
    table = "\n".join(f"| `{key}` | {default if key == 'config' else f'`{cell(default)}`'} | {cell(what)} |"
                      for key, default, what in rows((CHART / "values.yaml").read_text()))
    return f"""<!-- Made of the comments in values.yaml by charts/test/readme.py. Do not edit. -->
# The chart event-operator

The operator: its Deployment, its rights, and the policies that hold it to what it does. The kinds `Tenant` and
`EventSubscription` are a chart of their own, [event-operator-crds](../event-operator-crds), which comes first.

    helm upgrade --install event-operator-crds charts/event-operator-crds -n event-operator --create-namespace
    helm upgrade --install event-operator charts/event-operator -n event-operator \\
      --set image.repository=$REGISTRY/event-operator,image.tag=0.1.0 \\
      --set config.worker.image=$REGISTRY/event-worker:0.1.0 --set config.projectId=$PROJECT

How it is run, upgraded, scraped and confined is in [docs/chart.md](../../docs/chart.md). A wrong key or value stops the
installation, and names itself.

| key | default | |
|---|---|---|
{table}
"""


def main():
    path, text = CHART / "README.md", readme()
    if "--check" in sys.argv[1:]:
        if not path.exists() or path.read_text() != text:
            sys.exit("charts/event-operator/README.md is old; run charts/test/readme.py and commit the result")
        return
    path.write_text(text)


if __name__ == "__main__":
    main()
