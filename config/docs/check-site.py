#!/usr/bin/env python3
"""Whether every link of a built site leads to a file of it, and every anchor to an element.

usage: check-site.py FOLDER       exit code 0: all do; 1: each fault is a line
"""

import functools
import os
import sys
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

ATTRIBUTES = {"a": "href", "img": "src", "link": "href", "script": "src"}
# All pages in one, for printing: its links lead to the pages.
LEFT_OUT = {"print.html", "404.html", "toc.html"}


class Page(HTMLParser):
    """What a page links to, and what in it is linked to."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(attrs[name] for name in ("id", "name") if attrs.get(name))
        target = attrs.get(ATTRIBUTES.get(tag, ""))
        if target:
            self.targets.append(target)


@functools.cache
def page(path):
    return Page(path.read_text(encoding="utf-8"))


def faults(path, root):
    for target in page(path).targets:
        split = urllib.parse.urlsplit(target)
        if split.scheme or split.netloc:
            continue
        there = Path(os.path.normpath(path.parent / urllib.parse.unquote(split.path))) if split.path else path
        there = there / "index.html" if there.is_dir() else there
        if root not in there.parents:
            yield f"{target}: leads out of the site"
        elif not there.is_file():
            yield f"{target}: there is no such file"
        elif split.fragment and there.suffix == ".html" and urllib.parse.unquote(split.fragment) not in page(there).ids:
            yield f"{target}: there is no such anchor"


def main(folder):
    root = Path(folder).resolve()
    pages = sorted(path for path in root.rglob("*.html") if path.name not in LEFT_OUT)
    wrong = [f"{path.relative_to(root)}: {fault}" for path in pages for fault in faults(path, root)]
    if wrong or not pages:
        sys.exit("\n".join(sorted(set(wrong))) or f"{folder} has no pages")
    print(f"{len(pages)} pages, and every link of theirs leads somewhere")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
