"""The command blocks of the documents, and what their marks say.

A mark is an HTML comment right before a block:

    <!-- run by: PATH[, PATH] -->    a test runs the commands of the block, or the block itself
    <!-- not run: REASON -->         no test does; config/docs/rehearse.py still holds it against the real tools

A block counts as commands when its language is a shell's, or when it has no language (an indented block has none) and a line of it
begins like a command.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SHELLS = ("sh", "bash", "shell", "console", "zsh")
TOOLS = (
    "argocd asciinema cargo cat chromium curl cosign docker event-worker eventctl export flux for gcloud git helm jq kind kubectl make mdbook npm npx"
    " pip promtool pubsub-emulator python python3 redis-cli sha256sum sudo terraform tofu velero while"
).split()
FOLDERS = ("charts/", "config/", "docs/", "e2e/", "events/", ".ci/", "./")
ASSIGNMENT = r"(?:[A-Za-z_][A-Za-z0-9_]*=\S*\s+)*"
COMMAND = re.compile(rf"^\s*(?:\$ )?{ASSIGNMENT}(?:(?:{'|'.join(TOOLS)})(?=\s|$)|(?:{'|'.join(map(re.escape, FOLDERS))})\S+|[A-Z_][A-Z0-9_]*=)")
FENCE = re.compile(r"^(\s*)(```+|~~~+)\s*([\w+-]*)")
MARK = re.compile(r"^\s*<!-- (run by|not run): (.+?) -->\s*$")


@dataclass
class Block:
    """A block of a document."""

    document: str
    line: int
    language: str
    text: str
    mark: tuple | None

    @property
    def is_commands(self):
        if self.language:
            return self.language in SHELLS
        return any(COMMAND.match(line) for line in self.text.splitlines())

    @property
    def where(self):
        return f"{self.document}:{self.line}"

    def commands(self):
        """The commands: without prompts, and of a transcript without what they print."""
        lines = self.text.splitlines()
        if any(re.match(r"^\$ ", line) for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        return "\n".join(lines) + "\n"


def documents():
    """The documents that are held to marks: README.md and docs."""
    output = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "README.md", "docs/*.md"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout.decode()
    return sorted({path for path in output.split("\0") if path and (ROOT / path).exists()})


def _dedented(lines, indent):
    return "\n".join(line[indent:] if line[:indent].isspace() or not indent else line.lstrip() for line in lines) + "\n"


def blocks(document, text=None):
    """Every block of a document, in its order."""
    lines = (text if text is not None else (ROOT / document).read_text(encoding="utf-8")).splitlines()
    mark, number, list_indent, blank = None, 0, 0, True
    while number < len(lines):
        line = lines[number]
        number += 1
        fence = FENCE.match(line)
        item = re.match(r"^(\s*)(?:[-*+]|\d+\.)(\s+)\S", line)
        indent = len(line) - len(line.lstrip(" "))
        if fence:
            begin, body = number, []
            while number < len(lines) and not re.match(rf"^\s*{re.escape(fence[2][:3])}+\s*$", lines[number]):
                body.append(lines[number])
                number += 1
            number += 1
            yield Block(document, begin, fence[3], _dedented(body, len(fence[1])), mark)
            mark, blank = None, False
        elif not line.strip():
            blank = True
        elif blank and indent >= list_indent + 4 and not item:
            begin, body = number, [line]
            while number < len(lines) and (not lines[number].strip() or lines[number].startswith(" " * (list_indent + 4))):
                body.append(lines[number])
                number += 1
            while not body[-1].strip():
                body.pop()
            yield Block(document, begin, "", _dedented(body, indent), mark)
            mark, blank = None, True
        else:
            found = MARK.match(line)
            mark = (found[1], found[2]) if found else None
            # In a list a block is indented by four more than the text of its item.
            if item:
                list_indent = len(item[1]) + 1 + len(item[2]) if not line.lstrip()[0].isdigit() else len(item[0]) - 1
            elif indent < list_indent:
                list_indent = 0
            blank = False


def all_commands():
    """Every command block of every document."""
    for document in documents():
        yield from (block for block in blocks(document) if block.is_commands)
