#!/usr/bin/env python3
"""Makes everything that is made of alerts.yaml and dashboards.yaml.

    generate.py            writes it
    generate.py --check    says what is not as it would be written; exit code 1 then
"""

import difflib
import sys

import cloud
import grafana
import rules
import table

CHART = rules.ROOT / "charts/event-operator/templates/monitoring"
DOCUMENT = rules.ROOT / "docs/monitoring.md"


def made():
    """Every file, by its path."""
    loaded, boards = rules.source(), grafana.source()
    files = {
        rules.HERE / "rules.yaml": rules.prometheus(loaded),
        CHART / "_rules.tpl": rules.chart(loaded),
        CHART / "_dashboards.tpl": grafana.chart(boards),
        DOCUMENT: table.filled(DOCUMENT.read_text(), loaded),
    }
    for board in boards:
        files[rules.HERE / "grafana" / f"{board['name']}.json"] = grafana.text(board)
        files[rules.HERE / "cloud" / f"{board['name']}.json"] = cloud.text(board)
    return files


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit("usage: generate.py [--check]")
    stale = 0
    for path, text in made().items():
        found = path.read_text() if path.exists() else ""
        if found == text:
            continue
        stale += 1
        if check:
            name = str(path.relative_to(rules.ROOT))
            diff = difflib.unified_diff(found.splitlines(), text.splitlines(), name, "as generated", lineterm="", n=1)
            print("\n".join(list(diff)[:20]))
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            print(path.relative_to(rules.ROOT))
    if check and stale:
        sys.exit(f"{stale} files are not as generated. Run: config/monitoring/generate.py")


if __name__ == "__main__":
    main()
