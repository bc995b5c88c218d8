#!/usr/bin/env python3
"""Makes the references of docs/reference and the tables of docs/metrics.md, each of the place where its truth is.

    generate.py                   writes them
    generate.py --check           says what is not as it would be written; exit code 1 then
    generate.py --worker BINARY   says where `event-worker --help` differs from its source; exit code 1 then
"""

import difflib
import sys

import alerts
import api
import chart
import markdown
import metrics
import worker

REFERENCE = markdown.ROOT / "docs/reference"
PAGES = {
    REFERENCE / "api.md": api.page,
    REFERENCE / "alerts.md": alerts.page,
    REFERENCE / "chart.md": chart.page,
    REFERENCE / "worker.md": worker.page,
    metrics.DOCUMENT: metrics.page,
}


def stale(path, text):
    """The first lines in which a page differs from what would be written; none when it does not."""
    found = path.read_text() if path.exists() else ""
    name = str(path.relative_to(markdown.ROOT))
    diff = difflib.unified_diff(found.splitlines(), text.splitlines(), name, "as generated", lineterm="", n=0)
    return list(diff)[:20]


def check():
    """Every fault, for --check."""
    faults = [*worker.faults(), *metrics.faults(), *chart.faults()]
    old = {path: stale(path, page()) for path, page in PAGES.items()}
    for lines in old.values():
        faults += lines
    if faults:
        print("\n".join(faults))
    if any(old.values()):
        sys.exit("docs/reference is not as generated. Run: config/docs/generate.py")
    if faults:
        sys.exit(1)
    print(f"{len(PAGES)} pages are as generated")


def main(arguments):
    if arguments == ["--check"]:
        check()
    elif len(arguments) == 2 and arguments[0] == "--worker":
        faults = list(worker.disagreements(arguments[1]))
        if faults:
            sys.exit("\n".join(faults))
        print(f"{len(list(worker.settings()))} settings are as --help has them")
    elif arguments:
        sys.exit(__doc__)
    else:
        REFERENCE.mkdir(exist_ok=True)
        for path, page in PAGES.items():
            text = page()
            if stale(path, text):
                path.write_text(text)
                print(path.relative_to(markdown.ROOT))


if __name__ == "__main__":
    main(sys.argv[1:])
