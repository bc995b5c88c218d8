"""Where the emulator, the worker and an example are: named by a variable, found where cargo puts them, or built."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

WORKSPACE = Path(__file__).resolve().parents[4]


@cache
def emulator() -> Path:
    return _binary("PUBSUB_EMULATOR", "pubsub-emulator")


@cache
def worker() -> Path:
    return _binary("EVENT_WORKER", "event-worker")


@cache
def publish_example() -> Path:
    """The block of docs/publishing.md as a program."""
    return _binary("PUBLISH_EXAMPLE", "examples/publish")


def _binary(variable: str, name: str) -> Path:
    if named := os.environ.get(variable):
        path = Path(named)
        assert os.access(path, os.X_OK), f"{variable}: {path} is no program that can be run"
        return path
    target = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target"))
    # A build for a named host goes into a folder of its own. Of several the newest counts.
    patterns = [f"{folder}{profile}/{name}" for folder in ("", "*/") for profile in ("debug", "release")]
    found = [path for pattern in patterns for path in target.glob(pattern) if os.access(path, os.X_OK)]
    return max(found, key=lambda path: path.stat().st_mtime) if found else _build(name)


def _build(name: str) -> Path:
    wanted = ["--example", name.removeprefix("examples/")] if name.startswith("examples/") else ["--bin", name]
    command = ["cargo", "build", "--quiet", "--workspace", *wanted, "--message-format", "json"]
    built = subprocess.run(command, cwd=WORKSPACE, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return Path(next(message["executable"] for message in reversed(messages) if message.get("executable")))
