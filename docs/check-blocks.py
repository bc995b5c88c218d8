#!/usr/bin/env python3
"""Checks that each command block of README.md and docs says how it is known to work.

usage: docs/check-blocks.py        exit code 0: all do; 1: each fault is a line FILE:LINE: WHAT

What a mark looks like is in config/docs/blocks.py. A test that is named has to be there, and to name the document or hold a command of
the block.
"""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "config/docs"))

import blocks  # noqa: E402 - the path above


def heads(block):
    """The commands of a block, each up to its third word: enough to find it in a test."""
    for line in block.commands().splitlines():
        words = re.sub(r"\s+#.*$", "", line).split()
        while words and re.match(r"^\w+=", words[0]):
            words.pop(0)
        if len(words) >= 2 and not words[0].startswith("#"):
            yield " ".join(words[:3])
        elif words and "/" in words[0]:
            yield words[0]


def fault_of(block):
    """What is wrong with a block's mark, or None."""
    if block.mark is None:
        return "a command block without a mark: <!-- run by: TEST --> or <!-- not run: REASON --> before it"
    kind, words = block.mark
    if kind == "not run":
        return None if len(words.split()) >= 3 else f"not run: {words}: that is no reason"
    for name in re.split(r",\s*", words):
        test = blocks.ROOT / name
        if not test.is_file():
            return f"run by: {name}: there is no such test"
        text = test.read_text(encoding="utf-8")
        names = (block.document, pathlib.PurePath(block.document).name)
        if not any(one in text for one in names) and not any(head in text for head in heads(block)):
            return f"run by: {name}: it names neither {block.document} nor a command of this block"
    return None


def main():
    """Checks all, and says what is wrong."""
    found = list(blocks.all_commands())
    faults = [f"{block.where}: {fault}" for block in found if (fault := fault_of(block))]
    if faults:
        print("\n".join(faults), file=sys.stderr)
        sys.exit(1)
    run = sum(block.mark[0] == "run by" for block in found)
    print(f"{len(found)} command blocks: {run} are run by a test, {len(found) - run} say why not")


if __name__ == "__main__":
    main()
