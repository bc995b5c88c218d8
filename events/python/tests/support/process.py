"""A program that is started and ended by a test, its output kept in a file."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .waiting import PATIENCE


class Process:
    """Running from the moment that it is made."""

    def __init__(self, command: Sequence[str | Path], log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=dict(environment)
            )

    def output(self) -> str:
        text = self.log.read_text()
        assert self._child.poll() in (None, 0), f"it ended with {self._child.returncode}:\n{text}"
        return text

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that is not enough."""
        self._child.terminate()
        try:
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(PATIENCE)
