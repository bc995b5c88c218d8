"""A tenant's worker: the real program, with its audit log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import binaries
from .plane import Plane
from .process import Process
from .waiting import PATIENCE, eventually


class Worker:
    """Handles a tenant's events by logging them."""

    def __init__(self, plane: Plane, tenant: str, subscriptions: Sequence[str], log: Path) -> None:
        settings = {
            "PUBSUB_EMULATOR_HOST": plane.emulator.host,
            "GCP_PROJECT_ID": plane.project,
            "TENANT_ID": tenant,
            "SUBSCRIPTIONS": ",".join(subscriptions),
            "HTTP_ADDR": "127.0.0.1:0",
        }
        self._process = Process([binaries.worker()], log, settings)

    def stop(self) -> None:
        self._process.stop()

    def audit(self) -> list[dict[str, Any]]:
        """One line for each decision (worker/README.md, "Audit log")."""
        text = self._process.output()
        # The last line may not be written to its end yet.
        complete = text[: text.rfind("\n") + 1]
        return [line for line in map(json.loads, complete.splitlines()) if "audit" in line]

    def seen(self) -> set[str]:
        """The ids of the events that came here, whatever became of them."""
        return {line["event_id"] for line in self.audit()}

    def handled(self, event_ids: Iterable[str], patience: float = PATIENCE) -> list[dict[str, Any]]:
        """Waits until each of the events was handled; the lines that say so."""
        wanted = set(event_ids)

        def lines() -> list[dict[str, Any]]:
            found = [each for each in self.audit() if each["event_id"] in wanted and each["outcome"] == "success"]
            return found if {each["event_id"] for each in found} == wanted else []

        return eventually(f"{len(wanted)} events to be handled", lines, patience)
