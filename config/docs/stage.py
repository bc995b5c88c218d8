#!/usr/bin/env python3
"""Lays out the pages of docs/SUMMARY.md for mdBook, in the folders that they have in the repository.

    stage.py TARGET [--source URL]

A link to a page of the book stays as it is. A picture comes along. A link to any other file leads to URL, where the repository is browsed
(https://HOST/OWNER/NAME/blob/BRANCH), or without it to a copy of the file. Exit code 1: a page is not in the summary, or not there.
"""

import argparse
import importlib.util
import os
import re
import shutil
import sys
import urllib.parse
from pathlib import Path

import markdown

SUMMARY = markdown.ROOT / "docs/SUMMARY.md"
PICTURES = {".svg", ".png", ".gif", ".cast"}
# Where copies of files go that are no pages. A browser shows text under this name.
FILES = "files"
AS_TEXT = ".txt"


def links():
    """docs/check-links.py, whose patterns say what a link is."""
    spec = importlib.util.spec_from_file_location("check_links", markdown.ROOT / "docs/check-links.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LINKS = links()


EACH = re.compile(r"^( *)<!-- each of: (\S+) -->\n", re.MULTILINE)


def title(path):
    """The heading of a page."""
    return re.sub(r"^(\d{4}): ", r"\1 ", path.read_text().splitlines()[0].lstrip("# "))


def summary():
    """The summary, with a line for each page that a comment `each of` stands for."""

    def lines(match):
        found = sorted(SUMMARY.parent.glob(match[2]))
        return "".join(f"{match[1]}- [{title(path)}]({path.relative_to(SUMMARY.parent).as_posix()})\n" for path in found)

    return EACH.sub(lines, SUMMARY.read_text())


def pages():
    """The pages of the summary, as paths from the root of the repository."""
    return [os.path.normpath(f"docs/{target}") for target in re.findall(r"\]\(([^)]+)\)", summary())]


def in_book(path):
    """A page's path in the book. mdBook makes index.html of README.md, and leaves links to README.html behind."""
    return re.sub(r"(^|/)README\.md$", r"\1index.md", path)


def faults(listed):
    """Documents that the summary forgets, names twice, or that are not there."""
    there = {path for path in LINKS.listed("--cached", "--others", "--exclude-standard", "docs/*.md") if path != "docs/SUMMARY.md"}
    yield from (f"docs/SUMMARY.md does not name {path}" for path in sorted(there - set(listed)))
    yield from (f"docs/SUMMARY.md: {path} is not there" for path in sorted(set(listed)) if not (markdown.ROOT / path).is_file())
    yield from (f"docs/SUMMARY.md names {path} twice" for path in sorted({one for one in listed if listed.count(one) > 1}))


class Staging:
    """The pages and files that are laid out."""

    def __init__(self, target, listed, source):
        self.target, self.listed, self.source = Path(target), set(listed), source

    def elsewhere(self, path):
        """Where a file or folder that is no page is seen, from the root of the book."""
        if self.source:
            return f"{self.source.rstrip('/')}/{path}"
        real = markdown.ROOT / path
        copy = Path(FILES) / (f"{path}/index{AS_TEXT}" if real.is_dir() else path + AS_TEXT)
        there = self.target / copy
        there.parent.mkdir(parents=True, exist_ok=True)
        if real.is_dir():
            names = [one for one in LINKS.listed("--cached", path) if one.startswith(path)]
            there.write_text(f"{path}\n\n" + "\n".join(names) + "\n")
        else:
            shutil.copyfile(real, there)
        return copy.as_posix()

    def link(self, page, target):
        """A link as it stands in the book."""
        if LINKS.ELSEWHERE.match(target) or target.startswith(("#", "//")):
            return target
        path, _, anchor = target.partition("#")
        there = os.path.normpath(os.path.join(os.path.dirname(page), urllib.parse.unquote(path)))
        if (markdown.ROOT / there).is_dir() and f"{there}/README.md" in self.listed:
            there += "/README.md"
        if there in self.listed:
            found = in_book(there)
        elif Path(there).suffix in PICTURES:
            found = there
            (self.target / there).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(markdown.ROOT / there, self.target / there)
        else:
            found = self.elsewhere(there)
            # A copy is text, and has no anchors.
            anchor = anchor if self.source else ""
        mark = "#" if anchor else ""
        if LINKS.ELSEWHERE.match(found):
            return found + mark + anchor
        return os.path.relpath(found, os.path.dirname(page) or ".") + mark + anchor

    def line(self, page, line):
        """A line with its links as they stand in the book; what is in backticks is no link."""

        def rewritten(text):
            def inline(match):
                target = match[1].strip("<>")
                return match[0].replace(match[1], self.link(page, target), 1)

            text = LINKS.INLINE.sub(inline, text)
            return re.sub(r'((?:href|src)=")([^"]+)(")', lambda match: match[1] + self.link(page, match[2]) + match[3], text)

        parts, end = [], 0
        for span in LINKS.SPAN.finditer(line):
            parts += [rewritten(line[end : span.start()]), span[0]]
            end = span.end()
        return "".join(parts) + rewritten(line[end:])

    def page(self, path):
        text = (markdown.ROOT / path).read_text(encoding="utf-8")
        lines = text.splitlines()
        for number, line in LINKS.prose(text):
            lines[number - 1] = self.line(path, line)
        there = self.target / in_book(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def summary(self):
        text = re.sub(r"\]\(([^)]+)\)", lambda match: f"]({in_book(os.path.normpath('docs/' + match[1]))})", summary())
        (self.target / "SUMMARY.md").write_text(text)


def main():
    parser = argparse.ArgumentParser(description="Lays out the pages of docs/SUMMARY.md for mdBook.")
    parser.add_argument("target")
    parser.add_argument("--source", help="where files of the repository are browsed")
    given = parser.parse_args()
    listed = pages()
    wrong = list(faults(listed))
    if wrong:
        sys.exit("\n".join(wrong))
    target = Path(given.target)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    staging = Staging(target, listed, given.source)
    for path in listed:
        staging.page(path)
    staging.summary()
    print(f"{len(listed)} pages")


if __name__ == "__main__":
    main()
