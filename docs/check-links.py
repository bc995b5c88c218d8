#!/usr/bin/env python3
"""Checks the documents of this repository: every relative link leads to a file, every anchor to a heading, and every file
that is named in backticks exists.

usage: docs/check-links.py        exit code 0: all is well; 1: each fault is a line FILE:LINE: WHAT

Markdown files are those that git knows or would add. Links to other hosts are not followed. Code blocks are skipped, and of
the spans in backticks those count that begin with a folder of the repository and end like a file (`operator/src/lib.rs`).
"""

import functools
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent

FENCE = re.compile(r"^\s*(```|~~~)")
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
SPAN = re.compile(r"(`+)(.+?)\1")
# [text](target "title") and ![text](target); a target may be in angle brackets.
INLINE = re.compile(r"\]\(\s*(<[^>]*>|[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+[\"'][^)]*)?\s*\)")
# [name]: target
DEFINITION = re.compile(r"^ {0,3}\[([^\]]+)\]:\s+(\S+)")
HTML = re.compile(r"<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=\"([^\"]+)\"")
NAMED_ANCHOR = re.compile(r"<a\b[^>]*?\b(?:id|name)=\"([^\"]+)\"")
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
FILE = re.compile(r"^[\w.-]+(?:/[\w.-]+)*\.(?:rs|md|ya?ml|toml|sh|py|json|svg|go|mod|txt)$")


def listed(*arguments):
    """Paths as git prints them."""
    output = subprocess.run(["git", "ls-files", "-z", *arguments], cwd=ROOT, check=True, capture_output=True)
    return [path for path in output.stdout.decode().split("\0") if path and (ROOT / path).exists()]


def prose(text):
    """The lines outside of code blocks, with their numbers. A block ends with the fence it began with."""
    fence = None
    indented = False
    before = ""
    for number, line in enumerate(text.splitlines(), start=1):
        mark = FENCE.match(line)
        if mark and fence in (None, mark.group(1)):
            fence = None if fence else mark.group(1)
            before = line
            continue
        # Four spaces after an empty line begin a block, which goes on until a line that is not indented.
        is_indented = line.startswith(("    ", "\t"))
        indented = is_indented and (indented or not before.strip()) or (indented and not line.strip())
        before = line
        if fence is None and not indented:
            yield number, line


def slug(heading):
    """A heading's anchor, as GitHub makes it."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[`*]|<[^>]+>", "", text).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@functools.cache
def anchors(path):
    """All anchors of a Markdown file; a heading that is there twice has a number the second time."""
    found, seen = set(), {}
    text = path.read_text(encoding="utf-8")
    found.update(NAMED_ANCHOR.findall(text))
    for _, line in prose(text):
        heading = HEADING.match(line)
        if heading:
            anchor = slug(heading.group(2))
            times = seen.get(anchor, 0)
            seen[anchor] = times + 1
            found.add(f"{anchor}-{times}" if times else anchor)
    return found


def targets(line):
    """What a line links to."""
    text = SPAN.sub("", line)
    definition = DEFINITION.match(text)
    if definition and not definition.group(1).startswith("^"):
        yield definition.group(2)
    for match in INLINE.finditer(text):
        yield match.group(1).strip("<>")
    yield from HTML.findall(text)


def fault_of(source, target):
    """What is wrong with a link, or None."""
    if ELSEWHERE.match(target) or target.startswith("//"):
        return None
    path, _, anchor = target.partition("#")
    path = urllib.parse.unquote(path)
    if path.startswith("/"):
        return f"{target}: a link from the root works on no web page; write it relative to {source.parent.name}/"
    # Not resolved: a link out of the repository is a fault, even when something happens to be there.
    there = pathlib.Path(os.path.normpath(source.parent / path)) if path else source
    if ROOT not in (there, *there.parents):
        return f"{target}: leads out of the repository"
    if not there.exists():
        return f"{target}: there is no such file"
    if anchor and there.suffix == ".md" and urllib.parse.unquote(anchor) not in anchors(there):
        return f"{target}: {there.relative_to(ROOT)} has no heading for #{anchor}"
    return None


def faults(path, folders):
    """Every fault of one document."""
    for number, line in prose(path.read_text(encoding="utf-8")):
        for target in targets(line):
            fault = fault_of(path, target)
            if fault:
                yield number, fault
        for _, span in SPAN.findall(line):
            name = span.strip()
            if FILE.match(name) and name.split("/")[0] in folders and not (ROOT / name).exists():
                yield number, f"`{name}`: there is no such file"


def main():
    """Checks all, and says what is wrong."""
    documents = listed("--cached", "--others", "--exclude-standard", "*.md")
    folders = {path.split("/")[0] for path in listed() if "/" in path}
    wrong = 0
    for document in documents:
        for number, fault in faults(ROOT / document, folders):
            print(f"{document}:{number}: {fault}", file=sys.stderr)
            wrong += 1
    if wrong:
        sys.exit(1)
    print(f"{len(documents)} documents: links, anchors and names of files are right")


if __name__ == "__main__":
    main()
