#!/usr/bin/env python3
"""Says which alert has no runbook, which runbook no alert, and which metric of alerts and dashboards nothing registers."""

import re
import sys

import rules

REGISTERED_IN = [rules.ROOT / "operator/src", rules.ROOT / "worker/src"]
# A metric is registered under its name, or under what comes behind its namespace.
NAMESPACES = ("event_operator_", "event_worker_")


def registered():
    sources = [path.read_text() for folder in REGISTERED_IN for path in folder.rglob("*.rs")]
    return set(re.findall(r'"([a-z][a-z0-9_]+)"', "\n".join(sources)))


def recorded(texts):
    """The names that recording rules give: they have colons, and parts of them look like metrics."""
    return re.sub(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", "", texts)


def used():
    sources = [rules.HERE / "alerts.yaml", rules.HERE / "dashboards.yaml"]
    sources += sorted((rules.ROOT / "docs/runbooks").glob("*.md"))
    texts = recorded("\n".join(path.read_text() for path in sources).replace("${window}", "5m"))
    names = re.findall(r"\bevent_(?:operator|worker)_[a-z_]+", texts)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def main():
    alerts = {rule["alert"] for _, rule in rules.alerts(rules.groups(rules.source(), rules.defaults(rules.source())))}
    pages = {path.stem for path in (rules.ROOT / "docs/runbooks").glob("*.md")}
    faults = [f"docs/runbooks/{name}.md is missing" for name in sorted(alerts - pages)]
    faults += [f"docs/runbooks/{name}.md: there is no such alert" for name in sorted(pages - alerts)]
    known = registered()
    for name in sorted(used()):
        if name not in known and not any(name.removeprefix(one) in known for one in NAMESPACES if name.startswith(one)):
            faults.append(f"{name}: neither operator nor worker registers it")
    if faults:
        sys.exit("\n".join(faults))
    print(f"{len(alerts)} alerts with runbooks, {len(used())} metrics that are registered")


if __name__ == "__main__":
    main()
