"""The fenced blocks of a document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block, and where its text begins."""

    path: Path
    line: int
    language: str
    text: str

    def compiled(self, flags: int = 0) -> object:
        """Python, with the document's name and lines in tracebacks."""
        return compile("\n" * self.line + self.text, str(self.path), "exec", flags)


def blocks(path: Path) -> list[Block]:
    text = path.read_text()
    found = []
    for match in _FENCE.finditer(text):
        found.append(Block(path, text.count("\n", 0, match.start()) + 1, match[1], match[2]))
    # A fence that is opened and not closed, or has no language, would hide a block.
    assert len(found) * 2 == len(re.findall(r"^\s*```", text, re.MULTILINE)), f"{path}: a fence has no language or no end"
    return found
