"""The Pub/Sub emulator of this repository, as a process; its own API is described in e2e/emulator/README.md."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

from . import binaries
from .process import Process
from .waiting import eventually


class Emulator:
    """Listens on a free port of the loopback interface, or on the one that is named."""

    def __init__(self, log: Path, port: int = 0) -> None:
        self._process = Process([binaries.emulator(), "--port", str(port)], log, {"NO_COLOR": "1"})
        pattern = re.compile(r"Listening.*?(127\.0\.0\.1:\d+)")
        [self.host] = eventually("the emulator to listen", lambda: pattern.findall(self._process.output()))

    def stop(self) -> None:
        self._process.stop()

    def call(self, verb: str, path: str, body: object = None) -> Any:
        """A REST call: of Pub/Sub's own API, or of the emulator's."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.host}{path}", data=data, method=verb)
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"{}")

    def fault(self, **fields: object) -> None:
        """A planned failure of a method."""
        self.call("POST", "/emulator/v1/faults", fields)

    def published(self) -> int:
        """How many publish calls came to an end."""
        return len(self.call("GET", "/emulator/v1/calls?method=Publisher.Publish")["calls"])
